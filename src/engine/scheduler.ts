// Which models are in memory: loads one at a time, lets the longest idle go, counts who uses what. Never writes a token.
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

export interface Scheduler {
  acquire(wish: LoadWish): Promise<Lease>;
  /** keep_alive 0 without a prompt: gone at once, or when its requests end. */
  expire(model: Model): void;
  loaded(): readonly LoadedEntry[];
  /** Requests that wait for a model to be loaded. */
  readonly pending: number;
  close(): Promise<void>;
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
  /** Set once it may take no new request. */
  leaving: boolean;
  unloading: boolean;
}

/** Timers hold 31 bits of milliseconds; a longer keep-alive is looked at again then. */
const timerMsMax = 2 ** 31 - 1;

export function createScheduler(setting: SchedulerSetting): Scheduler {
  const residents = new Map<string, Resident>();
  let pending = 0;
  let turn: Promise<unknown> = Promise.resolve();
  let changed = signalOnce();
  let closed = false;

  function usable(wish: LoadWish): Resident | undefined {
    const resident = residents.get(keyOf(wish.model));
    const fits =
      resident !== undefined && !resident.leaving && sameShape(resident.runner.spec.shape, wish.shape);
    return fits ? resident : undefined;
  }

  function lease(resident: Resident, wish: LoadWish): Lease {
    clearTimeout(resident.timer);
    resident.inUse++;
    if (wish.keepAliveMs !== undefined) resident.keepAliveMs = wish.keepAliveMs;
    resident.expiresAtMs = Date.now() + resident.keepAliveMs;
    let released = false;
    return {
      runner: resident.runner,
      release() {
        if (released) return;
        released = true;
        resident.inUse--;
        if (resident.inUse === 0) becomeIdle(resident);
        notify();
      },
    };
  }

  function becomeIdle(resident: Resident): void {
    const step = whenIdle(resident.leaving ? 0 : resident.keepAliveMs, Date.now());
    if (step.unload) void unload(resident);
    else {
      resident.expiresAtMs = step.expiresAtMs;
      startTimer(resident);
    }
  }

  function startTimer(resident: Resident): void {
    const leftMs = resident.expiresAtMs - Date.now();
    resident.timer = setTimeout(
      () => {
        if (resident.expiresAtMs > Date.now()) startTimer(resident);
        else void unload(resident);
      },
      Math.min(Math.max(0, leftMs), timerMsMax),
    );
    resident.timer.unref();
  }

  async function unload(resident: Resident): Promise<void> {
    if (resident.inUse > 0 || residents.get(resident.key) !== resident || resident.unloading) return;
    clearTimeout(resident.timer);
    resident.leaving = true;
    resident.unloading = true;
    await resident.runner
      .dispose()
      .catch((error: unknown) => setting.log(`unloading ${resident.name}: ${String(error)}`));
    residents.delete(resident.key);
    notify();
  }

  function notify(): void {
    changed.fire();
    changed = signalOnce();
  }

  /** One load at a time, in order of arrival; everybody behind waits, as in Ollama. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work);
    turn = next.catch(() => undefined);
    return next;
  }

  async function makeRoom(wish: LoadWish): Promise<Resident | undefined> {
    for (;;) {
      if (wish.signal.aborted) throw requestCanceled();
      const same = usable(wish);
      if (same !== undefined) return same;
      const stale = residents.get(keyOf(wish.model));
      const full = residents.size >= setting.loadedMax;
      const victim = stale ?? (full ? chooseVictim([...residents.values()]) : undefined);
      if (victim === undefined) return undefined;
      victim.leaving = true;
      const next = changed.promise;
      if (victim.inUse === 0) await unload(victim);
      if (residents.get(victim.key) === victim) await untilChanged(next, wish.signal);
    }
  }

  async function loadFor(wish: LoadWish): Promise<Lease> {
    const same = await makeRoom(wish);
    if (same !== undefined) return lease(same, wish);
    const runner = await setting.load(specOf(wish, setting.slots), wish.signal);
    if (closed) {
      await runner.dispose();
      throw new EngineFailure(503, 'the engine is stopping');
    }
    const resident: Resident = {
      key: keyOf(wish.model),
      name: wish.model.name.model,
      model: wish.model,
      runner,
      inUse: 0,
      keepAliveMs: setting.keepAliveMs,
      expiresAtMs: 0,
      timer: undefined,
      leaving: false,
      unloading: false,
    };
    residents.set(resident.key, resident);
    return lease(resident, wish);
  }

  return {
    get pending() {
      return pending;
    },
    async acquire(wish) {
      const ready = usable(wish);
      if (ready !== undefined) return lease(ready, wish);
      if (pending >= setting.pendingMax) throw new EngineFailure(503, BUSY);
      pending++;
      try {
        return await inTurn(() => loadFor(wish));
      } catch (error) {
        throw wish.signal.aborted ? requestCanceled() : error;
      } finally {
        pending--;
      }
    },
    expire(model) {
      const resident = residents.get(keyOf(model));
      if (resident === undefined) return;
      resident.keepAliveMs = 0;
      if (resident.inUse === 0) void unload(resident);
    },
    loaded: () =>
      [...residents.values()].map(resident => ({
        model: resident.model,
        sizeBytes: resident.runner.sizeBytes,
        contextLength: resident.runner.spec.shape.contextLength,
        expiresAtMs: Math.min(resident.expiresAtMs, Date.now() + foreverMs),
      })),
    async close() {
      closed = true;
      await Promise.all(
        [...residents.values()].map(resident => resident.runner.dispose().catch(() => undefined)),
      );
      residents.clear();
    },
  };
}

/** Ollama's sentence, two spaces and all: clients look for it. */
const BUSY = 'server busy, please try again.  maximum pending requests exceeded';

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

function signalOnce(): { readonly promise: Promise<void>; readonly fire: () => void } {
  let fire = (): void => {};
  const promise = new Promise<void>(resolve => {
    fire = resolve;
  });
  return { promise, fire };
}

async function untilChanged(changed: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw requestCanceled();
  let leave = (): void => {};
  const left = new Promise<void>(resolve => {
    leave = resolve;
    signal.addEventListener('abort', leave, { once: true });
  });
  await Promise.race([changed, left]);
  signal.removeEventListener('abort', leave);
}
