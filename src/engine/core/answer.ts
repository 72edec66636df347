// What an answer is made of, and what each dialect must be able to write. Never knows a socket.
import type { JsonObject } from './json.ts';
import type { ToolCall } from './messages.ts';

export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

export interface Logprob extends TokenLogprob {
  readonly top_logprobs?: readonly TokenLogprob[];
}

export interface Delta {
  readonly content: string;
  readonly thinking: string;
  readonly toolCalls: readonly ToolCall[];
  readonly logprobs: readonly Logprob[];
}

export type DoneReason = 'stop' | 'length' | 'load' | 'unload';

export interface Final {
  readonly doneReason: DoneReason;
  /** Only after a real run; load and unload have none. */
  readonly metrics: Metrics | undefined;
  readonly context: readonly number[] | undefined;
}

export interface Metrics {
  readonly totalMs: number;
  readonly loadMs: number;
  readonly promptTokens: number;
  readonly promptMs: number;
  readonly tokens: number;
  readonly evalMs: number;
}

/** One answer in one dialect. Made per request; `nowMs` is wall time. */
export interface AnswerWriter {
  readonly streamType: string;
  /** Called once, before the first delta, when the prompt's length is known. */
  begin(promptTokens: number): void;
  delta(delta: Delta, nowMs: number): string;
  final(final: Final, nowMs: number): string;
  /** The single body of an answer that is not streamed; `delta` is everything. */
  whole(delta: Delta, final: Final, nowMs: number): JsonObject;
  /** A failure after the first byte. */
  failure(message: string): string;
}

export interface ErrorShape {
  (status: number, message: string): JsonObject;
}

export const NO_DELTA: Delta = { content: '', thinking: '', toolCalls: [], logprobs: [] };

export function joinDeltas(deltas: readonly Delta[]): Delta {
  return {
    content: deltas.map(delta => delta.content).join(''),
    thinking: deltas.map(delta => delta.thinking).join(''),
    toolCalls: deltas.flatMap(delta => delta.toolCalls),
    logprobs: deltas.flatMap(delta => delta.logprobs),
  };
}

export function isEmpty(delta: Delta): boolean {
  return (
    delta.content === '' &&
    delta.thinking === '' &&
    delta.toolCalls.length === 0 &&
    delta.logprobs.length === 0
  );
}

export const seconds = (nowMs: number): number => Math.floor(nowMs / 1000);
export const nanoseconds = (ms: number): number => Math.max(0, Math.round(ms * 1e6));

export function sse(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
