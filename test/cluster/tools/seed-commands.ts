// The list of the commands that the documents which BigO grew from print, and a shell that runs them as a reader would.
// Never judges a command itself: each test says which ones it runs, and on what cluster.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface SeedCommand {
  readonly id: string;
  readonly command: string;
  readonly state: 'run' | 'adapted' | 'not runnable';
  /** What is typed instead. */
  readonly as?: string;
  readonly why?: string;
  readonly reason?: string;
  /** Pattern of what it prints. */
  readonly expect?: string;
  readonly before?: string;
  readonly then?: string;
  readonly thenExpect?: string;
  /** It ends only when it is ended, which is when it has printed what is expected. */
  readonly watch?: boolean;
  /** `$POD` is set, as by the command before it. */
  readonly pod?: boolean;
  readonly folder?: string;
  /** Another test runs it: it needs no cluster, or pods that really run. */
  readonly by?: string;
}

const root = path.join(import.meta.dirname, '..', '..', '..');
const run = promisify(execFile);
const commandMsMax = 120_000;
const pollMs = 500;
const setPod =
  "POD=$(kubectl get pods -n ml -l app.kubernetes.io/name=ollama -o jsonpath='{.items[0].metadata.name}') && ";

export async function seedCommands(): Promise<readonly SeedCommand[]> {
  const text = await readFile(path.join(root, 'test', 'seeds', 'commands.json'), 'utf8');
  return JSON.parse(text) as readonly SeedCommand[];
}

export interface ReaderOptions {
  readonly kubeconfig: string;
  readonly kubectl: string;
  /** How long controllers, schedulers and kubelets may take until a command prints what is expected. */
  readonly stateMsMax: number;
}

/** Somebody who types the commands, one after another. */
export class Reader {
  readonly #options: ReaderOptions;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  get #environment(): NodeJS.ProcessEnv {
    const { kubeconfig, kubectl } = this.#options;
    const programs = `${path.dirname(kubectl)}${path.delimiter}${process.env['PATH'] ?? ''}`;
    return { ...process.env, KUBECONFIG: kubeconfig, PATH: programs };
  }

  /** What it printed, to both of its ends when it did not fail. */
  async shell(line: string, cwd: string): Promise<string> {
    const { stdout } = await run('sh', ['-c', line], {
      cwd,
      env: this.#environment,
      timeout: commandMsMax,
    });
    return stdout;
  }

  /** Types it as the list says, and sees what is expected of it. */
  async types(row: SeedCommand, cwd: string): Promise<void> {
    const typed = row.as ?? row.command;
    const first = row.pod === true ? setPod : '';
    if (row.before !== undefined) await this.shell(row.before, cwd);
    // The shell gives way to the command, so that the command is what is ended.
    if (row.watch === true) return this.#watching(`${first}exec ${typed}`, cwd, new RegExp(row.expect ?? ''));
    if (row.then === undefined) return this.expecting(first + typed, cwd, new RegExp(row.expect ?? '', 'm'));
    await this.expecting(`${first + typed} && ${row.then}`, cwd, new RegExp(row.thenExpect ?? '', 'm'));
  }

  /** Until it prints what is expected. */
  async expecting(line: string, cwd: string, expected: RegExp): Promise<void> {
    const deadlineMs = Date.now() + this.#options.stateMsMax;
    for (;;) {
      const out = await this.shell(line, cwd).catch((error: { stdout?: string; stderr?: string }) => error);
      if (typeof out === 'string' && expected.test(out.trim())) return;
      const printed = typeof out === 'string' ? out : `${out.stdout ?? ''}${out.stderr ?? ''}`;
      if (Date.now() > deadlineMs) assert.match(printed.trim(), expected);
      await sleep(pollMs);
    }
  }

  async #watching(line: string, cwd: string, expected: RegExp): Promise<void> {
    const child = spawn('sh', ['-c', line], { cwd, env: this.#environment, timeout: commandMsMax });
    let out = '';
    for await (const chunk of child.stdout) {
      out += String(chunk);
      if (expected.test(out)) break;
    }
    child.kill();
    assert.match(out, expected);
  }
}
