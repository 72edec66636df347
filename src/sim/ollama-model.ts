// How one Ollama server schedules: which request runs when, what is loaded and what gives way (ollama server/sched.go).
// Pure: time comes in as an argument. Never opens a socket; test/fakes/ollama adds timers and HTTP, the simulator a fake clock.
//
// Two loops of Ollama meet here. The pending loop takes one cold request at a time and holds it until it has a runner:
//  1. its weights are loaded and fit: it is attached;
//  2. loaded with other options: that runner expires, the loop waits for an unload;
//  3. as many runners as allowed, or no memory beside them: the victim expires, the loop waits for an unload;
//  4. else it loads. On a GPU the next cold request waits for the end of the load.
// The completion loop ends requests and unloads expired runners; while memory comes back it does nothing else.
// A request that fits a loaded runner goes past both, without any bound: Ollama never says 503 for a hot model.
import { OLLAMA_DEFAULTS } from './ollama-types.ts';
import type { OllamaEvent, OllamaModelParams, OllamaRequest, RunnerView } from './ollama-types.ts';
import { choosePlace, evictionOrder, needsReload, newRunner, occupy, removeFrom } from './ollama-runner.ts';
import type { Live, Runner, Wake } from './ollama-runner.ts';
import { Timers } from './timers.ts';

export const BUSY_MESSAGE = 'server busy, please try again.  maximum pending requests exceeded';
export const LOAD_TIMEOUT_MESSAGE = 'timed out waiting for llama runner to start';

export function createOllamaModel(params: Partial<OllamaModelParams> = {}): OllamaModel {
  return new OllamaModel({ ...OLLAMA_DEFAULTS, ...params });
}

type Finished = { readonly kind: 'finished' | 'expired'; readonly runner: Runner };

export class OllamaModel {
  readonly #params: OllamaModelParams;
  readonly #timers = new Timers<Wake>();
  readonly #live = new Map<string, Live>();
  readonly #loaded = new Map<string, Runner>();
  #pending: Live[] = [];
  /** The cold request that the pending loop holds. */
  #current: Live | undefined;
  #waitsForUnload = false;
  #completions: Finished[] = [];
  /** Unloads whose memory is not back yet. */
  #unloading = 0;
  #nowMs = -Infinity;
  #events: OllamaEvent[] = [];

  constructor(params: OllamaModelParams) {
    this.#params = params;
  }

  nextEventMs(): number {
    return this.#timers.nextMs();
  }

  /** Lets time pass; returns what happened since the last call, in order. */
  advance(nowMs: number): OllamaEvent[] {
    for (;;) {
      const timer = this.#timers.take(nowMs);
      if (timer === undefined) break;
      this.#nowMs = timer.atMs;
      this.#wake(timer.value);
      this.#settle();
    }
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    const events = this.#events;
    this.#events = [];
    return events;
  }

  request(nowMs: number, spec: OllamaRequest): OllamaEvent[] {
    const before = this.advance(nowMs);
    const live: Live = { spec, state: 'pending', cancelled: false };
    this.#live.set(spec.id, live);
    this.#getRunner(live);
    this.#settle();
    return before.concat(this.advance(nowMs));
  }

  /** The client of a request left. Unknown ids are fine: the request may be over. */
  cancel(nowMs: number, id: string): OllamaEvent[] {
    const before = this.advance(nowMs);
    const live = this.#live.get(id);
    if (live !== undefined) this.#leave(live);
    this.#settle();
    return before.concat(this.advance(nowMs));
  }

  /** An empty prompt with keep_alive 0: answered at once by Ollama, the unload follows when the runner is idle. */
  expire(nowMs: number, weights: string): OllamaEvent[] {
    const before = this.advance(nowMs);
    const runner = this.#loaded.get(weights);
    if (runner?.loading === true) runner.expireAfterLoad = true;
    else if (runner !== undefined) this.#expireNow(runner);
    this.#settle();
    return before.concat(this.advance(nowMs));
  }

