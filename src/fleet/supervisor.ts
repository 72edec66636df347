// Keeps child servers running: starts them, starts them again when they die, ends them with all their own children.
// Never changes a child's name or port: to the fleet a restarted child is the same backend.
//
// Each child leads its own process group, so that what it started (an Ollama's runners) can be ended with it.
// When this process ends in any orderly way its children end with it. By kill -9: on Linux the kernel ends each child
// (setpriv --pdeathsig), and Ollama then ends its runners; where setpriv is missing an `ollama serve` stays behind.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeBackendSpec } from '../api/backend-spec.ts';
import type { BackendSpec } from '../api/fleet.ts';
import type { Clock } from '../platform/clock.ts';
import { ChildLog } from './child-log.ts';
import { DEFAULT_RESTARTS, nextRestart, type RestartTiming } from './core/restarts.ts';
import type { Log } from './types.ts';

export interface ChildSpec {
  /** The backend's name. */
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  readonly port: number;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What the child writes goes here, in at most two files of 10 MiB; absent = only its last lines are kept. */
  readonly logFile?: string;
  readonly backend?: { readonly store?: string; readonly class?: string; readonly slots?: number };
}

export interface SupervisorDeps {
  readonly children: readonly ChildSpec[];
  readonly log: Log;
  readonly clock: Clock;
  readonly restarts?: RestartTiming;
  /** After SIGTERM a child has this long. */
  readonly stopMsMax?: number;
}

export interface ChildView {
  readonly name: string;
  /** undefined = it is about to be started again. */
  readonly pid: number | undefined;
  readonly starts: number;
  /** How it died last and what it said last, for people. */
  readonly lastDeath: string | undefined;
}

export interface Supervisor {
  backends(): BackendSpec[];
  children(): ChildView[];
  onChange(listener: (children: ChildView[]) => void): () => void;
  /** Resolves when no child is left. */
  stop(): Promise<void>;
  /** The same without waiting: for a second signal. */
  kill(): void;
}

const childrenMax = 64;
const stopMsMaxDefault = 5_000;

export function createSupervisor(deps: SupervisorDeps): Supervisor {
  if (deps.children.length > childrenMax) throw new RangeError(`more than ${childrenMax} child servers`);
  return new ProcessSupervisor(deps);
}

class ProcessSupervisor implements Supervisor {
  readonly #children: readonly Child[];
  readonly #listeners = new Set<(children: ChildView[]) => void>();
  readonly #atExit = (): void => this.kill();

  constructor(deps: SupervisorDeps) {
    const changed = (): void => this.#tell();
    this.#children = deps.children.map(spec => new Child(spec, deps, changed));
    process.once('exit', this.#atExit);
    for (const child of this.#children) child.start();
  }

  backends(): BackendSpec[] {
    return this.#children.map(({ spec }) =>
      makeBackendSpec(`http://127.0.0.1:${spec.port}`, { name: spec.name, ...spec.backend }),
    );
  }

  children(): ChildView[] {
    return this.#children.map(child => child.view);
  }

  onChange(listener: (children: ChildView[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async stop(): Promise<void> {
    this.#listeners.clear();
    await Promise.all(this.#children.map(child => child.stop()));
    process.removeListener('exit', this.#atExit);
  }

  kill(): void {
    for (const child of this.#children) child.kill();
  }

  #tell(): void {
    const views = this.children();
    for (const listener of [...this.#listeners]) listener(views);
  }
}

class Child {
  readonly spec: ChildSpec;
  readonly #deps: SupervisorDeps;
  readonly #changed: () => void;
  readonly #log: ChildLog;
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #starts = 0;
  #deathsInARow = 0;
  #lastDeath: string | undefined;

  constructor(spec: ChildSpec, deps: SupervisorDeps, changed: () => void) {
    this.spec = spec;
    this.#deps = deps;
    this.#changed = changed;
    this.#log = new ChildLog(spec.logFile);
  }

  get view(): ChildView {
    return {
      name: this.spec.name,
      pid: this.#process?.pid,
      starts: this.#starts,
      lastDeath: this.#lastDeath,
    };
  }

  start(): void {
    if (this.#stopping) return;
    const startedAtMs = this.#deps.clock.nowMs();
    const [program, ...args] = endedWithUs(this.spec.argv);
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...this.spec.env },
    });
    this.#process = child;
    this.#starts++;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => this.#log.write(chunk));
    this.#ended = new Promise(resolve => {
      const end = (how: string): void => {
        if (this.#process !== child) return;
        this.#onEnd(how, this.#deps.clock.nowMs() - startedAtMs);
        resolve();
      };
      child.once('error', error => end(`could not run: ${error.message}`));
      child.once('exit', (code, signal) =>
        end(signal === null ? `ended with status ${code}` : `was ended by ${signal}`),
      );
    });
    this.#changed();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    this.#signal('SIGTERM');
    const late = new AbortController();
    const limit = sleep(this.#deps.stopMsMax ?? stopMsMaxDefault, undefined, { signal: late.signal }).then(
      () => this.kill(),
      () => {},
    );
    await this.#ended;
    late.abort();
    await limit;
    await this.#log.close();
  }

  kill(): void {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const pid = this.#process?.pid;
    if (pid !== undefined) killGroup(pid);
  }

  #signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  #onEnd(how: string, livedMs: number): void {
    const pid = this.#process?.pid;
    // Its own children would keep memory and ports that nobody asks for any more.
    if (pid !== undefined) killGroup(pid);
    this.#process = undefined;
    if (this.#stopping) return;
    const words = this.#log.lastLines();
    this.#lastDeath = words === '' ? how : `${how}; it said: ${words}`;
    const restart = nextRestart(this.#deathsInARow, livedMs, this.#deps.restarts ?? DEFAULT_RESTARTS);
    this.#deathsInARow = restart.deathsInARow;
    const fields = {
      backend: this.spec.name,
      how,
      livedMs: Math.round(livedMs),
      restartInMs: restart.delayMs,
    };
    this.#deps.log.warn(fields, 'a child server ended; it is started again');
    this.#timer = setTimeout(() => this.start(), restart.delayMs);
    this.#changed();
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The whole group is gone already.
  }
}

const setpriv =
  process.platform === 'linux' ? ['/usr/bin/setpriv', '/bin/setpriv'].find(existsSync) : undefined;

function endedWithUs(argv: readonly [string, ...string[]]): readonly [string, ...string[]] {
  return setpriv === undefined ? argv : [setpriv, '--pdeathsig', 'TERM', ...argv];
}
