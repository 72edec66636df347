// Inference requests against tables: the parser differential, types, intents, edits by splicing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BigoError } from '../../../api/errors.ts';
import { applyEdits, modelEdit, parseInference } from './parse.ts';
import { ROUTES } from './routes.ts';
import { createScanner } from './scan.ts';
import type { InferenceRequest, Route } from './types.ts';

function routeOf(id: string): Route {
  const route = ROUTES.find(candidate => candidate.id === id);
  assert.ok(route);
  return route;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (id: string, body: unknown): InferenceRequest | BigoError =>
  parseInference(routeOf(id), encode(typeof body === 'string' ? body : JSON.stringify(body)));

function read(id: string, body: unknown): InferenceRequest {
  const request = parse(id, body);
  assert.ok(!(request instanceof BigoError), JSON.stringify(request));
  return request;
}

function refusal(id: string, body: unknown): BigoError {
  const error = parse(id, body);
  assert.ok(error instanceof BigoError, JSON.stringify(error));
  return error;
}

const messages = [{ role: 'user', content: 'Hello' }];

// Go folds case and takes the last key: each of these would run another model than a naive reader sees.
const ambiguous = [
  '{"model":"allowed","model":"forbidden"}',
  '{"model":"allowed","MODEL":"forbidden"}',
  '{"MODEL":"forbidden"}',
  '{"Model":"m"}',
  '{"model":"allowed","\\u006dodel":"forbidden"}',
  '{"\\u004dodel":"forbidden"}',
  '{"model":"m","\\u017ftream":false}',
  '{"model":"m","\u017ftream":false}',
  '{"model":"m","STREAM":false}',
  '{"model":"m","stream":true,"stream":false}',
  '{"model":"m","\u212aeep_alive":0}',
  '{"model":"m","\\u212aEEP_ALIVE":0}',
  '{"model":"m","Options":{"num_ctx":9}}',
  '{"model":"m","options":{},"options":{}}',
  '{"model":"m","option\u017f":{}}',
  '{"model":"m","NAME":"n"}',
  '{"model":"m","\u017fource":"n"}',
  '{"model":"m","Destination":"n"}',
  '{"model":"m","From":"n"}',
  '{"model":"m","x":{"model":"inner"},"moDel":"n"}',
];
for (const body of ambiguous) {
  test(`two readings are refused: ${body}`, () => {
    assert.equal(refusal('chat', body).code, 'ambiguous_key');
  });
}

const harmless = [
  '{"model":"m","models":"other"}',
  '{"model":"m","x":{"MODEL":"n","model":"o"}}',
  '{"model":"m","mode\\u00f6":1,"m\u00f6del":2}',
  '{"\\u006dodel":"m"}',
  '{"model":"m","unknown":[{"model":1}],"":0}',
  ' \n{ "model" : "m" , "x" : "\\"model\\":\\"y\\"" }\r\n',
  '{"model":"\\u006d"}',
];
for (const body of harmless) {
  test(`only one reading: ${body}`, () => {
    assert.equal(read('chat', body).model, 'm');
  });
}

const wrong: readonly [string, string, string, string][] = [
  ['chat', '', 'bad_json', 'empty'],
  ['chat', '[]', 'bad_json', 'object'],
  ['chat', '{"model":1}', 'bad_request', '`model` must be a string'],
  ['chat', '{"model":{}}', 'bad_request', '`model`'],
  ['chat', '{}', 'missing_model', '`model`'],
  ['chat', '{"model":""}', 'missing_model', '`model`'],
  ['chat', '{"model":null}', 'missing_model', '`model`'],
  ['chat', '{"name":"m"}', 'missing_model', '`model`'],
  ['chat', '{"model":"a b"}', 'invalid_model_name', 'a b'],
  ['chat', '{"model":"../../etc/passwd"}', 'invalid_model_name', 'passwd'],
  ['chat', `{"model":"${'a'.repeat(5000)}"}`, 'invalid_model_name', 'too long'],
  ['chat', '{"model":"m","stream":"true"}', 'bad_request', '`stream`'],
  ['chat', '{"model":"m","stream":1}', 'bad_request', '`stream`'],
  ['chat', '{"model":"m","options":[]}', 'bad_request', '`options` must be an object'],
  ['chat', '{"model":"m","options":{"num_ctx":"8k"}}', 'bad_request', '`options.num_ctx`'],
  ['chat', '{"model":"m","options":{"num_ctx":1e999}}', 'bad_request', '`options.num_ctx`'],
  ['chat', '{"model":"m","options":{"use_mmap":1}}', 'bad_request', '`options.use_mmap`'],
  ['chat', '{"model":"m","keep_alive":true}', 'bad_request', '`keep_alive`'],
  ['chat', '{"model":"m","keep_alive":"soon"}', 'bad_request', '`keep_alive`'],
  ['chat', '{"model":"m","keep_alive":""}', 'bad_request', '`keep_alive`'],
  ['chat', '{"model":"m","messages":"hi"}', 'bad_request', '`messages` must be an array'],
  ['generate', '{"model":"m","prompt":["hi"]}', 'bad_request', '`prompt` must be a string'],
  [
    'v1_chat_completions',
    '{"model":"m","stream":true,"stream_options":1}',
    'bad_request',
    '`stream_options`',
  ],
  [
    'v1_chat_completions',
    '{"model":"m","stream":true,"stream_options":{"include_usage":"yes"}}',
    'bad_request',
    'include_usage',
  ],
];
for (const [id, body, code, word] of wrong) {
  test(`${id} refuses ${body.slice(0, 60)} as ${code}`, () => {
    const error = refusal(id, body);
    assert.equal(error.code, code);
    assert.ok(error.message.includes(word), error.message);
  });
}

test('a native request streams unless it says no, a /v1 request only if it says yes', () => {
  for (const [id, byDefault] of [
    ['chat', true],
    ['generate', true],
    ['v1_chat_completions', false],
    ['v1_messages', false],
    ['v1_responses', false],
  ] as const) {
    assert.equal(read(id, { model: 'm', prompt: 'x', messages }).stream, byDefault, id);
    assert.equal(read(id, { model: 'm', prompt: 'x', messages, stream: null }).stream, byDefault, id);
    assert.equal(read(id, { model: 'm', prompt: 'x', messages, stream: true }).stream, true, id);
    assert.equal(read(id, { model: 'm', prompt: 'x', messages, stream: false }).stream, false, id);
  }
  assert.equal(read('embed', { model: 'm', input: 'x', stream: true }).stream, false);
  assert.equal(read('chat', { model: 'm', stream: true }).stream, false, 'a load is not streamed');
});

const intents: readonly [string, string, string][] = [
  ['chat', '{"model":"m"}', 'load'],
  ['chat', '{"model":"m","messages":[]}', 'load'],
  ['chat', '{"model":"m","messages":[ \\n ],"keep_alive":-1}', 'load'],
  ['chat', '{"model":"m","messages":null,"keep_alive":0}', 'unload'],
  ['chat', '{"model":"m","messages":[{}],"keep_alive":0}', 'none'],
  ['chat', '{"model":"m","Messages":[{}]}', 'none'],
  ['generate', '{"model":"m"}', 'load'],
  ['generate', '{"model":"m","prompt":"","keep_alive":"5m"}', 'load'],
  ['generate', '{"model":"m","prompt":" "}', 'none'],
  ['generate', '{"model":"m","prompt":"","keep_alive":0}', 'unload'],
  ['generate', '{"model":"m","keep_alive":0.0}', 'unload'],
  ['generate', '{"model":"m","keep_alive":-0}', 'unload'],
  ['generate', '{"model":"m","keep_alive":1e-12}', 'unload'],
  ['generate', '{"model":"m","keep_alive":"0"}', 'unload'],
  ['generate', '{"model":"m","keep_alive":"0s"}', 'unload'],
  ['generate', '{"model":"m","keep_alive":"-0h0m0.0s"}', 'unload'],
  ['generate', '{"model":"m","keep_alive":"0.4ns"}', 'unload'],
  ['generate', '{"model":"m","keep_alive":"\\u0030"}', 'unload'],
  ['generate', '{"model":"m","keep_alive":"1ms"}', 'load'],
  ['generate', '{"model":"m","keep_alive":"-1"}', 'error'],
  ['generate', '{"model":"m","keep_alive":null}', 'load'],
  ['generate', '{"model":"m","prompt":"x","keep_alive":0}', 'none'],
  ['embed', '{"model":"m"}', 'load'],
  ['embed', '{"model":"m","input":["a"]}', 'none'],
  ['v1_chat_completions', '{"model":"m","messages":[],"keep_alive":0}', 'none'],
];
for (const [id, body, intent] of intents) {
  test(`${id} ${body} means ${intent}`, () => {
    const request = parse(id, body.replaceAll('\\n', '\n'));
    assert.equal(request instanceof BigoError ? 'error' : request.intent, intent);
  });
}

test('options that reload a runner are read as Ollama reads them', () => {
  const options = {
    num_ctx: 2048.9,
    num_batch: null,
    main_gpu: 0,
    use_mmap: false,
    temperature: 2,
    NUM_GPU: 1,
    num_thread: -1,
  };
  assert.deepEqual(read('chat', { model: 'm', options }).options, {
    num_ctx: 2048,
    main_gpu: 0,
    use_mmap: false,
    num_thread: -1,
  });
  assert.deepEqual(read('chat', '{"model":"m","options":{"num_ctx":1,"num_ctx":2}}').options, { num_ctx: 2 });
  assert.deepEqual(read('v1_chat_completions', { model: 'm', options: { num_ctx: 1 } }).options, {});
});

const wish = '{"include_usage":true}';
const usage: readonly [string, string | undefined][] = [
  ['{"model":"m","stream":true}', `{"model":"m","stream":true,"stream_options":${wish}}`],
  ['{"stream":true , "model":"m"}', `{"stream":true,"stream_options":${wish} , "model":"m"}`],
  [
    '{"model":"m","stream":true,"stream_options":null}',
    `{"model":"m","stream":true,"stream_options":${wish}}`,
  ],
  ['{"model":"m","stream":true,"stream_options":{}}', `{"model":"m","stream":true,"stream_options":${wish}}`],
  [
    '{"stream_options":{"a":1},"stream":true,"model":"m"}',
    '{"stream_options":{"include_usage":true,"a":1},"stream":true,"model":"m"}',
  ],
  [
    '{"stream_options":{"include_usage":false},"stream":true,"model":"m"}',
    `{"stream_options":${wish},"stream":true,"model":"m"}`,
  ],
  [`{"stream_options":${wish},"stream":true,"model":"m"}`, undefined],
  ['{"stream_options":{"Include_Usage":false},"stream":true,"model":"m"}', undefined],
  ['{"Stream_Options":{},"stream":true,"model":"m"}', undefined],
  ['{"model":"m","stream":false}', undefined],
];
for (const [body, edited] of usage) {
  test(`usage of ${body} ${edited === undefined ? 'is told as asked' : 'is asked for by splicing'}`, () => {
    const request = read('v1_chat_completions', body);
    assert.equal(request.usageAsked, edited === undefined);
    const result = new TextDecoder().decode(applyEdits(encode(body), request.usageEdits));
    assert.equal(result, edited ?? body);
  });
}

test('another model is put in place of the named one, every other byte stays', () => {
  const body = '{ "x": "\\"model\\"", "model"\t: "f\\u0061st" ,"stream":true, "é": 1e1 }';
  const request = read('v1_chat_completions', body);
  assert.equal(request.model, 'fast');
  const edited = applyEdits(encode(body), [...request.usageEdits, modelEdit(request, 'llama3.2:1b')]);
  assert.equal(
    new TextDecoder().decode(edited),
    `{ "x": "\\"model\\"", "model"\t: "llama3.2:1b" ,"stream":true,"stream_options":${wish}, "é": 1e1 }`,
  );
});

test('without edits the body itself is sent on', () => {
  const body = encode('{"model":"m"}');
  assert.equal(applyEdits(body, []), body);
});

test('the next turn of a conversation shares its marks with the turn before', () => {
  const turn = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hi' },
  ];
  const later = [...turn, { role: 'assistant', content: 'Yes?' }, { role: 'user', content: 'Bye' }];
  const first = read('chat', { model: 'm', messages: turn }).prefix;
  const second = read('chat', { options: {}, messages: later, model: 'm' }).prefix;
  assert.equal(first.length, 2);
  assert.deepEqual(second.slice(0, 2), first);
  const other = read('chat', { model: 'm', messages: [{ role: 'system', content: 'Be long.' }] }).prefix;
  assert.notEqual(other[0]?.hash, first[0]?.hash);
});