  /** The process died: everything is forgotten; the ids of the requests it took with it. Call advance first. */
  crash(): string[] {
    const lost = [...this.#live.keys()];
    this.#live.clear();
    this.#loaded.clear();
    this.#pending = [];
    this.#completions = [];
    this.#events = [];
    this.#current = undefined;
    this.#waitsForUnload = false;
    this.#unloading = 0;
    while (this.#timers.take(Infinity) !== undefined);
    return lost;
  }

  /** As /api/ps tells it: the one that stays longest first. */
  runners(): RunnerView[] {
    return [...this.#loaded.values()]
      .map(runner => ({
        model: runner.model,
        weights: runner.weights,
        options: runner.options,
        sizeBytes: runner.sizeBytes,
        loading: runner.loading,
        expiresAtMs: runner.expiresAtMs ?? this.#nowMs + runner.sessionMs,
        refs: runner.refs,
        places: runner.places.length,
      }))
      .sort((a, b) => (a.expiresAtMs === b.expiresAtMs ? 0 : b.expiresAtMs - a.expiresAtMs));
  }

  #wake(wake: Wake): void {
    switch (wake.kind) {
      case 'load_end':
        this.#endLoad(wake.runner, wake.error);
        return;
      case 'expire':
        wake.runner.expireTimer = undefined;
        this.#completions.push({ kind: 'expired', runner: wake.runner });
        return;
      case 'memory_back':
        this.#unloading--;
        this.#waitsForUnload = false;
        return;
      case 'first_token':
        this.#firstToken(wake.live, wake.promptMs, wake.cachedBytes);
        return;
      case 'done':
        this.#finish(wake.live);
        return;
      case 'place_free':
        wake.place.busy = false;
        this.#fillPlaces(wake.runner);
        return;
      default:
        wake satisfies never;
    }
  }

  /** Both loops run until neither can go on. */
  #settle(): void {
    while (this.#stepCompletions() || this.#stepPending());
  }

  // --- requests ---

  #getRunner(live: Live): void {
    const runner = this.#loaded.get(live.spec.weights);
    if (runner?.loading === true) {
      live.state = 'locked';
      runner.locked.push(live);
    } else if (runner !== undefined && !needsReload(runner, live.spec)) {
      this.#attach(live, runner);
    } else if (this.#pending.length >= this.#params.pendingMax) {
      this.#fail(live, 503, BUSY_MESSAGE);
    } else {
      live.state = 'pending';
      this.#pending.push(live);
    }
  }

  #attach(live: Live, runner: Runner): void {
    runner.refs++;
    this.#stopExpiry(runner);
    if (live.spec.keepAliveMs !== undefined) runner.sessionMs = live.spec.keepAliveMs;
    this.#hold(live, runner);
  }

