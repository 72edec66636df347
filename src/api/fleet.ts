// What the gateway knows about its backends: immutable values, swapped whole. Never holds a socket or a timer.

/** One model on one backend's disk, as /api/tags and /api/show tell it. */
export interface ModelOnDisk {
  /** As the backend spells it, e.g. `llama3.2:1b`. */
  readonly name: string;
  /** modelKey(name): folded, with defaults. */
  readonly key: string;
  /** Manifest digest (64 hex digits, no prefix). */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly modifiedAt: string;
  /** details and capabilities exactly as the backend said them. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly capabilities: readonly string[];
  /** Identity of the weights a runner is keyed by: FROM blob digest + adapters + projectors; until /api/show was read, the manifest digest. */
  readonly weights: string;
  /** Digest of all that it is made of, wherever its files lie; equal ones are the same model. Absent until /api/show was read. */
  readonly content?: string;
  /** The model's own values of options that make Ollama reload (num_ctx, …), from its parameters. */
  readonly reloadDefaults: ReloadOptions;
  /** Set for cloud models: they take no runner and no slot. */
  readonly remoteHost?: string;
  /** The whole /api/tags entry, for merged lists. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** Options whose change makes Ollama reload a runner (gateway.md §5.2; ollama server/sched.go needsReload). */
export interface ReloadOptions {
  readonly num_ctx?: number;
  readonly num_batch?: number;
  readonly num_gpu?: number;
  readonly main_gpu?: number;
  readonly use_mmap?: boolean;
  readonly num_thread?: number;
}
export const RELOAD_OPTION_NAMES = [
  'num_ctx',
  'num_batch',
  'num_gpu',
  'main_gpu',
  'use_mmap',
  'num_thread',
] as const satisfies readonly (keyof ReloadOptions)[];

/** One runner as /api/ps tells it. */
export interface LoadedModel {
  readonly name: string;
  readonly key: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly sizeVramBytes: number;
  readonly contextLength: number | undefined;
  readonly expiresAt: string;
  /** The whole /api/ps entry, for merged lists. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** unknown = never asked · up · down = does not answer · loop = it is this gateway. Draining is a flag of its own. */
export type BackendState = 'unknown' | 'up' | 'down' | 'loop';

/** What a person configures about a backend. */
export interface BackendSpec {
  /** Stable; what every log line, metric and header says. */
  readonly name: string;
  /** http(s)://host:port without a trailing slash. */
  readonly url: string;
  /** Given parallel places of each runner; absent = learned. */
  readonly slots?: number;
  /** Backends with the same store share one models folder; default = name. */
  readonly store: string;
  /** read = its models folder is mounted read-only · write = it only changes models and is sent no request; absent = it does both. */
  readonly access?: 'read' | 'write';
  /** Backends of one class are equally fast; learned times are shared in it. Default: `default`. */
  readonly class: string;
  /** Extra request headers, e.g. a bearer token, sent to this backend only. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What an hour of its machine costs; absent = not counted. */
  readonly dollarsPerHour?: number;
  /** PEM of a private CA. */
  readonly ca?: string;
}

export interface BackendView {
  readonly spec: BackendSpec;
  readonly state: BackendState;
  readonly stateSinceMs: number;
  /** Why it is down, in words. */
  readonly error?: string;
  readonly draining: boolean;
  readonly version: string | undefined;
  /** When tags and ps were last read (monotonic); undefined = never. */
  readonly polledAtMs: number | undefined;
  readonly models: ReadonlyMap<string, ModelOnDisk>;
  readonly loaded: readonly LoadedModel[];
}

export interface FleetSnapshot {
  /** Grows by one with each change. */
  readonly seq: number;
  readonly atMs: number;
  readonly backends: readonly BackendView[];
}

/** A gateway says who it is on its /api/version answers, and through whom a request came on those it forwards. */
export const INSTANCE_HEADER = 'x-bigo-instance';
export const HOP_HEADER = 'x-bigo-hop';
