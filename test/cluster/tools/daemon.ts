// One real server of a cluster as a child process: started, signalled and ended by its own process id.
// Never outlives the test process on Linux, however that ends; never judges whether the server is ready.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const stopMsMax = 10_000;
const logTailChars = 3_000;

/** The kernel ends the child when its parent dies; where there is no setpriv, only an orderly end is covered. */
const dieWithParent: readonly string[] =
  spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true'], { timeout: 5_000 }).status === 0
    ? ['setpriv', '--pdeathsig', 'KILL']
    : [];

/** The first child of a process, where the kernel tells. */
export function childOf(pid: number): number | undefined {
  try {
    const [first = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    return first === '' ? undefined : Number(first);
  } catch {
    return undefined;
  }
}

export interface DaemonSpec {
  readonly name: string;
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly folder: string;
  /** Words before the command, which make it run inside another namespace. */
  readonly within?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class Daemon {
  readonly name: string;
  readonly #spec: DaemonSpec;
  #child: ChildProcess | undefined;
  readonly #endNow = (): void => void this.#child?.kill('SIGKILL');

  constructor(spec: DaemonSpec) {
    this.name = spec.name;
    this.#spec = spec;
  }

  get logFile(): string {
    return path.join(this.#spec.folder, `${this.name}.log`);
  }

  /** The server's own, in the test's numbering: what enters a namespace stays in front of it as its parent. */
  get pid(): number {
    const pid = this.#child?.pid ?? 0;
    return this.#spec.within === undefined ? pid : (childOf(pid) ?? pid);
  }

  get running(): boolean {
    const child = this.#child;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  async start(): Promise<void> {
    const { command, within = [], env } = this.#spec;
    const [program = '', ...args] = [...dieWithParent, ...within, ...command];
    const log = await open(this.logFile, 'a');
    const stdio: ['ignore', number, number] = ['ignore', log.fd, log.fd];
    // A group of its own: Ctrl+C in the terminal goes to the test, which then ends its servers in order.
    this.#child = spawn(program, args, { detached: true, stdio, env: { ...process.env, ...env } });
    this.#child.on('error', () => undefined); // a program that cannot start shows as not running
    process.on('exit', this.#endNow);
    await log.close();
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.running) return;
    try {
      process.kill(this.pid, signal);
    } catch (error) {
      // It ended between the look for its number and the signal, as all do whose namespace was just closed.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Resolves when the process is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    process.off('exit', this.#endNow);
    const child = this.#child;
    if (child === undefined || !this.running) return;
    const gone = new Promise(resolve => child.once('exit', resolve));
    this.signal('SIGCONT');
    this.signal(signal);
    await Promise.race([gone, sleep(stopMsMax, undefined, { ref: false })]);
    this.signal('SIGKILL');
    await gone;
  }

  async log(): Promise<string> {
    return readFile(this.logFile, 'utf8').catch(() => '');
  }

  /** Polls until `ready` is true; an error carries the end of the server's log. */
  async until(ready: () => Promise<boolean>, waitMsMax: number): Promise<void> {
    const deadline = Date.now() + waitMsMax;
    while (Date.now() < deadline && this.running) {
      if (await ready().catch(() => false)) return;
      await sleep(50);
    }
    const why = this.running ? `was not ready within ${waitMsMax} ms` : 'ended by itself';
    throw new Error(`${this.name} ${why}. Its log ends:\n${(await this.log()).slice(-logTailChars)}`);
  }
}
