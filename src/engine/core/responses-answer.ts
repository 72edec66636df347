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

export function responsesWriter(input: ResponsesInput): AnswerWriter {
  const state = {
    sequence: 0,
    output: 0,
    started: false,
    text: undefined as string | undefined,
    calls: [] as JsonObject[],
  };
  let thinking: string | undefined;
  let thought = false;
  let atMs = 0;
  const reasoningId = `rs_${input.responseId}`;

  function event(type: string, data: JsonObject): string {
    return sse(type, { ...data, type, sequence_number: state.sequence++ });
  }
  function response(status: string, output: readonly JsonObject[], usage: JsonObject | null): JsonObject {
    return responseObject(input, { status, output, usage, nowMs: atMs });
  }
  function start(nowMs: number): string {
    atMs = nowMs;
    if (state.started) return '';
    state.started = true;
    const beginning = { response: response('in_progress', [], null) };
    return event('response.created', beginning) + event('response.in_progress', beginning);
  }
  function think(delta: string): string {
    const at = { item_id: reasoningId, output_index: state.output, summary_index: 0 };
    const item = { id: reasoningId, type: 'reasoning', summary: [] };
    const opening =
      thinking === undefined ? event('response.output_item.added', { output_index: state.output, item }) : '';
    thinking = (thinking ?? '') + delta;
    return opening + event('response.reasoning_summary_text.delta', { ...at, delta });
  }
  function endThinking(): string {
    if (thinking === undefined || thought) return '';
    thought = true;
    const at = { item_id: reasoningId, output_index: state.output, summary_index: 0 };
    const done = event('response.reasoning_summary_text.done', { ...at, text: thinking });
    const item = reasoningItem(reasoningId, thinking);
    return done + event('response.output_item.done', { output_index: state.output++, item });
  }
  const where = (): JsonObject => ({ item_id: input.itemId, output_index: state.output, content_index: 0 });
  function write(delta: string): string {
    let opening = '';
    if (state.text === undefined) {
      const item = { ...messageItem(input.itemId, ''), status: 'in_progress', content: [] };
      opening = event('response.output_item.added', { output_index: state.output, item });
      opening += event('response.content_part.added', { ...where(), part: textPart('') });
    }
    state.text = (state.text ?? '') + delta;
    return opening + event('response.output_text.delta', { ...where(), delta, logprobs: [] });
  }
  function endText(): string {
    if (state.text === undefined) return '';
    const done = event('response.output_text.done', { ...where(), text: state.text, logprobs: [] });
    const part = event('response.content_part.done', { ...where(), part: textPart(state.text) });
    const item = messageItem(input.itemId, state.text);
    return done + part + event('response.output_item.done', { output_index: state.output++, item });
  }
  function call(made: ToolCall): string {
    const item = callItem(`fc_${input.responseId}_${state.calls.length}`, made);
    const at = { item_id: item['id'], output_index: state.output };
    const args = item['arguments'];
    state.calls.push(item);
    return (
      event('response.output_item.added', {
        output_index: state.output,
        item: { ...item, status: 'in_progress', arguments: '' },
      }) +
      event('response.function_call_arguments.delta', { ...at, delta: args }) +
      event('response.function_call_arguments.done', { ...at, arguments: args }) +
      event('response.output_item.done', { output_index: state.output++, item })
    );
  }
  function output(): JsonObject[] {
    return [
      ...(thinking === undefined ? [] : [reasoningItem(reasoningId, thinking)]),
      ...(state.text === undefined ? [] : [messageItem(input.itemId, state.text)]),
      ...state.calls,
    ];
  }
  return {
    streamType: 'text/event-stream',
    begin: () => {},
    delta(delta, nowMs) {
      const head = start(nowMs) + (delta.thinking === '' ? '' : think(delta.thinking));
      if (delta.content === '' && delta.toolCalls.length === 0) return head;
      const text = endThinking() + (delta.content === '' ? '' : write(delta.content));
      return head + text + delta.toolCalls.map(call).join('');
    },
    final(final, nowMs) {
      const closing = start(nowMs) + endThinking() + endText();
      const done = { ...response('completed', output(), usageOf(final)), completed_at: seconds(nowMs) };
      return closing + event('response.completed', { response: done });
    },
    whole(delta, final, nowMs) {
      const items = wholeOutput(input, delta);
      const usage = usageOf(final);
      const done = responseObject(input, { status: 'completed', output: items, usage, nowMs });
      return { ...done, completed_at: seconds(nowMs) };
    },
    failure(message) {
      const failed = { ...response('failed', output(), null), error: { code: 'server_error', message } };
      return event('response.failed', { response: failed });
    },
  };
}

function wholeOutput(input: ResponsesInput, delta: Delta): JsonObject[] {
  const thinking = delta.thinking === '' ? [] : [reasoningItem(`rs_${input.responseId}`, delta.thinking)];
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
