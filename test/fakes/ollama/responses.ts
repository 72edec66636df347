// The route /v1/responses of the fake: the stateless part that Ollama serves, streamed and whole.
import { listOf, recordOf, textOf } from './context.ts';
import type { Call } from './context.ts';
import { goJson } from './outlet.ts';
import { infer } from './infer.ts';
import type { Final, Piece, Writer } from './infer.ts';
import { chatOf } from './native.ts';
import { nativeChatBody, openAiError } from './openai.ts';

export async function responses(call: Call): Promise<void> {
  const { body } = call;
  const instructions = textOf(body['instructions']);
  const messages = [
    ...(instructions === '' ? [] : [{ role: 'system', content: instructions }]),
    ...(typeof body['input'] === 'string' ? [{ role: 'user', content: body['input'] }] : []),
    ...listOf(body['input']).map(messageOf),
  ];
  const format = recordOf(recordOf(body['text'])['format']);
  const native = nativeChatBody({
    ...body,
    messages,
    max_tokens: body['max_output_tokens'],
    tools: listOf(body['tools']).map(toolOf),
    response_format:
      format['type'] === 'json_schema'
        ? { type: 'json_schema', json_schema: { schema: format['schema'] } }
        : undefined,
  });
  await infer(call, chatOf(native), new ResponsesWriter(call));
}

function messageOf(item: unknown): Record<string, unknown> {
  const { role, content, output } = recordOf(item);
  if (typeof content === 'string') return { role, content };
  if (typeof output === 'string') return { role: 'tool', content: output };
  const texts = listOf(content).map(part => textOf(recordOf(part)['text']));
  return { role: textOf(role) || 'assistant', content: texts.join('') };
}

/** The Responses API writes a function's name beside its type. */
function toolOf(tool: unknown): unknown {
  const { type, name, description, parameters } = recordOf(tool);
  return { type, function: { name, description, parameters } };
}

class ResponsesWriter implements Writer {
  readonly #call: Call;
  readonly #stream: boolean;
  readonly #id = `resp_${Math.floor(Math.random() * 999_999)}`;
  readonly #itemId = `msg_${Math.floor(Math.random() * 999_999)}`;
  #text = '';
  #textBegan = false;
  #calls: Record<string, unknown>[] = [];
  #seq = 0;

  constructor(call: Call) {
    this.#call = call;
    this.#stream = call.body['stream'] === true;
  }

  piece(piece: Piece): void {
    if (piece.toolCall !== undefined) {
      this.#toolCall(piece.toolCall);
      return;
    }
    if (piece.content === '') return;
    this.#text += piece.content;
    if (!this.#stream) return;
    this.#beginText();
    this.#event('response.output_text.delta', {
      ...this.#at(),
      content_index: 0,
      delta: piece.content,
      logprobs: [],
    });
  }

  final(final: Final): void {
    const response = this.#response('completed', this.#output(), final);
    if (!this.#stream) {
      this.#call.out.full(200, goJson(response), 'application/json');
      return;
    }
    this.#begin();
    if (this.#textBegan) this.#endText();
    this.#event('response.completed', { response });
    this.#call.out.end();
  }

  fail(status: number, message: string): void {
    const { out } = this.#call;
    if (!out.started) out.full(status, goJson(openAiError(status, message)), 'application/json');
    else out.end(); // Ollama drops an error in the middle of the stream
  }

  #at(): Record<string, unknown> {
    return { item_id: this.#itemId, output_index: 0 };
  }

  #begin(): void {
    if (this.#seq > 0) return;
    const headers = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' };
    this.#call.out.head(200, headers);
    const response = this.#response('in_progress', [], undefined);
    this.#event('response.created', { response });
    this.#event('response.in_progress', { response });
  }

  #beginText(): void {
    this.#begin();
    if (this.#textBegan) return;
    this.#textBegan = true;
    const item = { content: [], id: this.#itemId, role: 'assistant', status: 'in_progress', type: 'message' };
    this.#event('response.output_item.added', { item, output_index: 0 });
    this.#event('response.content_part.added', { ...this.#at(), content_index: 0, part: partOf('') });
  }

  #endText(): void {
    this.#event('response.output_text.done', {
      ...this.#at(),
      content_index: 0,
      logprobs: [],
      text: this.#text,
    });
    this.#event('response.content_part.done', { ...this.#at(), content_index: 0, part: partOf(this.#text) });
    this.#event('response.output_item.done', { item: this.#message(), output_index: 0 });
  }

  #toolCall(toolCall: NonNullable<Piece['toolCall']>): void {
    const args = goJson(toolCall.arguments);
    const item = {
      id: `fc_${toolCall.id}`,
      type: 'function_call',
      status: 'completed',
      call_id: toolCall.id,
      name: toolCall.name,
      arguments: args,
    };
    this.#calls.push(item);
    if (!this.#stream) return;
    this.#begin();
    const at = { item_id: item.id, output_index: this.#calls.length - 1 };
    this.#event('response.output_item.added', {
      item: { ...item, status: 'in_progress', arguments: '' },
      output_index: at.output_index,
    });
    this.#event('response.function_call_arguments.delta', { ...at, delta: args });
    this.#event('response.function_call_arguments.done', { ...at, arguments: args });
    this.#event('response.output_item.done', { item, output_index: at.output_index });
  }

  #event(type: string, data: Record<string, unknown>): void {
    this.#call.out.write(
      `event: ${type}\ndata: ${goJson({ ...data, sequence_number: this.#seq++, type })}\n\n`,
    );
  }

  #message(): Record<string, unknown> {
    return {
      id: this.#itemId,
      type: 'message',
      status: 'completed',
      role: 'assistant',
      content: [partOf(this.#text)],
    };
  }

  #output(): unknown[] {
    return this.#calls.length > 0 && this.#text === '' ? this.#calls : [this.#message(), ...this.#calls];
  }

  #response(status: string, output: readonly unknown[], final: Final | undefined): Record<string, unknown> {
    const { body } = this.#call;
    const nowSeconds = Math.floor(Date.now() / 1000);
    return {
      id: this.#id,
      object: 'response',
      created_at: nowSeconds,
      completed_at: final === undefined ? null : nowSeconds,
      status,
      incomplete_details: null,
      model: body['model'],
      previous_response_id: null,
      instructions: body['instructions'] ?? null,
      output,
      error: null,
      tools: listOf(body['tools']),
      tool_choice: 'auto',
      truncation: 'disabled',
      parallel_tool_calls: true,
      text: { format: recordOf(body['text'])['format'] ?? { type: 'text' } },
      top_p: body['top_p'] ?? 1,
      presence_penalty: 0,
      frequency_penalty: 0,
      top_logprobs: 0,
      temperature: body['temperature'] ?? 1,
      reasoning: null,
      usage: final === undefined ? null : usageOf(final),
      max_output_tokens: body['max_output_tokens'] ?? null,
      max_tool_calls: null,
      store: false,
      background: false,
      service_tier: 'default',
      metadata: {},
      safety_identifier: null,
      prompt_cache_key: null,
    };
  }
}

function partOf(text: string): Record<string, unknown> {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function usageOf(final: Final): Record<string, unknown> {
  return {
    input_tokens: final.promptTokens,
    output_tokens: final.tokens,
    total_tokens: final.promptTokens + final.tokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
  };
}
