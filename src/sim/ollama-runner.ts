// One runner of the Ollama model: its places, who waits for one, and the prompt cache of each place.
// Never decides when it is loaded or unloaded; ollama-model.ts does.
import { RELOAD_OPTION_NAMES } from '../api/fleet.ts';
import type { ReloadOptions } from '../api/fleet.ts';
import type { OllamaRequest } from './ollama-types.ts';
import type { Timer } from './timers.ts';

/** A request inside the model. */
export interface Live {
  readonly spec: OllamaRequest;
  state: 'locked' | 'pending' | 'loading' | 'waiting' | 'prompt' | 'tokens' | 'over';
  /** The client left, but Ollama's loop has not looked yet. */
  cancelled: boolean;
  runner?: Runner;
  place?: Place;
  timer?: Timer<Wake>;
}

export interface Place {
  busy: boolean;
  /** Prefix hashes of the last prompt that ran here. */
  cached: ReadonlySet<string>;
  usedAtMs: number;
}

export interface Runner {
  readonly model: string;
  readonly weights: string;
  readonly adapters: string;
  readonly options: ReloadOptions;
  readonly sizeBytes: number;
  readonly places: readonly Place[];
  /** Whose request loads it; its client leaving aborts the load. */
  readonly loader: Live;
  loading: boolean;
  refs: number;
  /** How long it stays after its last request: also the order of eviction. */
  sessionMs: number;
  expireTimer: Timer<Wake> | undefined;
  /** Set when its last request ended; Ollama tells it unchanged until the next end. */
  expiresAtMs: number | undefined;
  /** An expiry met a running request: unload as soon as it ends, whatever keep_alive says by then. */
  expireWanted: boolean;
  /** Requests held by the runner's lock while it loads. */
  readonly locked: Live[];
  /** First come, first served; without a bound. */
  readonly queue: Live[];
  /** A request to unload came while it was loading. */
  expireAfterLoad: boolean;
}

export type Wake =
  | { readonly kind: 'load_end'; readonly runner: Runner; readonly error?: string }
  | { readonly kind: 'expire'; readonly runner: Runner }
  | { readonly kind: 'memory_back' }
  | {
      readonly kind: 'first_token';
      readonly live: Live;
      readonly promptMs: number;
      readonly cachedBytes: number;
    }
  | { readonly kind: 'done'; readonly live: Live }
  | { readonly kind: 'place_free'; readonly runner: Runner; readonly place: Place };

const noPrefix: ReadonlySet<string> = new Set();

export function newRunner(loader: Live, sessionMs: number, placesPerRunner: number): Runner {
  const { spec } = loader;
  const count = Math.max(1, Math.min(placesPerRunner, spec.placesMax ?? Infinity));
  return {
    model: spec.model,
    weights: spec.weights,
    adapters: spec.adapters ?? '',
    options: spec.options,
    sizeBytes: spec.sizeBytes,
    places: Array.from({ length: count }, () => ({ busy: false, cached: noPrefix, usedAtMs: -Infinity })),
    loader,
    loading: true,
    refs: 0,
    sessionMs,
    expireTimer: undefined,
    expiresAtMs: undefined,
    expireWanted: false,
    locked: [],
    queue: [],
    expireAfterLoad: false,
  };
}

/** ollama server/sched.go needsReload: the options of the runner differ; num_gpu below 0 (or not given) fits any. */
export function needsReload(runner: Runner, spec: OllamaRequest): boolean {
  if (runner.adapters !== (spec.adapters ?? '')) return true;
  return RELOAD_OPTION_NAMES.some(name => {
    if (name === 'num_gpu' && (spec.options.num_gpu ?? -1) < 0) return false;
    return runner.options[name] !== spec.options[name];
  });
}

/** ollama server/sched.go ByDurationAndName. */
export function evictionOrder(a: Runner, b: Runner): number {
  if (a.sessionMs !== b.sessionMs) return a.sessionMs < b.sessionMs ? -1 : 1;
  return a.weights < b.weights ? -1 : 1;
}

/** The free place that has most of this prompt cached; the one unused for longest when that tells nothing. */
export function choosePlace(
  runner: Runner,
  spec: OllamaRequest,
): { place: Place; cachedBytes: number } | undefined {
  let best: { place: Place; cachedBytes: number } | undefined;
  for (const place of runner.places) {
    if (place.busy) continue;
    const cachedBytes = cachedBytesOf(place, spec);
    const better =
      best === undefined ||
      cachedBytes > best.cachedBytes ||
      (cachedBytes === best.cachedBytes && place.usedAtMs < best.place.usedAtMs);
    if (better) best = { place, cachedBytes };
  }
  return best;
}

function cachedBytesOf(place: Place, spec: OllamaRequest): number {
  if (spec.prefix === undefined || place.cached.size === 0) return 0;
  for (let at = spec.prefix.length - 1; at >= 0; at--) {
    const mark = spec.prefix[at];
    if (mark !== undefined && place.cached.has(mark.hash)) return Math.min(mark.bytes, spec.promptBytes);
  }
  return 0;
}

export function occupy(place: Place, spec: OllamaRequest, nowMs: number): void {
  place.busy = true;
  place.usedAtMs = nowMs;
  place.cached = spec.prefix === undefined ? noPrefix : new Set(spec.prefix.map(mark => mark.hash));
}

export function removeFrom(list: Live[], live: Live): void {
  const at = list.indexOf(live);
  if (at >= 0) list.splice(at, 1);
}
