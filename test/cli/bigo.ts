// Runs the command line as a person would, in a home of its own. Never leaves a process or a folder behind.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';

export const mainFile = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const timeMsMax = 60_000;

export interface RunResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Text that is piped in; absent = stdin is /dev/null. */
  readonly input?: string;
  /** It is ended after so long; a minute when absent. */
  readonly timeMsMax?: number;
}

export interface Home {
  readonly dir: string;
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  start(args: readonly string[], options?: RunOptions): Running;
}

/** An empty home folder, so that no configuration or run file of this machine is seen. */
export function aHome(t: TestContext): Home {
  const dir = mkdtempSync(join(tmpdir(), 'bigo-home-'));
  const children = new Set<Running>();
  t.after(async () => {
    for (const child of children) await child.kill();
    rmSync(dir, { recursive: true, force: true });
  });
  const start = (args: readonly string[], options: RunOptions = {}) => {
    const running = new Running(dir, args, options);
    children.add(running);
    return running;
  };
  return { dir, start, run: (args, options) => start(args, options).ended };
}

export class Running {
  readonly child: ChildProcessByStdio<Writable | null, Readable, Readable>;
  readonly ended: Promise<RunResult>;
  stdout = '';
  stderr = '';

  constructor(dir: string, args: readonly string[], options: RunOptions) {
    this.child = spawn(process.execPath, [mainFile, ...args], {
      cwd: dir,
      // No test asks a registry of the internet.
      env: { PATH: process.env.PATH ?? '', HOME: dir, BIGO_LIBRARY: 'off', ...options.env },
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout: options.timeMsMax ?? timeMsMax,
    }) as ChildProcessByStdio<Writable | null, Readable, Readable>;
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.child.stdin?.on('error', () => {});
    this.child.stdin?.end(options.input);
    this.ended = new Promise(resolve => {
      this.child.once('close', (code, signal) => {
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  /** Resolves as soon as the text of a stream matches; rejects when the process ends before. */
  async see(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    const endedEarly = this.ended.then(() => 'ended' as const);
    for (;;) {
      const match = pattern.exec(this[stream]);
      if (match !== null) return match;
      const next = new Promise<'more'>(resolve => this.child[stream].once('data', () => resolve('more')));
      if ((await Promise.race([next, endedEarly])) === 'more') continue;
      const last = pattern.exec(this[stream]);
      if (last !== null) return last;
      throw new Error(`ended before ${String(pattern)} was seen\n${this.stdout}\n${this.stderr}`);
    }
  }

  /** The ready line of `up` and `gateway`. */
  async ready(): Promise<{ url: string; admin: string }> {
    const [line] = await this.see('stdout', /^\{.*\}$/m);
    return JSON.parse(line) as { url: string; admin: string };
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.ended;
  }
}
