// The answer of /v1/responses and its numbered events, as Ollama 0.24 writes them. Ends with response.completed or response.failed.
import { seconds, sse } from './answer.ts';
import type { AnswerWriter, Delta, Final } from './answer.ts';
import type { JsonObject } from './json.ts';
import type { ToolCall } from './messages.ts';
import type { ResponsesEcho } from './responses-request.ts';

export interface ResponsesInput {
  readonly model: string;
  readonly echo: ResponsesEcho;
  readonly responseId: string;
  readonly itemId: string;
}

const textPart = (text: string): JsonObject => ({ type: 'output_text', text, annotations: [], logprobs: [] });

export class ResponsesWriter implements AnswerWriter {
  readonly streamType = 'text/event-stream';
  readonly #input: ResponsesInput;
  readonly #calls: JsonObject[] = [];
  #sequence = 0;
  #output = 0;
  #started = false;
  #thinking: string | undefined;
  #thought = false;
  #text: string | undefined;
  #textEnded = false;
  #atMs = 0;

  constructor(input: ResponsesInput) {
    this.#input = input;
  }

  begin(): void {
    // Usage is told at the end only.
  }

  delta(delta: Delta, nowMs: number): string {
    const head = this.#start(nowMs) + (delta.thinking === '' ? '' : this.#think(delta.thinking));
    if (delta.content === '' && delta.toolCalls.length === 0) return head;
    const text = this.#endThinking() + (delta.content === '' ? '' : this.#write(delta.content));
    return head + text + delta.toolCalls.map(call => this.#call(call)).join('');
  }

  final(final: Final, nowMs: number): string {
    const closing = this.#start(nowMs) + this.#endThinking() + this.#endText();
    const done = this.#response('completed', this.#items(), usageOf(final));
    return (
      closing + this.#event('response.completed', { response: { ...done, completed_at: seconds(nowMs) } })
    );
  }

  whole(delta: Delta, final: Final, nowMs: number): JsonObject {
    const stage = {
      status: 'completed',
      output: wholeOutput(this.#input, delta),
      usage: usageOf(final),
      nowMs,
    };
    return { ...responseObject(this.#input, stage), completed_at: seconds(nowMs) };
  }

  failure(message: string): string {
    const error = { code: 'server_error', message };
    const failed = { ...this.#response('failed', this.#items(), null), error };
    return this.#event('response.failed', { response: failed });
  }

  #event(type: string, data: JsonObject): string {
    return sse(type, { ...data, type, sequence_number: this.#sequence++ });
  }

  #response(status: string, output: readonly JsonObject[], usage: JsonObject | null): JsonObject {
    return responseObject(this.#input, { status, output, usage, nowMs: this.#atMs });
  }

  #start(nowMs: number): string {
    this.#atMs = nowMs;
    if (this.#started) return '';
    this.#started = true;
    const beginning = { response: this.#response('in_progress', [], null) };
    return this.#event('response.created', beginning) + this.#event('response.in_progress', beginning);
  }

  #think(delta: string): string {
    const id = reasoningId(this.#input);
    const at = { item_id: id, output_index: this.#output, summary_index: 0 };
    const item = { id, type: 'reasoning', summary: [] };
    const opening =
      this.#thinking === undefined
        ? this.#event('response.output_item.added', { output_index: this.#output, item })
        : '';
    this.#thinking = (this.#thinking ?? '') + delta;
    return opening + this.#event('response.reasoning_summary_text.delta', { ...at, delta });
  }

  #endThinking(): string {
    if (this.#thinking === undefined || this.#thought) return '';
    this.#thought = true;
    const id = reasoningId(this.#input);
    const at = { item_id: id, output_index: this.#output, summary_index: 0 };
    const done = this.#event('response.reasoning_summary_text.done', { ...at, text: this.#thinking });
    const item = reasoningItem(id, this.#thinking);
    return done + this.#event('response.output_item.done', { output_index: this.#output++, item });
  }

  #where(): JsonObject {
    return { item_id: this.#input.itemId, output_index: this.#output, content_index: 0 };
  }

  /** What a model says after its calls is left out, as in Ollama. */
  #write(delta: string): string {
    if (this.#textEnded || this.#calls.length > 0) return '';
    let opening = '';
    if (this.#text === undefined) {
      const item = { ...messageItem(this.#input.itemId, ''), status: 'in_progress', content: [] };
      opening = this.#event('response.output_item.added', { output_index: this.#output, item });
      opening += this.#event('response.content_part.added', { ...this.#where(), part: textPart('') });
    }
    this.#text = (this.#text ?? '') + delta;
    return opening + this.#event('response.output_text.delta', { ...this.#where(), delta, logprobs: [] });
  }

  #endText(): string {
    if (this.#text === undefined || this.#textEnded) return '';
    this.#textEnded = true;
    const at = this.#where();
    const done = this.#event('response.output_text.done', { ...at, text: this.#text, logprobs: [] });
    const part = this.#event('response.content_part.done', { ...at, part: textPart(this.#text) });
    const item = messageItem(this.#input.itemId, this.#text);
    return done + part + this.#event('response.output_item.done', { output_index: this.#output++, item });
  }

  /** Text ends before a call begins: an item is never inside another. */
  #call(made: ToolCall): string {
    const before = this.#endText();
    const item = callItem(`fc_${this.#input.responseId}_${this.#calls.length}`, made);
    const index = { output_index: this.#output };
    const at = { item_id: item['id'], ...index };
    const added = { ...item, status: 'in_progress', arguments: '' };
    this.#calls.push(item);
    this.#output++;
    return (
      before +
      this.#event('response.output_item.added', { ...index, item: added }) +
      this.#event('response.function_call_arguments.delta', { ...at, delta: item['arguments'] }) +
      this.#event('response.function_call_arguments.done', { ...at, arguments: item['arguments'] }) +
      this.#event('response.output_item.done', { ...index, item })
    );
  }

  #items(): JsonObject[] {
    return [
      ...(this.#thinking === undefined ? [] : [reasoningItem(reasoningId(this.#input), this.#thinking)]),
      ...(this.#text === undefined ? [] : [messageItem(this.#input.itemId, this.#text)]),
      ...this.#calls,
    ];
  }
}

const reasoningId = (input: ResponsesInput): string => `rs_${input.responseId}`;

function wholeOutput(input: ResponsesInput, delta: Delta): JsonObject[] {
  const thinking = delta.thinking === '' ? [] : [reasoningItem(reasoningId(input), delta.thinking)];
  const calls = delta.toolCalls.map((made, at) => callItem(`fc_${input.responseId}_${at}`, made));
  return [...thinking, ...(calls.length > 0 ? calls : [messageItem(input.itemId, delta.content)])];
}

function reasoningItem(id: string, text: string): JsonObject {
  return { id, type: 'reasoning', summary: [{ type: 'summary_text', text }], encrypted_content: text };
}

function messageItem(id: string, text: string): JsonObject {
  return { id, type: 'message', status: 'completed', role: 'assistant', content: [textPart(text)] };
}

function callItem(id: string, made: ToolCall): JsonObject {
  const args = JSON.stringify(made.arguments);
  return {
    id,
    type: 'function_call',
    status: 'completed',
    call_id: made.id,
    name: made.name,
    arguments: args,
  };
}

function usageOf(final: Final): JsonObject {
  const inputTokens = final.metrics?.promptTokens ?? 0;
  const outputTokens = final.metrics?.tokens ?? 0;
  return {
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
  };
}

interface Stage {
  readonly status: string;
  readonly output: readonly JsonObject[];
  readonly usage: JsonObject | null;
  readonly nowMs: number;
}

function responseObject(input: ResponsesInput, stage: Stage): JsonObject {
  const { echo } = input;
  return {
    id: input.responseId,
    object: 'response',
    created_at: seconds(stage.nowMs),
    completed_at: null,
    status: stage.status,
    incomplete_details: null,
    model: input.model,
    previous_response_id: null,
    instructions: echo.instructions === '' ? null : echo.instructions,
    output: stage.output,
    error: null,
    tools: echo.tools,
    tool_choice: 'auto',
    truncation: echo.truncation,
    parallel_tool_calls: true,
    text: { format: echo.textFormat },
    top_p: echo.topP,
    presence_penalty: 0,
    frequency_penalty: 0,
    top_logprobs: 0,
    temperature: echo.temperature,
    reasoning: echo.reasoning,
    usage: stage.usage,
    max_output_tokens: echo.maxOutputTokens,
    max_tool_calls: null,
    store: false,
    background: echo.background,
    service_tier: 'default',
    metadata: {},
    safety_identifier: null,
    prompt_cache_key: null,
  };
}
