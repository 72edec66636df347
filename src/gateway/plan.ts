// What is to be done for one inference request, worked out once before its ticket is made. Never changed afterwards.
import type { TicketSpec } from './core/scheduler/messages.ts';
import type { StreamShape } from './core/request/types.ts';

/** Turns a held answer of the backend into the one for the client; undefined = it cannot be read. */
export type AnswerMaker = (body: Uint8Array) => string | undefined;

export interface Plan {
  readonly ticket: TicketSpec;
  /** For the backend, as it is sent: request line and fields, without the length and those that the backend's target adds. */
  readonly head: string;
  /** Of the backend's answer. */
  readonly shape: StreamShape;
  readonly streamed: boolean;
  /** Text, embeddings or a count come back: it is counted as usage. Not so for /api/show and for mere loads. */
  readonly generates: boolean;
  /** We asked for the usage chunk, the client did not. */
  readonly stripsUsage: boolean;
  /** As the client spelled it, for messages. */
  readonly modelName: string;
  /** Bounded metric label. */
  readonly modelLabel: string;
  readonly makeAnswer: AnswerMaker | undefined;
}
