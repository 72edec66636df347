// Starts `bigo gateway` or `bigo engine` as a process of its own on free ports, and ends it by its id. Never shares its state folder.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const startMsMax = 20_000;
const stopMsMax = 5_000;
const logBytesMax = 1024 * 1024;

export interface BigoProcess {
  readonly url: string;
  readonly pid: number;
  /** What it wrote to stderr, the end of it. */
  log(): string;
  /** Open file descriptors, by /proc. */
  fdCount(): Promise<number>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves to the exit code; null when a signal ended it. */
  exited(): Promise<number | null>;
  stop(): Promise<void>;
}

export interface GatewayProcess extends BigoProcess {
  readonly admin: string;
}

export interface GatewayOptions {
  readonly flags?: readonly string[];
  /** The configuration file, as an object (YAML reads JSON). */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly listen?: string;
}

export async function startGatewayProcess(
  backends: readonly string[],
  options: GatewayOptions = {},
): Promise<GatewayProcess> {
  const home = await mkdtemp(path.join(tmpdir(), 'bigo-gateway-'));
  const args = ['gateway', '--listen', options.listen ?? '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  for (const backend of backends) args.push('--backend', backend);
  if (options.config !== undefined) {
    const file = path.join(home, 'config.yaml');
    await writeFile(file, JSON.stringify(options.config));
    args.push('--config', file);
  }
  return start([...args, ...(options.flags ?? [])], home);
}

/** One thread, one place. */
export async function startEngineProcess(): Promise<BigoProcess> {
  const home = await mkdtemp(path.join(tmpdir(), 'bigo-engine-'));
  const flags = ['--store', path.join(home, 'models'), '--num-parallel', '1', '--threads', '1'];
  return start(['engine', '--listen', '127.0.0.1:0', ...flags], home);
}

async function start(args: readonly string[], home: string): Promise<Running> {
  const env = { PATH: process.env['PATH'], HOME: home, XDG_RUNTIME_DIR: home, NO_COLOR: '1' };
  const child = spawn(process.execPath, [main, ...args], {
    cwd: home,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const running = new Running(child, home);
  await running.untilReady();
  return running;
}

class Running implements GatewayProcess {
  readonly #child: ChildProcess;
  readonly #home: string;
  readonly #exit: Promise<number | null>;
  #log = '';
  url = '';
  admin = '';

  constructor(child: ChildProcess, home: string) {
    this.#child = child;
    this.#home = home;
    this.#exit = new Promise(resolve => child.once('exit', code => resolve(code)));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-logBytesMax);
    });
    process.once('exit', () => child.kill('SIGKILL'));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  log(): string {
    return this.#log;
  }

  async untilReady(): Promise<void> {
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('it has no output');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), startMsMax);
    for await (const line of createInterface({ input: stdout })) {
      if (!line.startsWith('{')) continue;
      const ready = JSON.parse(line) as { event: string; url: string; admin?: string };
      if (ready.event !== 'ready') continue;
      clearTimeout(timer);
      this.url = ready.url;
      this.admin = ready.admin ?? '';
      stdout.resume();
      return;
    }
    clearTimeout(timer);
    await this.stop();
    throw new Error(`it did not become ready:\n${this.#log.slice(-2000)}`);
  }

  async fdCount(): Promise<number> {
    return (await readdir(`/proc/${this.pid}/fd`)).length;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  exited(): Promise<number | null> {
    return this.#exit;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const force = setTimeout(() => this.#child.kill('SIGKILL'), stopMsMax);
      this.#child.kill('SIGTERM');
      await this.#exit;
      clearTimeout(force);
    }
    await rm(this.#home, { recursive: true, force: true });
  }
}
