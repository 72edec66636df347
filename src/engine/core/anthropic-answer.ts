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

export class AnthropicWriter implements AnswerWriter {
  readonly streamType = 'text/event-stream';
  readonly #model: string;
  readonly #id: string;
  #index = 0;
  #open: Block = 'none';
  #called = false;
  #started = false;
  #promptTokens = 0;

  constructor(input: { model: string; id: string }) {
    this.#model = input.model;
    this.#id = input.id;
  }

  begin(promptTokens: number): void {
    this.#promptTokens = promptTokens;
  }

  delta(delta: Delta): string {
    const thinking = { type: 'thinking_delta', thinking: delta.thinking };
    const text = { type: 'text_delta', text: delta.content };
    return (
      this.#start() +
      (delta.thinking === '' ? '' : this.#into('thinking') + this.#part(thinking)) +
      (delta.content === '' ? '' : this.#into('text') + this.#part(text)) +
      delta.toolCalls.map(call => this.#toolUse(call)).join('')
    );
  }

  final(final: Final): string {
    const delta = { stop_reason: stopReason(final, this.#called), stop_sequence: null };
    const end = sse('message_delta', { type: 'message_delta', delta, usage: usageOf(final) });
    return `${this.#start()}${this.#close()}${end}${sse('message_stop', { type: 'message_stop' })}`;
  }

  whole(delta: Delta, final: Final): JsonObject {
    const reason = stopReason(final, delta.toolCalls.length > 0);
    return this.#message(blocksOf(delta), { reason, usage: usageOf(final) });
  }

  failure(message: string): string {
    return sse('error', { type: 'error', error: { type: 'api_error', message } });
  }

  #message(content: readonly JsonObject[], end: { reason: string | null; usage: JsonObject }): JsonObject {
    const frame = { id: this.#id, type: 'message', role: 'assistant', model: this.#model, content };
    return { ...frame, stop_reason: end.reason, stop_sequence: null, usage: end.usage };
  }

  #start(): string {
    if (this.#started) return '';
    this.#started = true;
    const usage = { input_tokens: this.#promptTokens, output_tokens: 0 };
    return sse('message_start', {
      type: 'message_start',
      message: this.#message([], { reason: null, usage }),
    });
  }

  #into(block: 'thinking' | 'text'): string {
    if (this.#open === block) return '';
    const before = this.#close();
    this.#open = block;
    return before + this.#begin({ type: block, [block]: '' });
  }

  #close(): string {
    if (this.#open === 'none') return '';
    this.#open = 'none';
    return this.#end();
  }

  #begin(block: JsonObject): string {
    return sse('content_block_start', {
      type: 'content_block_start',
      index: this.#index,
      content_block: block,
    });
  }

  #part(delta: JsonObject): string {
    return sse('content_block_delta', { type: 'content_block_delta', index: this.#index, delta });
  }

  #end(): string {
    return sse('content_block_stop', { type: 'content_block_stop', index: this.#index++ });
  }

  #toolUse(call: ToolCall): string {
    this.#called = true;
    const before = this.#close();
    const opening = this.#begin({ type: 'tool_use', id: call.id, name: call.name, input: {} });
    const args = { type: 'input_json_delta', partial_json: JSON.stringify(call.arguments) };
    return before + opening + this.#part(args) + this.#end();
  }
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
