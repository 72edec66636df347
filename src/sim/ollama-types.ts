// What goes into and comes out of the model of one Ollama server. Never holds a clock, a timer or a socket.
import type { ReloadOptions } from '../api/fleet.ts';

export interface OllamaModelParams {
  /** Requests that one runner answers at once (OLLAMA_NUM_PARALLEL). */
  readonly placesPerRunner: number;
  /** OLLAMA_MAX_LOADED_MODELS. */
  readonly runnersMax: number;
  /** OLLAMA_MAX_QUEUE: only requests that need a load count. */
  readonly pendingMax: number;
  /** OLLAMA_KEEP_ALIVE; Infinity = for ever. */
  readonly keepAliveMs: number;
  /** OLLAMA_LOAD_TIMEOUT: a load that takes longer fails. */
  readonly loadMsMax: number;
  /** On a discrete GPU: the wait until memory comes back after an unload. Nothing finishes or unloads meanwhile. */
  readonly unloadMs: number;
  /** Memory that runners share; a load that does not fit beside others evicts. Infinity = only runnersMax counts. */
  readonly memoryBytes: number;
  /** gpu = a load waits for the load before it · cpu = loads overlap and nothing waits for memory. */
  readonly device: 'gpu' | 'cpu';
}

export const OLLAMA_DEFAULTS: OllamaModelParams = {
  placesPerRunner: 1,
  runnersMax: 3,
  pendingMax: 512,
  keepAliveMs: 300_000,
  loadMsMax: 300_000,
  unloadMs: 0,
  memoryBytes: Infinity,
  device: 'gpu',
};

export interface OllamaRequest {
  readonly id: string;
  /** The name that was asked for; /api/ps shows the one that loaded the runner. */
  readonly model: string;
  /** Identity of the weights blob: what a runner is keyed by. */
  readonly weights: string;
  /** Adapters and projectors; another value makes the runner reload. Absent = none. */
  readonly adapters?: string;
  /** Resolved: server default, model's parameters, request. */
  readonly options: ReloadOptions;
  /** load = an empty prompt: wants the runner, takes no place. */
  readonly kind: 'generate' | 'load';
  /** Prompt time with nothing cached, and what a prefix of it saves is proportional to bytes. */
  readonly promptMs: number;
  readonly promptBytes: number;
  /** Hashes of the prompt's prefixes, shortest first; absent = the prompt shares nothing. */
  readonly prefix?: readonly { readonly hash: string; readonly bytes: number }[];
  /** From the first token to the last. */
  readonly tokensMs: number;
  /** keep_alive of the request; absent = leave the runner's. 0 = unload when idle; Infinity = for ever. */
  readonly keepAliveMs?: number;
  /** How long these weights take to load here; Infinity = never. */
  readonly loadMs: number;
  readonly sizeBytes: number;
  /** Places of its runner when the family allows fewer (embedding models: 1). */
  readonly placesMax?: number;
  /** Error of a load that fails at its end; absent = it succeeds. */
  readonly loadError?: string;
}

export type OllamaEvent =
  | { readonly type: 'loadStarted'; readonly atMs: number; readonly model: string; readonly weights: string }
  | { readonly type: 'loaded'; readonly atMs: number; readonly model: string; readonly weights: string }
  /** It is gone from /api/ps; also after a load that failed or was aborted. */
  | { readonly type: 'unloaded'; readonly atMs: number; readonly model: string; readonly weights: string }
  /** The request has its runner; it may still wait for a place. A `load` request is answered now. */
  | { readonly type: 'scheduled'; readonly atMs: number; readonly id: string }
  | {
      readonly type: 'firstToken';
      readonly atMs: number;
      readonly id: string;
      readonly promptMs: number;
      readonly cachedBytes: number;
    }
  | { readonly type: 'done'; readonly atMs: number; readonly id: string }
  /** Answered with an error: 503 when the queue of cold requests is full, 500 when the load failed. */
  | {
      readonly type: 'failed';
      readonly atMs: number;
      readonly id: string;
      readonly status: 500 | 503;
      readonly message: string;
    };

/** One line of /api/ps. */
export interface RunnerView {
  readonly model: string;
  readonly weights: string;
  readonly options: ReloadOptions;
  readonly sizeBytes: number;
  readonly loading: boolean;
  /** When it would unload if nothing more came: from the last end of a request, as Ollama tells it. */
  readonly expiresAtMs: number;
  /** Requests that hold it: running and waiting for a place. */
  readonly refs: number;
  readonly places: number;
}
