// OpenAI's chat and completion answers as Ollama 0.24 shapes them (ollama openai/openai.go). Never forges [DONE] after a failure.
import { seconds } from './answer.ts';
import type { AnswerWriter, Delta, Final } from './answer.ts';
import type { JsonObject } from './json.ts';
import type { ToolCall } from './messages.ts';
import type { OpenAiStreaming } from './openai-request.ts';

export interface OpenAiAnswerInput extends OpenAiStreaming {
  readonly model: string;
  readonly id: string;
}

const TYPES: Readonly<Record<number, string>> = { 400: 'invalid_request_error', 404: 'not_found_error' };

export function openAiError(status: number, message: string): JsonObject {
  return { error: { message, type: TYPES[status] ?? 'api_error', param: null, code: null } };
}

const data = (value: JsonObject): string => `data: ${JSON.stringify(value)}\n\n`;
const failure = (message: string): string => data(openAiError(500, message));

function openAiToolCalls(calls: readonly ToolCall[], from = 0): JsonObject[] {
  return calls.map((call, at) => ({
    id: call.id,
    index: from + at,
    type: 'function',
    function: { name: call.name, arguments: JSON.stringify(call.arguments) },
  }));
}

function openAiUsage(final: Final): JsonObject {
  const promptTokens = final.metrics?.promptTokens ?? 0;
  const tokens = final.metrics?.tokens ?? 0;
  return { prompt_tokens: promptTokens, completion_tokens: tokens, total_tokens: promptTokens + tokens };
}

export function openAiChatWriter(input: OpenAiAnswerInput): AnswerWriter {
  let calls = 0;
  const frame = (object: string, nowMs: number): JsonObject => ({
    id: input.id,
    object,
    created: seconds(nowMs),
    model: input.model,
    system_fingerprint: 'fp_ollama',
  });
  function message(delta: Delta): JsonObject {
    const first = calls;
    calls += delta.toolCalls.length;
    return {
      role: 'assistant',
      content: delta.content,
      ...(delta.thinking === '' ? {} : { reasoning: delta.thinking }),
      ...(delta.toolCalls.length === 0 ? {} : { tool_calls: openAiToolCalls(delta.toolCalls, first) }),
    };
  }
  function chunk(delta: Delta, reason: string | null, nowMs: number): JsonObject {
    const choice = { index: 0, delta: message(delta), finish_reason: reason, ...logprobsOf(delta) };
    return { ...frame('chat.completion.chunk', nowMs), choices: [choice] };
  }
  const reasonOf = (final: Final): string => (calls > 0 ? 'tool_calls' : final.doneReason);
  return {
    streamType: 'text/event-stream',
    begin: () => {},
    delta: (delta, nowMs) =>
      splitThinking(delta)
        .map(part => data(chunk(part, null, nowMs)))
        .join(''),
    final(final, nowMs) {
      const usage = { ...frame('chat.completion.chunk', nowMs), choices: [], usage: openAiUsage(final) };
      const last = data(chunk(NOTHING, reasonOf(final), nowMs));
      return `${last}${input.includeUsage ? data(usage) : ''}data: [DONE]\n\n`;
    },
    whole(delta, final, nowMs) {
      const said = message(delta);
      const choice = { index: 0, message: said, finish_reason: reasonOf(final), ...logprobsOf(delta) };
      return { ...frame('chat.completion', nowMs), choices: [choice], usage: openAiUsage(final) };
    },
    failure,
  };
}

const NOTHING: Delta = { content: '', thinking: '', toolCalls: [], logprobs: [] };

/** Reasoning and content never share a chunk. */
function splitThinking(delta: Delta): Delta[] {
  if (delta.thinking === '' || (delta.content === '' && delta.toolCalls.length === 0)) return [delta];
  return [
    { ...NOTHING, thinking: delta.thinking, logprobs: delta.logprobs },
    { ...delta, thinking: '', logprobs: [] },
  ];
}

function logprobsOf(delta: Delta): JsonObject {
  return delta.logprobs.length === 0 ? {} : { logprobs: { content: delta.logprobs } };
}

export function openAiCompletionWriter(input: OpenAiAnswerInput): AnswerWriter {
  const zero = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const frame = (nowMs: number): JsonObject => ({
    id: input.id,
    object: 'text_completion',
    created: seconds(nowMs),
    model: input.model,
    system_fingerprint: 'fp_ollama',
  });
  const choice = (text: string, reason: string | null): JsonObject => ({
    text,
    index: 0,
    finish_reason: reason,
  });
  function chunk(text: string, reason: string | null, nowMs: number): string {
    const usage = input.includeUsage ? { usage: zero } : {};
    return data({ ...frame(nowMs), choices: [choice(text, reason)], ...usage });
  }
  return {
    streamType: 'text/event-stream',
    begin: () => {},
    delta: (delta, nowMs) => chunk(delta.content, null, nowMs),
    final(final, nowMs) {
      const usage = data({ ...frame(nowMs), choices: [], usage: openAiUsage(final) });
      return `${chunk('', final.doneReason, nowMs)}${input.includeUsage ? usage : ''}data: [DONE]\n\n`;
    },
    whole: (delta, final, nowMs) => ({
      ...frame(nowMs),
      choices: [choice(delta.content, final.doneReason)],
      usage: openAiUsage(final),
    }),
    failure,
  };
}

/** /v1/models from /api/tags. */
export function openAiModels(models: readonly JsonObject[]): JsonObject {
  return {
    object: 'list',
    data: models.map(model => openAiModel(String(model['name']), model['modified_at'])),
  };
}

export function openAiModel(name: string, modifiedAt: unknown): JsonObject {
  const parts = name.split('/');
  const owner = parts.length >= 2 ? parts.at(-2) : 'library';
  return { id: name, object: 'model', created: seconds(Date.parse(String(modifiedAt))), owned_by: owner };
}

export function openAiEmbeddings(input: {
  model: string;
  vectors: readonly (readonly number[] | string)[];
  promptTokens: number;
}): JsonObject {
  const items = input.vectors.map((embedding, index) => ({ object: 'embedding', embedding, index }));
  const usage = { prompt_tokens: input.promptTokens, total_tokens: input.promptTokens };
  return { object: 'list', data: items, model: input.model, usage };
}
