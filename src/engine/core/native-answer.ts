// The lines of /api/chat and /api/generate (ollama api/types.go ChatResponse, GenerateResponse). Runs once per token: keep it thin.
import { nanoseconds } from './answer.ts';
import type { AnswerWriter, Delta, Final } from './answer.ts';
import type { JsonObject } from './json.ts';
import type { ToolCall } from './messages.ts';

export type NativeKind = 'chat' | 'generate';

export function nativeWriter(kind: NativeKind, model: string): AnswerWriter {
  const head = `{"model":${JSON.stringify(model)},"created_at":"`;
  const numbered = callNumbering();
  const body = kind === 'chat' ? chatBody : generateBody;
  const open = kind === 'chat' ? '","message":{"role":"assistant","content":' : '","response":';
  const close = kind === 'chat' ? '},"done":false}\n' : ',"done":false}\n';
  return {
    streamType: 'application/x-ndjson',
    begin: () => {},
    delta(delta, nowMs) {
      if (!isPlain(delta))
        return `${JSON.stringify({ ...start(nowMs), ...body(delta, numbered), done: false, ...logprobsOf(delta) })}\n`;
      return head + isoTime(nowMs) + open + JSON.stringify(delta.content) + close;
    },
    final: (final, nowMs) =>
      `${JSON.stringify({ ...start(nowMs), ...body(EMPTY, numbered), ...ending(final) })}\n`,
    whole: (delta, final, nowMs) => ({
      ...start(nowMs),
      ...body(delta, numbered),
      ...ending(final),
      ...logprobsOf(delta),
    }),
    failure: message => `${JSON.stringify({ error: message })}\n`,
  };
  function start(nowMs: number): JsonObject {
    return { model, created_at: isoTime(nowMs) };
  }
}

const EMPTY: Delta = { content: '', thinking: '', toolCalls: [], logprobs: [] };

export function nativeError(_status: number, message: string): JsonObject {
  return { error: message };
}

function isPlain(delta: Delta): boolean {
  return delta.thinking === '' && delta.toolCalls.length === 0 && delta.logprobs.length === 0;
}

function isoTime(nowMs: number): string {
  return new Date(nowMs).toISOString();
}

type Numbering = (calls: readonly ToolCall[]) => readonly JsonObject[];

/** Tool calls carry their place in the whole answer. */
function callNumbering(): Numbering {
  let next = 0;
  return calls =>
    calls.map(call => ({
      id: call.id,
      function: { index: next++, name: call.name, arguments: call.arguments },
    }));
}

function chatBody(delta: Delta, numbered: Numbering): JsonObject {
  return {
    message: {
      role: 'assistant',
      content: delta.content,
      ...(delta.thinking === '' ? {} : { thinking: delta.thinking }),
      ...(delta.toolCalls.length === 0 ? {} : { tool_calls: numbered(delta.toolCalls) }),
    },
  };
}

function generateBody(delta: Delta): JsonObject {
  return { response: delta.content, ...(delta.thinking === '' ? {} : { thinking: delta.thinking }) };
}

function logprobsOf(delta: Delta): JsonObject {
  return delta.logprobs.length === 0 ? {} : { logprobs: delta.logprobs };
}

/** Zero values are left out, as Go's omitempty does. */
function ending(final: Final): JsonObject {
  return {
    done: true,
    done_reason: final.doneReason,
    ...(final.context === undefined ? {} : { context: final.context }),
    ...withoutZeros({
      total_duration: nanoseconds(final.metrics?.totalMs ?? 0),
      load_duration: nanoseconds(final.metrics?.loadMs ?? 0),
      prompt_eval_count: final.metrics?.promptTokens ?? 0,
      prompt_eval_duration: nanoseconds(final.metrics?.promptMs ?? 0),
      eval_count: final.metrics?.tokens ?? 0,
      eval_duration: nanoseconds(final.metrics?.evalMs ?? 0),
    }),
  };
}

function withoutZeros(counts: Readonly<Record<string, number>>): JsonObject {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}
