// The route /v1/messages of the fake: Anthropic's shapes over the native chat.
import { randomBytes } from 'node:crypto';
import { listOf, recordOf, Refusal, textOf } from './context.ts';
import type { Call } from './context.ts';
import { goJson } from './outlet.ts';
import { infer } from './infer.ts';
import type { Final, Piece, Writer } from './infer.ts';
import { chatOf } from './native.ts';
import { tokenCountOf } from './text.ts';

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  529: 'overloaded_error',
};

const idOf = (prefix: string): string => `${prefix}_${randomBytes(12).toString('hex')}`;

export function anthropicError(status: number, message: string): Record<string, unknown> {
  const type = ERROR_TYPES[status] ?? 'api_error';
  return { type: 'error', error: { type, message }, request_id: idOf('req') };
}

export async function messages(call: Call): Promise<void> {
  const { body } = call;
  if (textOf(body['model']) === '') throw new Refusal(400, 'model is required');
  const maxTokens = body['max_tokens'];
  if (typeof maxTokens !== 'number' || maxTokens <= 0)
    throw new Refusal(400, 'max_tokens is required and must be positive');
  if (listOf(body['messages']).length === 0) throw new Refusal(400, 'messages is required');
  const inference = { ...chatOf(nativeBody(body, maxTokens)), relaxThinking: true };
  await infer(call, inference, new AnthropicWriter(call, tokenCountOf(inference.prompt)));
}

function nativeBody(body: Record<string, unknown>, maxTokens: number): Record<string, unknown> {
  const system = typeof body['system'] === 'string' ? body['system'] : blocksText(body['system']);
  const options: Record<string, unknown> = { num_predict: maxTokens };
  for (const name of ['temperature', 'top_p', 'top_k'])
    if (body[name] !== undefined) options[name] = body[name];
  if (listOf(body['stop_sequences']).length > 0) options['stop'] = body['stop_sequences'];
  const thinking = recordOf(body['thinking'])['type'];
  return {
    model: body['model'],
    messages: [
      ...(system === '' ? [] : [{ role: 'system', content: system }]),
      ...listOf(body['messages']).map(message => {
        const { role, content } = recordOf(message);
        return { role, content: typeof content === 'string' ? content : blocksText(content) };
      }),
    ],
    tools: listOf(body['tools']).map(tool => {
      const { name, description, input_schema: parameters } = recordOf(tool);
      return { type: 'function', function: { name, description, parameters } };
    }),
    options,
    think: thinking === 'enabled' ? true : thinking === 'disabled' ? false : undefined,
  };
}

function blocksText(blocks: unknown): string {
  return listOf(blocks)
    .map(block => {
      const { text, content } = recordOf(block);
      return typeof text === 'string' ? text : textOf(content);
    })
    .join('');
}

class AnthropicWriter implements Writer {
  readonly #call: Call;
  readonly #stream: boolean;
  readonly #id = idOf('msg');
  readonly #estimatedTokens: number;
  #open: 'thinking' | 'text' | undefined;
  #index = 0;
  #blocks: Record<string, unknown>[] = [];
  #usedTool = false;

  constructor(call: Call, estimatedTokens: number) {
    this.#call = call;
    this.#stream = call.body['stream'] === true;
    this.#estimatedTokens = estimatedTokens;
  }

  piece(piece: Piece): void {
    this.#begin();
    if (piece.thinking !== undefined && piece.thinking !== '') this.#grow('thinking', piece.thinking);
    if (piece.content !== '') this.#grow('text', piece.content);
    if (piece.toolCall !== undefined) this.#tool(piece.toolCall);
  }

  final(final: Final): void {
    this.#begin();
    const reason = this.#usedTool ? 'tool_use' : final.reason === 'length' ? 'max_tokens' : 'end_turn';
    const usage = { input_tokens: final.promptTokens, output_tokens: final.tokens };
    if (!this.#stream) {
      const head = { id: this.#id, type: 'message', role: 'assistant', model: this.#call.body['model'] };
      const body = { ...head, content: this.#blocks, stop_reason: reason, usage };
      this.#call.out.full(200, goJson(body), 'application/json');
      return;
    }
    this.#close();
    this.#event('message_delta', { delta: { stop_reason: reason }, usage });
    this.#event('message_stop', {});
    this.#call.out.end();
  }

  fail(status: number, message: string): void {
    const { out } = this.#call;
    if (!out.started) out.full(status, goJson(anthropicError(status, message)), 'application/json');
    else out.end(); // Ollama drops an error in the middle of the stream
  }

  #begin(): void {
    if (!this.#stream || this.#call.out.started) return;
    this.#call.out.head(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    const message = {
      id: this.#id,
      type: 'message',
      role: 'assistant',
      model: this.#call.body['model'],
      content: [],
      usage: { input_tokens: this.#estimatedTokens, output_tokens: 0 },
    };
    this.#event('message_start', { message });
  }

  #grow(kind: 'thinking' | 'text', more: string): void {
    const last = this.#blocks.at(-1);
    if (this.#open === kind && last !== undefined) {
      last[kind] = `${String(last[kind])}${more}`;
    } else {
      this.#close();
      this.#open = kind;
      this.#blocks.push({ type: kind, [kind]: more });
      this.#event('content_block_start', { index: this.#index, content_block: { type: kind, [kind]: '' } });
    }
    this.#event('content_block_delta', {
      index: this.#index,
      delta: { type: `${kind}_delta`, [kind]: more },
    });
  }

  #tool(toolCall: NonNullable<Piece['toolCall']>): void {
    this.#close();
    this.#usedTool = true;
    const { id, name, arguments: input } = toolCall;
    this.#blocks.push({ type: 'tool_use', id, name, input });
    this.#event('content_block_start', {
      index: this.#index,
      content_block: { type: 'tool_use', id, name, input: {} },
    });
    this.#event('content_block_delta', {
      index: this.#index,
      delta: { type: 'input_json_delta', partial_json: goJson(input) },
    });
    this.#event('content_block_stop', { index: this.#index });
    this.#index++;
  }

  #close(): void {
    if (this.#open === undefined) return;
    this.#open = undefined;
    this.#event('content_block_stop', { index: this.#index });
    this.#index++;
  }

  #event(type: string, data: Record<string, unknown>): void {
    if (this.#stream) this.#call.out.write(`event: ${type}\ndata: ${goJson({ type, ...data })}\n\n`);
  }
}
