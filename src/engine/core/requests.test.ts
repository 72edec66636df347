// Native requests, right and wrong. Never looks at a model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readChat, readEmbed, readGenerate } from './requests.ts';

test('what is left out has the defaults of Ollama', () => {
  const request = readChat({ model: 'm', messages: [{ role: 'User', content: 'hi' }] });
  assert.equal(request.stream, true);
  assert.equal(request.truncate, true);
  assert.equal(request.format, undefined);
  assert.deepEqual(request.messages, [{ role: 'user', content: 'hi' }]);
});

const refusals: readonly [() => unknown, string][] = [
  [
    () => readChat({ model: 1 }),
    'json: cannot unmarshal number into Go struct field ChatRequest.model of type string',
  ],
  [
    () => readChat({ messages: {} }),
    'json: cannot unmarshal object into Go struct field ChatRequest.messages of type []interface {}',
  ],
  [
    () => readChat({ messages: [{ content: [] }] }),
    'json: cannot unmarshal array into Go struct field Message.content of type string',
  ],
  [() => readChat({ top_logprobs: 21 }), 'top_logprobs must be between 0 and 20'],
  [
    () => readChat({ think: 'x' }),
    'invalid think value: "x" (must be "high", "medium", "low", "max", true, or false)',
  ],
  [() => readGenerate({ raw: true, system: 'x' }), 'raw mode does not support template, system, or context'],
  [
    () => readGenerate({ format: 'xml' }),
    'invalid format: "xml"; expected "json" or a valid JSON Schema object',
  ],
  [
    () => readGenerate({ context: ['a'] }),
    'json: cannot unmarshal string into Go struct field GenerateRequest.context of type int',
  ],
  [() => readEmbed({ input: 5 }), 'invalid input type'],
];

test('wrong fields are refused with status 400 and the words of Ollama', () => {
  for (const [read, message] of refusals) assert.throws(read, { status: 400, message });
});

test('an embedding input is one text or several; the empty one is none', () => {
  assert.deepEqual(readEmbed({ input: 'a' }).input, ['a']);
  assert.deepEqual(readEmbed({ input: ['a', ''] }).input, ['a', '']);
  assert.deepEqual(readEmbed({ input: '' }).input, []);
});

test('format null and "" mean none', () => {
  assert.equal(readGenerate({ format: null }).format, undefined);
  assert.equal(readGenerate({ format: '' }).format, undefined);
  assert.equal(readGenerate({ format: 'json' }).format, 'json');
});
