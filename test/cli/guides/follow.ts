// Types a guide's commands into a shell as a person does, one after the other, and looks whether each did what it is for.
// Never leaves a program behind: what goes on by itself is ended with the guide.
import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endAll } from '../../tools/end-all.ts';
import { mainFile } from '../bigo.ts';
import { standIns, type GuideCommand } from './commands.ts';

const commandMsMax = 240_000;
const retriesMsMax = 180_000;
const retryMs = 500;
const outputBytesMax = 8 * 1024 ** 2;

interface Typed {
  readonly code: number;
  readonly text: string;
}

interface Desk {
  /** Where commands are typed; a folder of its own that is also the home. */
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Folders of programs that come before those of this machine. */
  readonly programs?: readonly string[];
  /** More words that stand for something, beside the common ones. */
  readonly standIns?: Readonly<Record<string, string>>;
}

/** A person at a desk with a shell, in which `bigo` is the program of this checkout. */
export class Follower {
  readonly #desk: Desk;
  readonly #going: ChildProcess[] = [];
  /** `cd` and `export` hold for what is typed after them. */
  readonly #held: string[] = [];

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  static async at(desk: Desk): Promise<Follower> {
    const follower = new Follower(desk);
    await follower.program('bigo', `exec "${process.execPath}" "${mainFile}" "$@"`);
    return follower;
  }

  /** A program of that name that only this person has. */
  async program(name: string, script: string): Promise<void> {
    const folder = path.join(this.#desk.folder, 'programs');
    await mkdir(folder, { recursive: true });
    const file = path.join(folder, name);
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
  }

  /** What a person would type in place of the printed words. */
  typed(text: string): string {
    const words = { ...standIns, ...this.#desk.standIns };
    return Object.entries(words).reduce((line, [from, to]) => line.replaceAll(from, to), text);
  }

  async follow(step: GuideCommand): Promise<string> {
    if (step.before !== undefined) {
      const { code, text } = await this.#type(step.before);
      assert.equal(code, 0, `${step.before}\n${text}`);
    }
    if (step.watch === true) return this.#watch(step);
    const printed = await this.#until(step.command, { code: step.code ?? 0, expect: step.expect ?? '' });
    if (/^(cd|export) /.test(step.command)) this.#held.push(this.typed(step.command));
    if (step.look !== undefined) await this.#until(step.look, { code: 0, expect: step.seen ?? '' });
    return printed;
  }

  stop(): Promise<void> {
    return endAll(...this.#going.splice(0).map(child => () => ended(child)));
  }

  /** Controllers take their time, and so do servers that start. */
  async #until(line: string, wanted: { readonly code: number; readonly expect: string }): Promise<string> {
    const pattern = new RegExp(this.typed(wanted.expect), 'm');
    for (const deadlineMs = Date.now() + retriesMsMax; ; await sleep(retryMs)) {
      const { code, text } = await this.#type(line);
      if (code === wanted.code && pattern.test(text)) return text;
      if (Date.now() > deadlineMs) {
        assert.match(text, pattern, this.typed(line));
        assert.equal(code, wanted.code, `${this.typed(line)}\n${text}`);
      }
    }
  }

  #type(line: string): Promise<Typed> {
    const script = [...this.#held, this.typed(line)].join('\n');
    const options = {
      cwd: this.#desk.folder,
      env: this.#environment(),
      timeout: commandMsMax,
      maxBuffer: outputBytesMax,
    };
    return new Promise(resolve => {
      const child = execFile('sh', ['-c', script], options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        resolve({ code, text: `${stdout}${stderr}`.trim() });
      });
      // A program that reads what is piped in would wait for it.
      child.stdin?.end();
    });
  }

  async #watch({ command, expect = '' }: GuideCommand): Promise<string> {
    const line = this.typed(command).replace(/ &$/, '');
    const script = [...this.#held, `exec ${line}`].join('\n');
    const child = spawn('sh', ['-c', script], {
      cwd: this.#desk.folder,
      env: this.#environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#going.push(child);
    const pattern = new RegExp(this.typed(expect), 'm');
    let text = '';
    let hasEnded = false;
    child.once('close', () => (hasEnded = true));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (part: string) => {
        if (text.length < outputBytesMax) text += part;
      });
    }
    for (const deadlineMs = Date.now() + retriesMsMax; !pattern.test(text); await sleep(50)) {
      if (hasEnded || Date.now() > deadlineMs) assert.match(text, pattern, line);
    }
    return text;
  }

  #environment(): NodeJS.ProcessEnv {
    const { folder, env = {}, programs = [] } = this.#desk;
    const folders = [path.join(folder, 'programs'), ...programs, process.env['PATH'] ?? ''];
    return { PATH: folders.join(path.delimiter), HOME: folder, BIGO_LIBRARY: 'off', NO_COLOR: '1', ...env };
  }
}

/** With its whole group, so that nothing holds its output open. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise(resolve => child.once('exit', resolve));
  process.kill(-child.pid, 'SIGKILL');
  await gone;
}