test('other tools or another system text make another conversation, wherever they stand in the body', () => {
  const before = read('v1_messages', { model: 'm', system: 'A', messages }).prefix;
  const after = read('v1_messages', { messages, model: 'm', system: 'A' }).prefix;
  const changed = read('v1_messages', { model: 'm', system: 'B', messages }).prefix;
  assert.deepEqual(after, before);
  assert.equal(before.length, 2);
  for (const [index, mark] of changed.entries()) assert.notEqual(mark.hash, before[index]?.hash);
});

test('a long prompt has marks inside, a long conversation at most 32, ends included', () => {
  const prompt = 'word '.repeat(2000);
  const marks = read('generate', { model: 'm', prompt }).prefix;
  assert.deepEqual(
    marks.map(mark => mark.bytes),
    [512, 1024, 2048, 4096, 8192, prompt.length + 1],
  );
  const longer = read('generate', { model: 'm', prompt: `${prompt}more` }).prefix;
  assert.equal(longer.at(-2)?.hash, marks.at(-2)?.hash);
  const many = Array.from({ length: 100 }, (_, index) => ({ role: 'user', content: `${index}` }));
  const chat = read('chat', { model: 'm', tools: [{}], messages: many }).prefix;
  const next = read('chat', { model: 'm', tools: [{}], messages: [...many, ...messages] }).prefix;
  assert.equal(chat.length, 32);
  assert.ok(next.some(mark => mark.hash === chat.at(-1)?.hash));
  assert.ok(chat.every((mark, index) => index === 0 || mark.bytes > (chat[index - 1]?.bytes ?? 0)));
});