  /** The request has its runner: it waits for a place, or is over when it only wanted the load. */
  #hold(live: Live, runner: Runner): void {
    live.runner = runner;
    if (live.cancelled) {
      this.#release(live);
      return;
    }
    this.#events.push({ type: 'scheduled', atMs: this.#nowMs, id: live.spec.id });
    if (live.spec.kind === 'load') {
      this.#finish(live);
      return;
    }
    live.state = 'waiting';
    runner.queue.push(live);
    this.#fillPlaces(runner);
  }

  #fillPlaces(runner: Runner): void {
    for (;;) {
      const next = runner.queue[0];
      if (next === undefined) return;
      const choice = choosePlace(runner, next.spec);
      if (choice === undefined) return;
      runner.queue.shift();
      this.#start(next, choice.place, choice.cachedBytes);
    }
  }

  #start(live: Live, place: NonNullable<Live['place']>, cachedBytes: number): void {
    const { spec } = live;
    const share = spec.promptBytes > 0 ? 1 - cachedBytes / spec.promptBytes : 1;
    const promptMs = spec.promptMs * share;
    occupy(place, spec, this.#nowMs);
    live.state = 'prompt';
    live.place = place;
    live.timer = this.#timers.set(this.#nowMs + promptMs, {
      kind: 'first_token',
      live,
      promptMs,
      cachedBytes,
    });
  }

  #firstToken(live: Live, promptMs: number, cachedBytes: number): void {
    live.state = 'tokens';
    this.#events.push({ type: 'firstToken', atMs: this.#nowMs, id: live.spec.id, promptMs, cachedBytes });
    live.timer = this.#timers.set(this.#nowMs + live.spec.tokensMs, { kind: 'done', live });
  }

  #finish(live: Live): void {
    this.#events.push({ type: 'done', atMs: this.#nowMs, id: live.spec.id });
    this.#release(live);
  }

  #fail(live: Live, status: 500 | 503, message: string): void {
    this.#events.push({ type: 'failed', atMs: this.#nowMs, id: live.spec.id, status, message });
    this.#forget(live);
  }

  #release(live: Live): void {
    const { runner, place } = live;
    if (runner === undefined) return;
    if (place !== undefined) {
      place.busy = false;
      this.#fillPlaces(runner);
    }
    this.#completions.push({ kind: 'finished', runner });
    this.#forget(live);
  }

  #forget(live: Live): void {
    live.state = 'over';
    if (live.timer !== undefined) live.timer.cancelled = true;
    if (this.#live.get(live.spec.id) === live) this.#live.delete(live.spec.id);
  }

  #leave(live: Live): void {
    live.cancelled = true;
    switch (live.state) {
      case 'pending': // it keeps its room in the channel until the loop comes to it
        this.#live.delete(live.spec.id);
        return;
      case 'loading':
        this.#abortLoad(live);
        return;
      case 'locked':
        removeFrom(live.runner?.locked ?? this.#loaded.get(live.spec.weights)?.locked ?? [], live);
        this.#forget(live);
        return;
      case 'waiting':
        removeFrom(live.runner?.queue ?? [], live);
        this.#release(live);
        return;
      case 'prompt':
        this.#leavePrompt(live);
        return;
      case 'tokens':
        this.#release(live);
        return;
      case 'over':
        return;
      default:
        live.state satisfies never;
    }
  }

  /** The runner looks for a closed connection only when it has a token to send (ollama#11889): the place stays busy. */
  #leavePrompt(live: Live): void {
    const { runner, place, timer } = live;
    if (runner !== undefined && place !== undefined && timer !== undefined) {
      this.#timers.set(timer.atMs, { kind: 'place_free', runner, place });
      delete live.place;
    }
    this.#release(live);
  }

  // --- loads ---

  #startLoad(live: Live): void {
    const { spec } = live;
    const runner = newRunner(
      live,
      spec.keepAliveMs ?? this.#params.keepAliveMs,
      this.#params.placesPerRunner,
    );
    live.state = 'loading';
    live.runner = runner;
    this.#loaded.set(spec.weights, runner);
    this.#events.push({ type: 'loadStarted', atMs: this.#nowMs, model: spec.model, weights: spec.weights });
    const late = spec.loadMs > this.#params.loadMsMax;
    const error = late ? LOAD_TIMEOUT_MESSAGE : spec.loadError;
    const endMs = this.#nowMs + Math.min(spec.loadMs, this.#params.loadMsMax);
    live.timer = this.#timers.set(endMs, {
      kind: 'load_end',
      runner,
      ...(error === undefined ? {} : { error }),
    });
  }

  #endLoad(runner: Runner, error: string | undefined): void {
    const { loader } = runner;
    if (error !== undefined) {
      this.#fail(loader, 500, error);
      this.#loadOver(runner);
      return;
    }
    this.#events.push({ type: 'loaded', atMs: this.#nowMs, model: runner.model, weights: runner.weights });
    runner.loading = false;
    runner.refs = 1;
    if (runner.expireAfterLoad) this.#expireNow(runner);
    this.#hold(loader, runner);
    this.#unlock(runner);
  }

  #abortLoad(loader: Live): void {
    const { runner } = loader;
    this.#forget(loader);
    if (runner !== undefined) this.#loadOver(runner);
  }

  /** A load that came to nothing: the runner expires, those who waited for its lock start again. */
  #loadOver(runner: Runner): void {
    runner.loading = false;
    runner.sessionMs = 0;
    this.#unload(runner);
    this.#unlock(runner);
  }

  #unlock(runner: Runner): void {
    for (const live of runner.locked.splice(0)) this.#getRunner(live);
  }

  // --- the pending loop ---

  #stepPending(): boolean {
    if (this.#current === undefined) {
      this.#current = this.#pending.shift();
      if (this.#current?.cancelled === true) this.#current = undefined;
      else if (this.#current === undefined) return false;
      return true;
    }
    if (this.#waitsForUnload) return false;
    return this.#placeCurrent(this.#current);
  }

  #placeCurrent(live: Live): boolean {
    const runner = this.#loaded.get(live.spec.weights);
    if (runner !== undefined) {
      if (runner.loading) return false;
      if (needsReload(runner, live.spec)) return this.#makeRoom(runner);
      this.#current = undefined;
      this.#attach(live, runner);
      return true;
    }
    if (this.#loaded.size >= this.#params.runnersMax) return this.#makeRoom(this.#victim());
    if (this.#params.device === 'gpu' && this.#isLoading()) return false;
    if (!this.#fits(live)) return this.#makeRoom(this.#victim());
    this.#current = undefined;
    if (!live.cancelled) this.#startLoad(live);
    return true;
  }

  #isLoading(): boolean {
    for (const runner of this.#loaded.values()) if (runner.loading) return true;
    return false;
  }

  #fits(live: Live): boolean {
    let usedBytes = live.spec.sizeBytes;
    for (const runner of this.#loaded.values()) usedBytes += runner.sizeBytes;
    return this.#loaded.size === 0 || usedBytes <= this.#params.memoryBytes;
  }

  /** The first idle one in order of eviction, else the first; undefined while a runner in the way is loading (its lock). */
  #victim(): Runner | undefined {
    const ordered = [...this.#loaded.values()].sort(evictionOrder);
    for (const runner of ordered) {
      if (runner.loading) return undefined;
      if (runner.refs === 0) return runner;
    }
    return ordered[0];
  }

  #makeRoom(victim: Runner | undefined): boolean {
    if (victim === undefined) return false;
    this.#waitsForUnload = true;
    this.#expireNow(victim);
    return true;
  }

  #expireNow(runner: Runner): void {
    this.#stopExpiry(runner);
    runner.sessionMs = 0;
    runner.expiresAtMs = this.#nowMs;
    if (runner.refs <= 0) this.#completions.push({ kind: 'expired', runner });
  }

  // --- the completion loop ---

  #stepCompletions(): boolean {
    if (this.#unloading > 0) return false;
    const next = this.#completions.shift();
    if (next === undefined) return false;
    if (this.#loaded.get(next.runner.weights) !== next.runner) return true; // it was unloaded meanwhile
    if (next.kind === 'finished') this.#finished(next.runner);
    else if (next.runner.refs > 0) next.runner.expireWanted = true;
    else this.#unload(next.runner);
    return true;
  }

  #finished(runner: Runner): void {
    runner.refs--;
    if (runner.refs > 0) return;
    if (runner.sessionMs <= 0 || runner.expireWanted) {
      this.#stopExpiry(runner);
      this.#completions.push({ kind: 'expired', runner });
      return;
    }
    this.#stopExpiry(runner);
    runner.expiresAtMs = this.#nowMs + runner.sessionMs;
    runner.expireTimer = this.#timers.set(runner.expiresAtMs, { kind: 'expire', runner });
  }

  #unload(runner: Runner): void {
    this.#stopExpiry(runner);
    this.#loaded.delete(runner.weights);
    this.#events.push({ type: 'unloaded', atMs: this.#nowMs, model: runner.model, weights: runner.weights });
    if (this.#params.device === 'gpu' && this.#params.unloadMs > 0) {
      this.#unloading++;
      this.#timers.set(this.#nowMs + this.#params.unloadMs, { kind: 'memory_back' });
    } else {
      this.#waitsForUnload = false;
    }
  }

  #stopExpiry(runner: Runner): void {
    if (runner.expireTimer !== undefined) runner.expireTimer.cancelled = true;
    runner.expireTimer = undefined;
  }
}
