// What a fleet offers to gateway, manager and operator shells. Never tells anybody where to send a request.
import type { BackendSpec, FleetSnapshot } from '../api/fleet.ts';
import type { Clock } from '../platform/clock.ts';
import type { Timing } from './core/timing.ts';

/** A pino logger is one. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface FleetDeps {
  readonly specs: readonly BackendSpec[];
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1): spreads the polls. */
  readonly rng: () => number;
  /** Sent with every probe, and compared with what /api/version answers: a backend that is ourselves is a loop. */
  readonly instanceId: string;
  readonly timing?: Partial<Timing>;
  /** False while more backends may be told of that there are: then the fleet is not ready. */
  readonly isComplete?: () => boolean;
}

/** Who wants a backend drained: a person or an agent at the admin port, or the backend's own pod. Each takes back only its own wish. */
export type DrainSource = 'admin' | 'pod';

export interface Fleet {
  /** `seq` stays the same while only the age of what is known changes. */
  snapshot(): FleetSnapshot;
  onChange(listener: (snapshot: FleetSnapshot) => void): () => void;
  start(): void;
  stop(): Promise<void>;
  /** Asks one backend, or all, for tags and ps now; resolves when the snapshot says what they answered, or that they do not. */
  refresh(name?: string): Promise<void>;
  /** Live reload: what is unchanged keeps its state. */
  setBackends(specs: readonly BackendSpec[]): void;
  setDraining(name: string, draining: boolean, source?: DrainSource): void;
  /** The backend said 404 for a model that it was thought to have. */
  forgetModel(name: string, key: string): void;
  /** Hints from the request path: what they say is checked by a probe at once, not believed. */
  noteDown(name: string, error: string): void;
  noteUp(name: string): void;
  /** A runner came or went: ask ps soon. */
  noteLoaded(name: string): void;
  noteUnloaded(name: string): void;
  /** Every configured backend was asked once. */
  ready(): boolean;
}
