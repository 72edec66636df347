// Every dialect's answers, from the same pieces. Never runs a model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnthropicWriter, anthropicError } from './anthropic-answer.ts';
import type { AnswerWriter, Delta, Final } from './answer.ts';
import { nativeWriter } from './native-answer.ts';
import { openAiChatWriter, openAiCompletionWriter, openAiError } from './openai-answer.ts';
import { ResponsesWriter } from './responses-answer.ts';
import { readResponses } from './responses-request.ts';

const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const text = (content: string): Delta => ({ content, thinking: '', toolCalls: [], logprobs: [] });
const thought = (thinking: string): Delta => ({ ...text(''), thinking });
const call: Delta = { ...text(''), toolCalls: [{ id: 'call_1', name: 'f', arguments: { a: 1 } }] };
const final: Final = {
  doneReason: 'stop',
  metrics: { totalMs: 10, loadMs: 1, promptTokens: 5, promptMs: 2, tokens: 3, evalMs: 4 },
  context: undefined,
};

function events(writer: AnswerWriter, deltas: readonly Delta[]): Record<string, unknown>[] {
  writer.begin(5);
  const out = deltas.map(delta => writer.delta(delta, nowMs)).join('') + writer.final(final, nowMs);
  return [...out.matchAll(/^data: (\{.*)$/gm)].map(
    match => JSON.parse(match[1] ?? '') as Record<string, unknown>,
  );
}

test('a native chat is lines of JSON, and the last one counts in nanoseconds', () => {
  const writer = nativeWriter('chat', 'a"b');
  assert.equal(
    writer.delta(text('é\n'), nowMs),
    '{"model":"a\\"b","created_at":"2026-01-02T03:04:05.678Z","message":{"role":"assistant","content":"é\\n"},"done":false}\n',
  );
  assert.deepEqual(JSON.parse(writer.final(final, nowMs)), {
    model: 'a"b',
    created_at: '2026-01-02T03:04:05.678Z',
    message: { role: 'assistant', content: '' },
    done: true,
    done_reason: 'stop',
    total_duration: 10_000_000,
    load_duration: 1_000_000,
    prompt_eval_count: 5,
    prompt_eval_duration: 2_000_000,
    eval_count: 3,
    eval_duration: 4_000_000,
  });
  assert.deepEqual(JSON.parse(writer.failure('no')), { error: 'no' });
});

test('native tool calls are numbered over the whole answer', () => {
  const writer = nativeWriter('chat', 'm');
  const index = (line: string): unknown =>
    (JSON.parse(line) as { message: { tool_calls: { function: { index: number } }[] } }).message.tool_calls[0]
      ?.function.index;
  assert.deepEqual([index(writer.delta(call, nowMs)), index(writer.delta(call, nowMs))], [0, 1]);
});

test('loading and unloading have a reason and no counts', () => {
  const bare: Final = { doneReason: 'load', metrics: undefined, context: undefined };
  assert.deepEqual(nativeWriter('generate', 'm').whole(text(''), bare, nowMs), {
    model: 'm',
    created_at: '2026-01-02T03:04:05.678Z',
    response: '',
    done: true,
    done_reason: 'load',
  });
});

test('an OpenAI stream ends with its reason, usage when asked for, and [DONE]', () => {
  const writer = openAiChatWriter({ model: 'm', id: 'chatcmpl-1', includeUsage: true });
  const found = events(writer, [thought('hm'), text('hi'), call]);
  const choices = found.map(
    event => (event['choices'] as { delta: Record<string, unknown>; finish_reason: unknown }[])[0],
  );
  assert.equal(choices[0]?.delta['reasoning'], 'hm');
  assert.equal(choices[1]?.delta['content'], 'hi');
  assert.equal(choices[3]?.finish_reason, 'tool_calls');
  assert.deepEqual(found.at(-1)?.['usage'], { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 });
  assert.ok(writer.final(final, nowMs).endsWith('data: [DONE]\n\n'));
  assert.ok(!writer.failure('x').includes('[DONE]'), 'a failure never looks complete');
});

test('an OpenAI completion has text, not messages', () => {
  const writer = openAiCompletionWriter({ model: 'm', id: 'cmpl-1', includeUsage: false });
  assert.deepEqual(
    events(writer, [text('a')]).map(event => (event['choices'] as { text: string }[])[0]?.text),
    ['a', ''],
  );
  assert.deepEqual(writer.whole(text('ab'), final, nowMs)['choices'], [
    { text: 'ab', index: 0, finish_reason: 'stop' },
  ]);
});

test('Anthropic blocks open and close in order, and thinking comes apart', () => {
  const found = events(new AnthropicWriter({ model: 'm', id: 'msg_1' }), [
    thought('hm'),
    text('a'),
    text('b'),
    call,
  ]);
  assert.deepEqual(
    found.map(event => `${String(event['type'])} ${Number(event['index'] ?? -1)}`.replace(' -1', '')),
    [
      'message_start',
      'content_block_start 0',
      'content_block_delta 0',
      'content_block_stop 0',
      'content_block_start 1',
      'content_block_delta 1',
      'content_block_delta 1',
      'content_block_stop 1',
      'content_block_start 2',
      'content_block_delta 2',
      'content_block_stop 2',
      'message_delta',
      'message_stop',
    ],
  );
  assert.deepEqual(found.at(-2)?.['delta'], { stop_reason: 'tool_use', stop_sequence: null });
  const begun = found[0]?.['message'] as { usage: object } | undefined;
  assert.deepEqual(begun?.usage, { input_tokens: 5, output_tokens: 0 });
});

test('an Anthropic answer without a token still begins and ends', () => {
  const types = events(new AnthropicWriter({ model: 'm', id: 'msg_1' }), []).map(event => event['type']);
  assert.deepEqual(types, ['message_start', 'message_delta', 'message_stop']);
});

test('the events of /v1/responses are numbered without a gap and end completed', () => {
  const { echo } = readResponses({ model: 'm', input: 'hi', instructions: 'be brief' });
  const writer = new ResponsesWriter({ model: 'm', echo, responseId: 'resp_1', itemId: 'msg_1' });
  const found = events(writer, [thought('hm'), text('a'), text('b')]);
  assert.deepEqual(
    found.map(event => event['sequence_number']),
    found.map((_, at) => at),
  );
  assert.deepEqual(
    found.map(event => event['type']),
    [
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.reasoning_summary_text.delta',
      'response.reasoning_summary_text.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ],
  );
  const done = found.at(-1)?.['response'] as {
    output: { type: string }[];
    instructions: string;
    usage: object;
  };
  assert.deepEqual(
    done.output.map(item => item.type),
    ['reasoning', 'message'],
  );
  assert.equal(done.instructions, 'be brief');
});

test('errors have the shape of their dialect', () => {
  assert.deepEqual(openAiError(404, 'm').error, {
    message: 'm',
    type: 'not_found_error',
    param: null,
    code: null,
  });
  assert.deepEqual(anthropicError('req_1')(503, 'busy'), {
    type: 'error',
    error: { type: 'overloaded_error', message: 'busy' },
    request_id: 'req_1',
  });
});
