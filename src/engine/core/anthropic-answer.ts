// Anthropic's message and its stream of events, as Ollama 0.24 writes them. Blocks are opened and closed in order, never nested.
import { sse } from './answer.ts';
import type { AnswerWriter, Delta, Final } from './answer.ts';
import type { JsonObject } from './json.ts';
import type { ToolCall } from './messages.ts';

const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  529: 'overloaded_error',
};

export function anthropicError(requestId: string): (status: number, message: string) => JsonObject {
  return (status, message) => ({
    type: 'error',
    error: { type: TYPES[status] ?? 'api_error', message },
    request_id: requestId,
  });
}

const STOP_REASONS = {
  stop: 'end_turn',
  length: 'max_tokens',
  load: 'stop_sequence',
  unload: 'stop_sequence',
} as const;

type Block = 'none' | 'thinking' | 'text';

export function anthropicWriter(input: { model: string; id: string }): AnswerWriter {
  let index = 0;
  let open: Block = 'none';
  let called = false;
  let started = false;
  let promptTokens = 0;

  const frame = (content: readonly JsonObject[], usage: JsonObject): JsonObject => ({
    id: input.id,
    type: 'message',
    role: 'assistant',
    model: input.model,
    content,
    usage,
  });
  function start(): string {
    if (started) return '';
    started = true;
    const message = {
      ...frame([], { input_tokens: promptTokens, output_tokens: 0 }),
      stop_reason: null,
      stop_sequence: null,
    };
    return sse('message_start', { type: 'message_start', message });
  }
  function close(): string {
    if (open === 'none') return '';
    open = 'none';
    return sse('content_block_stop', { type: 'content_block_stop', index: index++ });
  }
  function into(block: 'thinking' | 'text'): string {
    if (open === block) return '';
    const before = close();
    open = block;
    return before + begin({ type: block, [block]: '' });
  }
  function begin(block: JsonObject): string {
    return sse('content_block_start', { type: 'content_block_start', index, content_block: block });
  }
  function part(delta: JsonObject): string {
    return sse('content_block_delta', { type: 'content_block_delta', index, delta });
  }
  function toolUse(call: ToolCall): string {
    called = true;
    const before = close();
    const opening = begin({ type: 'tool_use', id: call.id, name: call.name, input: {} });
    const args = part({ type: 'input_json_delta', partial_json: JSON.stringify(call.arguments) });
    return `${before}${opening}${args}${sse('content_block_stop', { type: 'content_block_stop', index: index++ })}`;
  }
  return {
    streamType: 'text/event-stream',
    begin(count) {
      promptTokens = count;
    },
    delta(delta) {
      const head = start();
      const thinking =
        delta.thinking === ''
          ? ''
          : into('thinking') + part({ type: 'thinking_delta', thinking: delta.thinking });
      const text =
        delta.content === '' ? '' : into('text') + part({ type: 'text_delta', text: delta.content });
      return head + thinking + text + delta.toolCalls.map(toolUse).join('');
    },
    final(final) {
      const head = start() + close();
      const delta = { stop_reason: stopReason(final, called), stop_sequence: null };
      const end = sse('message_delta', { type: 'message_delta', delta, usage: usageOf(final) });
      return `${head}${end}${sse('message_stop', { type: 'message_stop' })}`;
    },
    whole: (delta, final) => ({
      ...frame(blocksOf(delta), usageOf(final)),
      stop_reason: stopReason(final, delta.toolCalls.length > 0),
      stop_sequence: null,
    }),
    failure: message => sse('error', { type: 'error', error: { type: 'api_error', message } }),
  };
}

function stopReason(final: Final, called: boolean): string {
  return called ? 'tool_use' : STOP_REASONS[final.doneReason];
}

function usageOf(final: Final): JsonObject {
  return { input_tokens: final.metrics?.promptTokens ?? 0, output_tokens: final.metrics?.tokens ?? 0 };
}

function blocksOf(delta: Delta): JsonObject[] {
  return [
    ...(delta.thinking === '' ? [] : [{ type: 'thinking', thinking: delta.thinking }]),
    ...(delta.content === '' ? [] : [{ type: 'text', text: delta.content }]),
    ...delta.toolCalls.map(call => ({
      type: 'tool_use',
      id: call.id,
      name: call.name,
      input: call.arguments,
    })),
  ];
}