test('a picture counts by its hash, not by its bytes', () => {
  const withPicture = (picture: string): InferenceRequest =>
    read('chat', { model: 'm', messages: [{ role: 'user', content: 'What is it?', images: [picture] }] });
  const one = withPicture('A'.repeat(100_000));
  const two = withPicture('B'.repeat(100_000));
  assert.ok(one.promptBytes < 200);
  assert.notEqual(one.prefix[0]?.hash, two.prefix[0]?.hash);
});

test('a body that was scanned in pieces is read from that scan', () => {
  const body = encode(JSON.stringify({ model: 'm', messages, options: { num_ctx: 5 } }));
  const scanner = createScanner();
  for (const byte of body) scanner.push(Uint8Array.of(byte));
  assert.deepEqual(
    parseInference(routeOf('chat'), body, '', scanner.end()),
    parseInference(routeOf('chat'), body),
  );
});

test('a form on a JSON route is refused with 415, any other content type is read as JSON', () => {
  const body = encode('{"model":"m"}');
  const refused = parseInference(routeOf('chat'), body, 'multipart/form-data; boundary=x');
  assert.ok(refused instanceof BigoError && refused.status === 415);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
    assert.ok(!(parseInference(routeOf('chat'), body, type) instanceof BigoError));
  }
});

test('an object inside the body that is too large to be read at once is refused, and never read as empty', () => {
  const many = Object.fromEntries(Array.from({ length: 1025 }, (_, index) => [`k${index}`, 1]));
  const wide = { stop: Array.from({ length: 100_000 }, () => 'a') };
  for (const options of [many, wide]) {
    assert.match(refusal('chat', { model: 'm', messages, options }).message, /`options` must be/);
  }
  const stream = { model: 'm', messages, stream: true, stream_options: many };
  assert.match(refusal('v1_chat_completions', stream).message, /`stream_options` must be/);
});
