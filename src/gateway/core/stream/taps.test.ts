// Taps against recorded streams of real Ollama, cut 100,000 ways, and at every position of short ones.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { StreamShape } from '../request/types.ts';
import { createUsageStripper } from './strip.ts';
import { createTap } from './taps.ts';
import type { TapReport } from './types.ts';
import { readWhole, usageOfJson } from './usage.ts';

const folder = new URL('../../../../test/recordings/', import.meta.url);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const recording = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)));

function shapeOf(name: string): StreamShape {
  if (name.endsWith('-whole.txt') || name === 'ollama-load.txt') return 'json';
  if (name === 'ollama-create.txt' || name === 'ollama-pull-error.txt') return 'status_ndjson';
  if (name.startsWith('ollama')) return 'ollama_ndjson';
  if (name.startsWith('responses')) return 'responses_sse';
  return name.startsWith('anthropic') ? 'anthropic_sse' : 'openai_sse';
}

function report(shape: StreamShape, ...chunks: readonly (string | Uint8Array)[]): TapReport {
  const tap = createTap(shape);
  for (const chunk of chunks) tap.push(typeof chunk === 'string' ? encode(chunk) : chunk);
  return tap.report();
}

interface Told {
  readonly end: boolean;
  readonly prompt?: number;
  readonly tokens?: number;
  readonly error?: string;
}

/** What real Ollama 0.24 told in each recorded stream. */
const told: Readonly<Record<string, Told>> = {
  'anthropic.txt': { end: true, prompt: 34, tokens: 19 },
  'anthropic-cut.txt': { end: false, prompt: 5, tokens: 0 },
  'anthropic-tools.txt': { end: true, prompt: 169, tokens: 18 },
  'anthropic-whole.txt': { end: true, prompt: 34, tokens: 10 },
  'ollama-chat.txt': { end: true, prompt: 34, tokens: 19 },
  'ollama-chat-error.txt': {
    end: false,
    error: 'an error was encountered while running the model: unexpected EOF',
  },
  'ollama-chat-logprobs.txt': { end: true, prompt: 34, tokens: 8 },
  'ollama-chat-tools.txt': { end: true, prompt: 169, tokens: 18 },
  'ollama-chat-whole.txt': { end: true, prompt: 34, tokens: 19 },
  'ollama-create.txt': { end: true },
  'ollama-embed-whole.txt': { end: true, prompt: 1 },
  'ollama-generate.txt': { end: true, prompt: 15, tokens: 30 },
  'ollama-load.txt': { end: true },
  'ollama-pull-error.txt': {
    end: false,
    error:
      'pull model manifest: Get "http://127.0.0.1:9/v2/library/none/manifests/latest": dial tcp 127.0.0.1:9: connect: connection refused',
  },
  'openai-chat.txt': { end: true },
  'openai-chat-cut.txt': { end: false },
  'openai-chat-tools.txt': { end: true, prompt: 169, tokens: 18 },
  'openai-chat-usage.txt': { end: true, prompt: 34, tokens: 19 },
  'openai-chat-whole.txt': { end: true, prompt: 34, tokens: 20 },
  'openai-completions.txt': { end: true },
  'openai-completions-usage.txt': { end: true, prompt: 14, tokens: 20 },
  'responses.txt': { end: true, prompt: 34, tokens: 30 },
  'responses-tools.txt': { end: true, prompt: 169, tokens: 18 },
  'responses-whole.txt': { end: true, prompt: 10, tokens: 10 },
};
const names = readdirSync(folder).filter(name => name.endsWith('.txt'));

test('every recording is in the table', () => {
  assert.deepEqual(names.toSorted(), Object.keys(told).toSorted());
});

for (const [name, expected] of Object.entries(told)) {
  test(`${name}: end, error and usage are read`, () => {
    const found = report(shapeOf(name), recording(name));
    assert.equal(found.terminated, expected.end);
    assert.equal(found.error, expected.error);
    assert.equal(found.usage.promptTokens, expected.prompt);
    assert.equal(found.usage.completionTokens, expected.tokens);
    assert.equal(found.bytes, recording(name).length);
  });
}

