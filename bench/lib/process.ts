// Starts the programs of a benchmark: each in a group of its own, on the core that it is given, with its output in a file.
// Never leaves one behind: `stop` ends the whole group by its id, and so does the end of this process.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const startMsMax = 60_000;
const stopMsMax = 5_000;
const pollMs = 50;

export interface Program {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The only core that it may use; absent = any. */
  readonly core?: number;
  /** A folder of its own, removed when it stops. */
  readonly home: string;
}

export interface Running {
  readonly name: string;
  readonly pid: number;
  log(): Promise<string>;
  stop(): Promise<void>;
}

export function makeHome(name: string): Promise<string> {
  return mkdtemp(path.join(tmpdir(), `bigo-bench-${name}-`));
}

export async function freePort(host = '127.0.0.1'): Promise<number> {
  const probe = createServer();
  await new Promise<void>(resolve => probe.listen(0, host, resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise(resolve => probe.close(resolve));
  return port;
}

/** Starts it and waits until `ready` gives something; a program that ends before is an error with its log. */
export async function start<T>(
  spec: Program,
  ready: (log: string) => Promise<T | undefined>,
): Promise<Running & { ready: T }> {
  const logFile = path.join(spec.home, 'output.log');
  const handle = await open(logFile, 'a');
  const { program, args } = onCore(spec);
  const child = spawn(program, args, {
    cwd: spec.cwd ?? spec.home,
    env: { PATH: process.env['PATH'], HOME: spec.home, NO_COLOR: '1', ...spec.env },
    stdio: ['ignore', handle.fd, handle.fd],
    detached: true,
  });
  await handle.close();
  const running = new Group(child, { ...spec, logFile });
  try {
    return Object.assign(running, { ready: await running.until(ready) });
  } catch (error) {
    await running.stop();
    throw error;
  }
}

function onCore(spec: Program): { program: string; args: readonly string[] } {
  if (spec.core === undefined) return spec;
  return { program: 'taskset', args: ['-c', String(spec.core), spec.program, ...spec.args] };
}

const groups = new Set<{ kill(): void }>();
process.on('exit', () => {
  for (const group of groups) group.kill();
});

// A signal alone would leave the groups behind: they are not this process's own.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

class Group implements Running {
  readonly name: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #home: string;
  readonly #logFile: string;

  constructor(child: ChildProcess, spec: Program & { logFile: string }) {
    this.name = spec.name;
    this.pid = child.pid ?? 0;
    this.#child = child;
    this.#home = spec.home;
    this.#logFile = spec.logFile;
    child.on('error', () => undefined); // shows as a missing process id below
    groups.add(this);
  }

  log(): Promise<string> {
    return readFile(this.#logFile, 'utf8').catch(() => '');
  }

  async until<T>(ready: (log: string) => Promise<T | undefined>): Promise<T> {
    const deadlineMs = performance.now() + startMsMax;
    while (performance.now() < deadlineMs && this.pid > 0 && !this.#ended()) {
      const value = await ready(await this.log()).catch(() => undefined);
      if (value !== undefined) return value;
      await sleep(pollMs);
    }
    throw new Error(`${this.name} did not start:\n${(await this.log()).slice(-2000)}`);
  }

  #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** For the end of this process: nothing may be waited for. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      if (this.pid > 0) process.kill(-this.pid, signal);
    } catch {
      // Every process of the group is gone already.
    }
  }

  async stop(): Promise<void> {
    if (!this.#ended() && this.pid > 0) {
      const gone = new Promise(resolve => this.#child.once('exit', resolve));
      this.#signal('SIGTERM');
      await Promise.race([gone, sleep(stopMsMax, undefined, { ref: false })]);
    }
    this.kill();
    groups.delete(this);
    await rm(this.#home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** For `start`: ready when this address answers 200. */
export function whenAnswers(url: string): () => Promise<true | undefined> {
  return async () => {
    const answer = await fetch(url);
    await answer.arrayBuffer();
    return answer.ok ? true : undefined;
  };
}

export interface ReadyLine {
  readonly event: string;
  readonly url: string;
  /** The gateway's. */
  readonly admin?: string;
  /** Of a mock that is several backends. */
  readonly urls?: readonly string[];
}

/** For `start`: ready when it printed one JSON line with `"event":"ready"`. */
export async function whenPrinted(log: string): Promise<ReadyLine | undefined> {
  const line = log.split('\n').find(each => each.includes('"event":"ready"'));
  return line === undefined ? undefined : (JSON.parse(line) as ReadyLine);
}
