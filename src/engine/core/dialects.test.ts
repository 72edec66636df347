// OpenAI and Anthropic requests as native ones. Never answers them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAnthropic } from './anthropic-request.ts';
import { readOpenAiChat, readOpenAiCompletion, readOpenAiEmbed } from './openai-request.ts';
import { readResponses } from './responses-request.ts';

test('OpenAI leaves temperature and top_p at 1 where Ollama has other defaults', () => {
  const { options } = readOpenAiChat({
    model: 'm',
    messages: [{ role: 'user', content: 'hi' }],
    max_tokens: 5,
    stop: 'x',
  });
  assert.equal(options['temperature'], 1);
  assert.equal(options['top_p'], 1);
  assert.equal(options['num_predict'], 5);
  assert.deepEqual(options['stop'], ['x']);
});

test('the parts of an OpenAI message become messages of their own; images are seen', () => {
  const content = [
    { type: 'text', text: 'a' },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } },
  ];
  const { messages } = readOpenAiChat({ messages: [{ role: 'user', content }] });
  assert.deepEqual(messages, [
    { role: 'user', content: 'a' },
    { role: 'user', content: '', images: 1 },
  ]);
  const remote = [{ type: 'image_url', image_url: 'https://example.com/x.png' }];
  assert.throws(() => readOpenAiChat({ messages: [{ role: 'user', content: remote }] }), {
    status: 400,
    message: /image URLs are not/,
  });
});

test('a tool message is named after the call that it answers', () => {
  const { messages } = readOpenAiChat({
    messages: [
      { role: 'assistant', tool_calls: [{ id: 'c1', function: { name: 'f', arguments: '{"a":1}' } }] },
      { role: 'tool', tool_call_id: 'c1', content: '2' },
    ],
  });
  assert.deepEqual(messages[0]?.toolCalls, [{ id: 'c1', name: 'f', arguments: { a: 1 } }]);
  assert.equal(messages[1]?.toolName, 'f');
});

test('OpenAI structured output is a schema or any JSON', () => {
  const read = (response_format: object) =>
    readOpenAiChat({ messages: [{ role: 'user', content: 'a' }], response_format }).format;
  assert.equal(read({ type: 'json_object' }), 'json');
  assert.deepEqual(read({ type: 'json_schema', json_schema: { name: 'x', schema: { type: 'string' } } }), {
    type: 'string',
  });
  assert.equal(read({ type: 'text' }), undefined);
});

test('what OpenAI requests lack is said', () => {
  assert.throws(() => readOpenAiChat({ model: 'm' }), { message: "[] is too short - 'messages'" });
  assert.throws(() => readOpenAiChat({ messages: [{ role: 'user' }] }), {
    message: 'invalid message content type: <nil>',
  });
  assert.throws(() => readOpenAiEmbed({ input: [] }), { message: 'invalid input' });
  assert.throws(() => readOpenAiEmbed({ input: 'a', encoding_format: 'hex' }), {
    message: /^Invalid value for 'encoding_format' = hex/,
  });
  assert.equal(readOpenAiCompletion({ logprobs: 3 }).topLogprobs, 3);
});

test('Anthropic system texts, tool results and tool uses become native messages', () => {
  const { messages, options } = readAnthropic({
    model: 'm',
    max_tokens: 9,
    system: [
      { type: 'text', text: 'be ' },
      { type: 'text', text: 'brief' },
    ],
    messages: [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'f', input: { a: 1 } }] },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'so?' },
          { type: 'tool_result', tool_use_id: 't1', content: '2' },
        ],
      },
    ],
  });
  assert.deepEqual(
    messages.map(message => [message.role, message.content]),
    [
      ['system', 'be brief'],
      ['user', 'hi'],
      ['assistant', ''],
      ['tool', '2'],
      ['user', 'so?'],
    ],
  );
  assert.equal(options['num_predict'], 9);
});

test('what Anthropic requests lack is said', () => {
  const base = { model: 'm', max_tokens: 1, messages: [{ role: 'user', content: 'a' }] };
  assert.throws(() => readAnthropic({ ...base, model: '' }), { message: 'model is required' });
  assert.throws(() => readAnthropic({ ...base, max_tokens: 0 }), {
    message: 'max_tokens is required and must be positive',
  });
  assert.throws(() => readAnthropic({ ...base, messages: [] }), { message: 'messages is required' });
});

test('a Responses input is a text or items; calls join the assistant message before them', () => {
  const { chat } = readResponses({
    model: 'm',
    instructions: 'brief',
    input: [
      { role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
      { type: 'message', role: 'assistant', content: 'let me see' },
      { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c1', output: '2' },
    ],
  });
  assert.deepEqual(
    chat.messages.map(message => message.role),
    ['system', 'user', 'assistant', 'tool'],
  );
  assert.equal(chat.messages[2]?.toolCalls?.[0]?.name, 'f');
  assert.throws(() => readResponses({ input: [{ type: 'strange' }] }), {
    message: 'input[0]: unknown input item type: "strange"',
  });
});