test('the final native line tells its times in milliseconds', () => {
  assert.deepEqual(report('ollama_ndjson', recording('ollama-generate.txt')).usage, {
    promptTokens: 15,
    completionTokens: 30,
    totalMs: 475.462747,
    loadMs: 62.130913,
    promptMs: 82.944313,
    evalMs: 315.579976,
  });
});

/** Small, fast, seeded: a failing seed is printed and replays. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

interface Stream {
  readonly shape: StreamShape;
  readonly bytes: Uint8Array;
  readonly whole: string;
  readonly stripped: string;
}

function throughStripper(chunks: readonly Uint8Array[]): string {
  const stripper = createUsageStripper();
  const parts = chunks.flatMap(chunk => [...stripper.push(chunk)]);
  return Buffer.concat([...parts, ...stripper.end()]).toString('latin1');
}

function streamOf(shape: StreamShape, bytes: Uint8Array): Stream {
  const stripped = shape === 'openai_sse' ? throughStripper([bytes]) : '';
  return { shape, bytes, whole: JSON.stringify(report(shape, bytes)), stripped };
}

/** Each recording as it is, with characters of 2 to 4 bytes in its texts, and the event streams with CRLF. */
function variants(): Stream[] {
  return names.flatMap(name => {
    const text = Buffer.from(recording(name)).toString();
    const wide = text.replaceAll(/"(content|response|text)":"/g, '"$1":"é☕🥐 \\"done\\":true [DONE] ');
    const texts = name.startsWith('ollama') ? [text, wide] : [text, wide, wide.replaceAll('\n', '\r\n')];
    return texts.map(each => streamOf(shapeOf(name), encode(each)));
  });
}

function cut(bytes: Uint8Array, next: () => number): Uint8Array[] {
  // Mostly as networks cut, now and then into single bytes.
  const sizeMax = [65_536, 4000, 1000, 500, 200, 100, 40, 1][Math.floor(next() ** 2 * 8)] ?? 1;
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = 1 + Math.floor(next() * sizeMax);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

test('100,000 ways to cut the streams give the same end, error, usage and stripped bytes', () => {
  const seed = Math.floor(Number(process.env['BIGO_TEST_SEED'] ?? 20261121));
  const next = randoms(seed);
  const streams = variants();
  for (let run = 0; run < 100_000; run++) {
    const { shape, bytes, whole, stripped } = streams[run % streams.length] as Stream;
    const chunks = cut(bytes, next);
    const told = `seed ${seed}, run ${run}, ${shape}`;
    assert.equal(JSON.stringify(report(shape, ...chunks)), whole, told);
    if (shape === 'openai_sse' && run % 8 === 0) assert.equal(throughStripper(chunks), stripped, told);
  }
});

for (const name of names.filter(name => told[name]?.end)) {
  test(`${name} cut anywhere is not complete`, () => {
    const bytes = recording(name);
    const tap = createTap(shapeOf(name));
    const step = bytes.length > 5000 ? 7 : 1;
    // Whole JSON answers of /v1 end in a line end that belongs to no value.
    const last = shapeOf(name) === 'json' ? Buffer.from(bytes).lastIndexOf('}') : bytes.length - 1;
    for (let at = 0; at < last; at += step) {
      assert.equal(tap.report().terminated, false, `after ${at} bytes`);
      tap.push(bytes.subarray(at, Math.min(at + step, last)));
    }
    assert.equal(tap.report().terminated, false);
    tap.push(bytes.subarray(last));
    assert.equal(tap.report().terminated, true);
  });
}

test('a line of 8 MB is read in any pieces, its usage included', () => {
  const context = Array.from({ length: 1_400_000 }, (_, index) => index % 90_000).join(',');
  const line = encode(
    `{"model":"m","done":true,"done_reason":"stop","context":[${context}],"total_duration":9000000,"prompt_eval_count":7,"eval_count":5}\n`,
  );
  assert.ok(line.length > 8_000_000);
  const tap = createTap('ollama_ndjson');
  for (let at = 0; at < line.length; at += 65_537) {
    assert.equal(tap.report().terminated, false);
    tap.push(line.subarray(at, at + 65_537));
  }
  assert.equal(tap.report().terminated, true);
  assert.deepEqual(tap.report().usage, { promptTokens: 7, completionTokens: 5, totalMs: 9 });
});

test('usage before a long context is read as well', () => {
  const context = '1,'.repeat(200_000);
  const found = report(
    'ollama_ndjson',
    `{"eval_count":3,"prompt_eval_count":2,"done":true,"context":[${context}1]}\n`,
  );
  assert.equal(found.terminated, true);
  assert.deepEqual(found.usage, { promptTokens: 2, completionTokens: 3 });
});

const notTheEnd: readonly [StreamShape, string][] = [
  ['ollama_ndjson', '{"done":false}\n'],
  ['ollama_ndjson', '{"message":{"done":true},"done":false}\n'],
  ['ollama_ndjson', '{"message":{"tool_calls":[{"function":{"arguments":{"done":true}}}]},"done":false}\n'],
  ['ollama_ndjson', '{"response":"\\"done\\":true","done":false}\n'],
  ['ollama_ndjson', '{"response":"{\\"done\\":true}\\n"}\n'],
  ['ollama_ndjson', '["done",true]\n'],
  ['ollama_ndjson', '{"done":"true"}\n'],
  ['ollama_ndjson', '{"done":true\n'],
  ['ollama_ndjson', '{"status":"success"}\n'],
  ['status_ndjson', '{"status":"pulling success"}\n'],
  ['status_ndjson', '{"detail":{"status":"success"}}\n'],
  ['status_ndjson', '{"done":true}\n'],
  ['openai_sse', 'data: {"choices":[{"delta":{"content":"[DONE]"}}]}\n\n'],
  ['openai_sse', 'data: "[DONE]"\n\n'],
  ['openai_sse', 'data: [DONE]x\n\n'],
  ['openai_sse', ': [DONE]\n\n'],
  ['openai_sse', 'event: [DONE]\n\n'],
  ['openai_sse', 'xdata: [DONE]\n\n'],
  ['openai_sse', 'data: [DONE]\n'],
  ['openai_sse', 'data: [DONE]'],
  ['anthropic_sse', 'event: message_stop\ndata: {"type":"ping"}\n\n'],
  ['anthropic_sse', 'data: {"delta":{"type":"message_stop"}}\n\n'],
  ['anthropic_sse', 'data: {"type":"message_stop"\n\n'],
  ['responses_sse', 'data: {"type":"response.output_text.delta","delta":"response.completed"}\n\n'],
  ['json', ''],
  ['json', '{"a":[1,2'],
  ['json', '<html></html>'],
];
for (const [shape, text] of notTheEnd) {
  test(`not the end of ${shape}: ${JSON.stringify(text)}`, () => {
    assert.equal(report(shape, text).terminated, false);
  });
}

const theEnd: readonly [StreamShape, string][] = [
  ['ollama_ndjson', '{ "done" : true }\r\n'],
  ['ollama_ndjson', 'garbage {[\n{"done":true}\n'],
  ['status_ndjson', '{"status" : "success"}\n'],
  ['openai_sse', 'data:[DONE]\n\n'],
  ['openai_sse', 'data: [DONE]\r\n\r\n'],
  ['openai_sse', 'data: [DONE]\r\r'],
  ['openai_sse', ': ping\n\nevent: x\nid: 1\ndata: [DONE]\n\n'],
  ['openai_sse', 'data\n\ndata: [DONE]\n\n: bye\n\n'],
  ['anthropic_sse', 'data:{"type":"message_stop"}\n\n'],
  ['anthropic_sse', 'data: {"type":\ndata: "message_stop"}\n\n'],
  ['responses_sse', 'event: response.failed\ndata: {"type":"response.failed"}\n\n'],
  ['responses_sse', 'data: {"response":{},"type":"response.incomplete"}\n\n'],
  ['json', ' {\n "a": 1\n}\n'],
];
for (const [shape, text] of theEnd) {
  test(`the end of ${shape}: ${JSON.stringify(text)}`, () => {
    assert.equal(report(shape, text).terminated, true);
    assert.equal(report(shape, ...[...encode(text)].map(byte => Uint8Array.of(byte))).terminated, true);
  });
}

const errors: readonly [StreamShape, string, string | undefined][] = [
  ['ollama_ndjson', '{"response":"a"}\n{"error":"it \\"broke\\" \\u00e9"}\n', 'it "broke" é'],
  ['ollama_ndjson', '{"error":"first"}\n{"error":"second"}\n', 'first'],
  ['ollama_ndjson', '{"error":""}\n', 'the backend reported an error'],
  ['ollama_ndjson', '{"message":{"error":"inner"},"error":null}\n', undefined],
  ['ollama_ndjson', `{"error":"${'x'.repeat(5000)}"}\n`, `${'x'.repeat(2048)}…`],
  ['ollama_ndjson', `{"error":"${'\\u00e9'.repeat(1000)}"}\n`, `${'é'.repeat(341)}…`],
  ['status_ndjson', '{"error":"disk full"}\n', 'disk full'],
  ['openai_sse', 'data: {"error":{"message":"broke","type":"api_error"}}\n\n', 'broke'],
  ['openai_sse', 'data: {"error":{"type":"api_error"}}\n\n', 'the backend reported an error'],
  ['openai_sse', 'data: {"choices":[],"error":null}\n\n', undefined],
  ['openai_sse', 'event: error\ndata: {"detail":"x"}\n\n', 'the backend reported an error'],
  [
    'anthropic_sse',
    'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"broke"}}\n\n',
    'broke',
  ],
  ['responses_sse', 'event: error\ndata: {"type":"error","code":"x","message":"broke"}\n\n', 'broke'],
  [
    'responses_sse',
    'data: {"type":"response.failed","response":{"error":{"code":"x","message":"broke"}}}\n\n',
    'broke',
  ],
  ['json', '{"error":"model not found"}', 'model not found'],
  ['json', '{"type":"error","error":{"type":"api_error","message":"broke"}}', 'broke'],
  ['json', '{"error":{"message":"broke"}}', 'broke'],
  ['json', '{"message":{"content":"error"},"error":null}', undefined],
];
for (const [shape, text, message] of errors) {
  test(`the error of ${shape} ${JSON.stringify(text.slice(0, 80))}`, () => {
    assert.equal(report(shape, text).error, message);
  });
}

test('an error inside a stream says whether a line was cut', () => {
  assert.equal(report('ollama_ndjson', '{"resp').midLine, true);
  assert.equal(report('ollama_ndjson', '{"response":"a"}\n').midLine, false);
  assert.equal(report('ollama_ndjson').midLine, false);
  assert.equal(report('openai_sse', 'data: {}\r').midLine, false);
});

test('no bytes make a tap throw', () => {
  const next = randoms(5);
  const alphabet = encode('{}[]",:\\ \n\r\u0000tfn0123-+.e"done""error""usage":data: [DONE]event');
  for (const shape of [
    'ollama_ndjson',
    'status_ndjson',
    'openai_sse',
    'responses_sse',
    'anthropic_sse',
    'json',
  ] as const) {
    for (let run = 0; run < 2000; run++) {
      const bytes = Uint8Array.from(
        { length: 80 },
        () => alphabet[Math.floor(next() * alphabet.length)] ?? 0,
      );
      assert.equal(report(shape, bytes).bytes, 80);
    }
  }
});

test('one JSON text in place of a stream is complete without a line end', () => {
  const tap = createTap('ollama_ndjson', 'application/json; charset=utf-8');
  const load = recording('ollama-load.txt');
  tap.push(load.subarray(0, -1));
  assert.equal(tap.terminated, false);
  tap.push(load.subarray(-1));
  assert.equal(tap.terminated, true);
});

test('an odd number is no usage', () => {
  const found = report(
    'ollama_ndjson',
    '{"eval_count":1.5,"prompt_eval_count":1e3,"total_duration":-4,"load_duration":99999999999999999999,"done":true}\n',
  );
  assert.deepEqual(found.usage, {});
});

test('a held answer tells usage in every dialect', () => {
  assert.equal(usageOfJson(recording('openai-chat-whole.txt')).completionTokens, 20);
  assert.equal(usageOfJson(recording('anthropic-whole.txt')).completionTokens, 10);
  assert.equal(readWhole(encode('{"embeddings":[[1,2]],"prompt_eval_count":4}')).usage.promptTokens, 4);
});
