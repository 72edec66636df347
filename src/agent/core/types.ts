// What the agent is told to have, what it sees, and what it remembers of each model. Plain values; never a socket or a timer.
import type { AgentFailureReason, AgentModelState } from '../../api/agent-status.ts';

/** A model that comes from a registry. */
export interface WantedPull {
  readonly kind: 'pull';
  readonly name: string;
  readonly key: string;
}

/** A model that is made here from another one. */
export interface WantedDerived {
  readonly kind: 'create';
  readonly name: string;
  readonly key: string;
  readonly fromName: string;
  readonly fromKey: string;
  /** Body of /api/create. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Changes when the declaration changes. */
  readonly fingerprint: string;
}

export type Wanted = WantedPull | WantedDerived;

/** What this pod should have, in the order of the declaration. */
export interface Assignment {
  readonly wanted: readonly Wanted[];
  readonly deletesUndeclared: boolean;
}

export interface Failure {
  readonly reason: AgentFailureReason;
  readonly message: string;
}

export interface ModelRecord {
  readonly name: string;
  readonly key: string;
  readonly state: AgentModelState;
  readonly failure?: Failure;
  /** Why it was taken away and fetched again; told until the agent ends, so that whoever asks seldom hears of it too. */
  readonly repair?: string;
  readonly completedBytes?: number;
  readonly totalBytes?: number;
  /** In a row. */
  readonly failures: number;
  readonly notBeforeMs: number;
}

/** One model as /api/tags tells it. */
export interface ModelSeen {
  readonly name: string;
  readonly key: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface AgentState {
  readonly records: ReadonlyMap<string, ModelRecord>;
  /** Deleted to get rid of wrong bytes, by key: they come back whether declared or not. */
  readonly restore: ReadonlyMap<string, string>;
  /** Fingerprints of the derived models that were made, with the digest of the base at that time. */
  readonly made: ReadonlyMap<string, string>;
  /** Every assigned model was once present or failed for good. Stays true. */
  readonly settled: boolean;
}

export interface Observed {
  readonly nowMs: number;
  /** Undefined: Ollama does not answer. */
  readonly models: ReadonlyMap<string, ModelSeen> | undefined;
  /** Wrong blobs (64 hex digits) and the models whose manifests name them. */
  readonly corrupt: ReadonlyMap<string, readonly string[]>;
}

export type Step =
  | { readonly type: 'wait'; readonly untilMs: number }
  /** Get rid of a wrong blob: delete all its models, then the blob. */
  | { readonly type: 'discard'; readonly digest: string; readonly names: readonly string[] }
  | { readonly type: 'delete'; readonly name: string }
  | { readonly type: 'pull'; readonly name: string; readonly key: string }
  | { readonly type: 'create'; readonly model: WantedDerived };
