// What `bigo agent` answers at /status: read by operator, gateway and manager. Never holds what a model was asked or answered.

/**
 * pending = waits for its turn, its base or its next try · pulling · creating · present · corrupt = its bytes on disk are wrong and
 * it is being replaced · failed = tries did not help; it is tried again slowly
 */
export type AgentModelState = 'pending' | 'pulling' | 'creating' | 'present' | 'corrupt' | 'failed';

/** Why a model is not there, in one word for conditions and Events. */
export const AGENT_FAILURE_REASONS = [
  'NotFound',
  'NotAllowed',
  'InvalidName',
  'NeedsNewerOllama',
  'InsufficientStorage',
  'DigestMismatch',
  'Stalled',
  'RegistryUnreachable',
  'OllamaUnreachable',
  'BaseMissing',
  'CannotDelete',
  'PullFailed',
  'CreateFailed',
] as const;
export type AgentFailureReason = (typeof AGENT_FAILURE_REASONS)[number];

export interface AgentModelStatus {
  readonly name: string;
  /** It stands in the file of models for this pod. */
  readonly declared: boolean;
  readonly state: AgentModelState;
  readonly reason?: AgentFailureReason;
  readonly message?: string;
  /** 0–100 of the bytes known so far; only while pulling. */
  readonly percent?: number;
  readonly completedBytes?: number;
  readonly totalBytes?: number;
  /** Manifest digest and size as /api/tags tells them; only where it is on disk. */
  readonly digest?: string;
  readonly sizeBytes?: number;
  /** ISO 8601; when a failed model is tried again. */
  readonly nextTryAt?: string;
}

export interface AgentStatus {
  readonly pod: string;
  readonly version: string;
  readonly at: string;
  readonly ollama: { readonly up: boolean; readonly version?: string };
  readonly ready: boolean;
  /** Every assigned model was once present or failed for good. */
  readonly settled: boolean;
  readonly draining: boolean;
  readonly models: readonly AgentModelStatus[];
  readonly disk?: { readonly freeBytes: number; readonly totalBytes: number };
  /** `wrong`: digests whose bytes are not what their name says; `repaired`: how many were replaced since the start. */
  readonly blobs: {
    readonly count: number;
    readonly hashed: number;
    readonly wrong: readonly string[];
    readonly repaired: number;
  };
  /** The latest ones, newest first. */
  readonly errors: readonly { readonly at: string; readonly message: string }[];
}
