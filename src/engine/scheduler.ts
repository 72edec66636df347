// Which models are in memory: loads one at a time, lets the least wanted go, counts who uses what. Never writes a token.
import { chooseVictim, whenIdle } from './core/eviction.ts';
import { EngineFailure, requestCanceled } from './core/failure.ts';
import { foreverMs, keepAliveMsDefault } from './core/keep-alive.ts';
import type { LoadedEntry, Model } from './core/model.ts';
import { sameShape } from './core/options.ts';
import type { RunnerShape } from './core/options.ts';
import type { Runner, RunnerSpec } from './runner.ts';

export interface LoadWish {
  readonly model: Model;
  readonly shape: RunnerShape;
  /** undefined = the runner's own, or the default for a new one. */
  readonly keepAliveMs: number | undefined;
  readonly signal: AbortSignal;
}

export interface Lease {
  readonly runner: Runner;
  /** Exactly once, when the request has ended. */
  release(): void;
}

export interface SchedulerSetting {
  readonly loadedMax: number;
  readonly pendingMax: number;
  readonly keepAliveMs: number;
  readonly slots: number;
  readonly load: (spec: RunnerSpec, signal: AbortSignal) => Promise<Runner>;
  readonly log: (message: string) => void;
}

export const DEFAULT_SCHEDULER = { loadedMax: 1, pendingMax: 512, keepAliveMs: keepAliveMsDefault } as const;

interface Resident {
  readonly key: string;
  readonly name: string;
  readonly model: Model;
  readonly runner: Runner;
  inUse: number;
  keepAliveMs: number;
  expiresAtMs: number;
  timer: NodeJS.Timeout | undefined;
  /** in use → leaving: takes no new request → unloading: its memory is being given back. */
  phase: 'serving' | 'leaving' | 'unloading';
}

/** Timers hold 31 bits of milliseconds; a longer keep-alive is looked at again then. */
const timerMsMax = 2 ** 31 - 1;

/** Ollama's sentence, two spaces and all: clients look for it. */
const BUSY = 'server busy, please try again.  maximum pending requests exceeded';

export class Scheduler {
  readonly #setting: SchedulerSetting;
  readonly #residents = new Map<string, Resident>();
  #pending = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #change = Promise.withResolvers<void>();
  #closed = false;

  constructor(setting: SchedulerSetting) {
    this.#setting = setting;
  }

  /** A loaded runner that fits is had at once; a load waits for its turn. */
  async acquire(wish: LoadWish): Promise<Lease> {
    const ready = this.#usable(wish);
    if (ready !== undefined) return this.#lease(ready, wish);
    if (this.#pending >= this.#setting.pendingMax) throw new EngineFailure(503, BUSY);
    this.#pending++;
    try {
      return await this.#inTurn(() => this.#loadFor(wish));
    } catch (error) {
      throw wish.signal.aborted ? requestCanceled() : error;
    } finally {
      this.#pending--;
    }
  }

  /** keep_alive 0 without a prompt: gone at once, or when its requests end. */
  expire(model: Model): void {
    const resident = this.#residents.get(keyOf(model));
    if (resident === undefined) return;
    resident.keepAliveMs = 0;
    if (resident.inUse === 0) void this.#unload(resident);
  }

  loaded(): readonly LoadedEntry[] {
    return [...this.#residents.values()].map(resident => ({
      model: resident.model,
      sizeBytes: resident.runner.sizeBytes,
      contextLength: resident.runner.spec.shape.contextLength,
      expiresAtMs: Math.min(resident.expiresAtMs, Date.now() + foreverMs),
    }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#residents.values()].map(resident => resident.runner.dispose()));
    this.#residents.clear();
  }

  #usable(wish: LoadWish): Resident | undefined {
    const resident = this.#residents.get(keyOf(wish.model));
    const fits = resident?.phase === 'serving' && sameShape(resident.runner.spec.shape, wish.shape);
    return fits ? resident : undefined;
  }

