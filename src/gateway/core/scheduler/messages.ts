// The scheduler's events and effects: plain serialisable data, no body, no socket, so that they can cross a process or Redis.
// Never add a function, a Buffer or a Date here.
import type { ErrorCode } from '../../../api/errors.ts';
import type { FleetSnapshot, ReloadOptions } from '../../../api/fleet.ts';
import type { DispatchReason, PlaceReason, SkipReason } from '../../../api/reasons.ts';

export type Priority = 'high' | 'normal' | 'low' | 'batch';
/** generate = needs a runner for text · embed = needs an embedding runner · holder = any backend that holds the model, no runner. */
export type TicketKind = 'generate' | 'embed' | 'holder';

/** A prefix of the conversation: cumulative hash at a message boundary and the bytes up to it. */
export interface PrefixMark {
  readonly hash: string;
  readonly bytes: number;
}

export interface TicketSpec {
  readonly id: string;
  /** modelKey() of the resolved model (aliases applied). */
  readonly model: string;
  readonly kind: TicketKind;
  /** Lowest backend version that serves the route, e.g. `0.14.0`. */
  readonly versionMin: string;
  /** Options of this request that make Ollama reload. */
  readonly options: ReloadOptions;
  readonly priority: Priority;
  /** Id of the API key, or `anonymous`: fairness is between tenants. */
  readonly tenant: string;
  readonly bodyBytes: number;
  readonly promptBytes: number;
  /** The most tokens that the answer may have, where the client says so. */
  readonly tokensMax?: number;
  /** Shortest first, at most 32. */
  readonly prefix: readonly PrefixMark[];
  /** First arrival; kept when the ticket comes back for another attempt, so that it keeps its place. */
  readonly arrivedAtMs: number;
  /** It may wait in the queue until then. */
  readonly queueDeadlineMs: number;
  /** Backends that failed this request already. */
  readonly tried: readonly string[];
  /** Only these backends may serve it (routing rule or placement); absent = all. */
  readonly only?: readonly string[];
}

/** Times the backend told in its final line; absent where it told none. */
export interface ServiceSample {
  readonly promptMs?: number;
  readonly evalMs?: number;
  /** Told total less load, prompt and evaluation: waiting for a slot inside the backend. */
  readonly waitedMs?: number;
  readonly promptTokens?: number;
  readonly tokens?: number;
}

/** ok = complete · aborted = client left · refused = the backend said 4xx (its health is fine) · failed = counts against the backend. */
export type Outcome = 'ok' | 'aborted' | 'refused' | 'failed';

export type SchedulerEvent =
  | { readonly type: 'arrive'; readonly ticket: TicketSpec }
  /** The client left: queued or running, the ticket ends and its slot is free. */
  | { readonly type: 'cancel'; readonly id: string }
  | { readonly type: 'first_byte'; readonly id: string }
  | { readonly type: 'done'; readonly id: string; readonly outcome: Outcome; readonly sample?: ServiceSample }
  | { readonly type: 'loaded'; readonly backend: string; readonly key: string }
  | {
      readonly type: 'load_failed';
      readonly backend: string;
      readonly key: string;
      /** Message for those who wait, as the backend said it. */
      readonly message: string;
      readonly fault: 'backend' | 'model' | 'cancelled';
    }
  | { readonly type: 'unloaded'; readonly backend: string; readonly key: string }
  | { readonly type: 'fleet'; readonly snapshot: FleetSnapshot }
  | { readonly type: 'tick' };

export interface Consideration {
  readonly backend: string;
  /** Estimated ms until the first token there; absent when skipped. */
  readonly estimateMs?: number;
  readonly loaded?: boolean;
  readonly skipped?: SkipReason;
}

/** Permission to use one slot. The shell answers every grant with exactly one `done` (or `cancel`). */
export interface Grant {
  readonly id: number;
  readonly term: number;
}

/** What decided about a load. */
export interface LoadFigures {
  /** Tickets that waited for it. */
  readonly waiting: number;
  /** Until it was expected to be ready. */
  readonly readyMs: number;
  /** Expected waiting of everyone else for what gave way. */
  readonly evictionMs: number;
}

export type Effect =
  | {
      readonly type: 'dispatch';
      readonly id: string;
      readonly backend: string;
      /** Runner key, '' for tickets that need none. */
      readonly key: string;
      readonly grant: Grant;
      readonly reason: DispatchReason;
      readonly estimateMs: number;
      readonly queuedMs: number;
      readonly considered: readonly Consideration[];
    }
  | {
      readonly type: 'reject';
      readonly id: string;
      readonly code: ErrorCode;
      readonly message: string;
      readonly retryAfterMs: number;
    }
  /** Load the model by an empty request with these options; answer with loaded or load_failed. */
  | {
      readonly type: 'load';
      readonly backend: string;
      readonly key: string;
      readonly model: string;
      readonly options: ReloadOptions;
      readonly kind: 'generate' | 'embed';
      readonly reason: PlaceReason;
      readonly decided: LoadFigures;
    }
  /** Unload by keep_alive 0; answer with unloaded (also when it failed). */
  | {
      readonly type: 'unload';
      readonly backend: string;
      readonly key: string;
      readonly model: string;
      readonly kind: 'generate' | 'embed';
      readonly reason: PlaceReason;
    }
  /** Nobody wants this load any more: hang up. Answer with load_failed, fault cancelled. */
  | { readonly type: 'cancel_load'; readonly backend: string; readonly key: string };