  #lease(resident: Resident, wish: LoadWish): Lease {
    clearTimeout(resident.timer);
    resident.inUse++;
    if (wish.keepAliveMs !== undefined) resident.keepAliveMs = wish.keepAliveMs;
    resident.expiresAtMs = Date.now() + resident.keepAliveMs;
    let released = false;
    return {
      runner: resident.runner,
      release: () => {
        if (released) return;
        released = true;
        this.#release(resident);
      },
    };
  }

  #release(resident: Resident): void {
    if (--resident.inUse === 0) {
      const step = whenIdle(resident.phase === 'serving' ? resident.keepAliveMs : 0, Date.now());
      if (step.unload) void this.#unload(resident);
      else this.#expireAt(resident, step.expiresAtMs);
    }
    this.#notify();
  }

  #expireAt(resident: Resident, expiresAtMs: number): void {
    resident.expiresAtMs = expiresAtMs;
    const leftMs = Math.max(0, expiresAtMs - Date.now());
    const whenDue = (): void => {
      if (expiresAtMs > Date.now()) this.#expireAt(resident, expiresAtMs);
      else void this.#unload(resident);
    };
    resident.timer = setTimeout(whenDue, Math.min(leftMs, timerMsMax)).unref();
  }

  async #unload(resident: Resident): Promise<void> {
    if (resident.inUse > 0 || resident.phase === 'unloading') return;
    clearTimeout(resident.timer);
    resident.phase = 'unloading';
    try {
      await resident.runner.dispose();
    } catch (error) {
      this.#setting.log(`unloading ${resident.name}: ${String(error)}`);
    }
    this.#residents.delete(resident.key);
    this.#notify();
  }

  #notify(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers<void>();
  }

  /** One load at a time, in order of arrival; everybody behind waits, as in Ollama. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work);
    this.#turn = next.catch(() => undefined);
    return next;
  }

  async #loadFor(wish: LoadWish): Promise<Lease> {
    const same = await this.#makeRoom(wish);
    if (same !== undefined) return this.#lease(same, wish);
    const runner = await this.#setting.load(specOf(wish, this.#setting.slots), wish.signal);
    if (this.#closed) {
      await runner.dispose();
      throw new EngineFailure(503, 'the engine is stopping');
    }
    const resident: Resident = {
      key: keyOf(wish.model),
      name: wish.model.name.model,
      model: wish.model,
      runner,
      inUse: 0,
      keepAliveMs: this.#setting.keepAliveMs,
      expiresAtMs: 0,
      timer: undefined,
      phase: 'serving',
    };
    this.#residents.set(resident.key, resident);
    return this.#lease(resident, wish);
  }

  /** A resident that meanwhile fits, or undefined once there is room to load. */
  async #makeRoom(wish: LoadWish): Promise<Resident | undefined> {
    for (;;) {
      if (wish.signal.aborted) throw requestCanceled();
      const same = this.#usable(wish);
      if (same !== undefined) return same;
      const victim = this.#victim(wish);
      if (victim === undefined) return undefined;
      const changed = this.#change.promise;
      if (victim.phase === 'serving') victim.phase = 'leaving';
      if (victim.inUse === 0) void this.#unload(victim);
      await untilChanged(changed, wish.signal);
    }
  }

  /** Another shape of the same weights always goes; else whoever is chosen when all places are taken. */
  #victim(wish: LoadWish): Resident | undefined {
    const stale = this.#residents.get(keyOf(wish.model));
    if (stale !== undefined) return stale;
    const isFull = this.#residents.size >= this.#setting.loadedMax;
    return isFull ? chooseVictim([...this.#residents.values()]) : undefined;
  }
}

/** Names that share weights share a runner. */
function keyOf(model: Model): string {
  return [model.weightsPath, ...model.adapterPaths].join('\n');
}

function specOf(wish: LoadWish, slots: number): RunnerSpec {
  const { model } = wish;
  return {
    weightsPath: model.weightsPath,
    adapterPaths: model.adapterPaths,
    shape: wish.shape,
    slots,
    purpose: model.facts.embedding ? 'embedding' : 'completion',
  };
}

async function untilChanged(changed: Promise<void>, signal: AbortSignal): Promise<void> {
  const left = Promise.withResolvers<void>();
  const leave = (): void => left.resolve();
  signal.addEventListener('abort', leave, { once: true });
  await Promise.race([changed, left.promise]);
  signal.removeEventListener('abort', leave);
}
