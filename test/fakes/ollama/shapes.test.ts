// The fake answers in the shapes of the real Ollama: same status, same content type, same keys and types at every depth.
// Never compares values: texts, times and counts differ.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { find, skipUnless } from '../../tools/parts.ts';
import { startOllama } from '../../tools/real-ollama.ts';
import type { RealOllama } from '../../tools/real-ollama.ts';
import { startFakeOllama } from './server.ts';
import type { FakeOllama } from './server.ts';

const MODEL = 'smollm2:135m';
const messages = [{ role: 'user', content: 'Say hello.' }];
/** At temperature 0 throughout: by chance a model may end its answer before the first word, which is another shape. */
const few = { num_predict: 3, temperature: 0 };
const zeros = `sha256:${'0'.repeat(64)}`;

interface Ask {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  /** Keys that only a real model file has, or that depend on it. */
  readonly loose?: readonly string[];
}

const ASKS: readonly Ask[] = [
  { path: '/' },
  { path: '/api/version' },
  { path: '/api/status' },
  { path: '/api/generate', body: { model: MODEL, prompt: 'Hi.', options: few } },
  { path: '/api/generate', body: { model: MODEL, prompt: 'Hi.', options: few, stream: false } },
  { path: '/api/generate', body: { model: MODEL } },
  { path: '/api/tags' },
  { path: '/api/ps' },
  { path: '/api/show', body: { model: MODEL }, loose: ['model_info', 'tensors', 'parameters', 'license'] },
  { path: '/api/chat', body: { model: MODEL, messages, options: few } },
  {
    path: '/api/chat',
    body: { model: MODEL, messages, options: few, stream: false, logprobs: true, top_logprobs: 1 },
  },
  { path: '/api/chat', body: { model: MODEL, messages: [] } },
  { path: '/api/embed', body: { model: MODEL, input: ['a', 'b'] } },
  { path: '/api/embed', body: { model: MODEL, input: [] } },
  { path: '/api/embeddings', body: { model: MODEL, prompt: 'a' } },
  { path: '/v1/models' },
  { path: `/v1/models/${MODEL}` },
  { path: '/v1/models/nope' },
  { path: '/v1/chat/completions', body: { model: MODEL, messages, max_tokens: 2, temperature: 0 } },
  {
    path: '/v1/chat/completions',
    body: { model: MODEL, messages, max_tokens: 2, temperature: 0, stream: true },
  },
  {
    path: '/v1/chat/completions',
    body: {
      model: MODEL,
      messages,
      max_tokens: 2,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    },
  },
  { path: '/v1/completions', body: { model: MODEL, prompt: 'Hi.', max_tokens: 2, temperature: 0 } },
  {
    path: '/v1/completions',
    body: {
      model: MODEL,
      prompt: 'Hi.',
      max_tokens: 2,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    },
  },
  { path: '/v1/embeddings', body: { model: MODEL, input: 'a' } },
  { path: '/v1/embeddings', body: { model: MODEL, input: 'a', encoding_format: 'base64' } },
  { path: '/v1/responses', body: { model: MODEL, input: 'Hi.', max_output_tokens: 2, temperature: 0 } },
  {
    path: '/v1/responses',
    body: { model: MODEL, input: 'Hi.', max_output_tokens: 2, temperature: 0, stream: true },
  },
  { path: '/v1/messages', body: { model: MODEL, messages, max_tokens: 2, temperature: 0 } },
  { path: '/v1/messages', body: { model: MODEL, messages, max_tokens: 2, temperature: 0, stream: true } },
  { path: '/v1/messages', body: { model: 'nope', messages, max_tokens: 2, temperature: 0 } },
  { path: '/v1/messages', body: { model: MODEL, messages } },
  { path: '/v1/chat/completions', body: { model: 'nope', messages } },
  { path: '/v1/chat/completions', body: { model: MODEL } },
  { path: '/api/chat', body: { model: 'nope', messages } },
  { path: '/api/chat', body: {} },
  { path: '/api/chat', body: { model: MODEL, messages, think: true } },
  { path: '/api/chat', body: { model: MODEL, messages, options: { num_ctx: 'big' } } },
  { path: '/api/chat', body: { model: 5 } },
  { path: '/api/embed', body: { model: 'nope', input: 'a' } },
  { path: '/api/show', body: { model: 'nope' } },
  { path: '/api/show', body: {} },
  { method: 'PUT', path: '/api/chat' },
  { path: '/nope' },
  { method: 'HEAD', path: '/api/tags' },
  { method: 'HEAD', path: `/api/blobs/${zeros}` },
  { method: 'HEAD', path: '/api/blobs/sha256:abc' },
  { method: 'POST', path: `/api/blobs/${zeros}`, body: {} },
  { path: '/api/copy', body: { source: MODEL, destination: 'copied' } },
  { path: '/api/copy', body: { source: 'nope', destination: 'copied' } },
  { method: 'DELETE', path: '/api/delete', body: { model: 'copied' } },
  { method: 'DELETE', path: '/api/delete', body: { model: 'copied' } },
  { path: '/api/create', body: { model: 'made', from: MODEL, system: 'Be brief.' } },
  { path: '/api/create', body: { model: 'made', from: MODEL, stream: false } },
  { path: '/api/create', body: { model: 'made' } },
  { path: '/api/create', body: { model: 'made', files: { 'a.gguf': zeros } } },
  { path: '/api/pull', body: {} },
  { path: '/api/generate', body: { model: MODEL, keep_alive: 0 } },
  { path: '/api/chat', body: { model: MODEL, keep_alive: 0 } },
];

const skip = await skipUnless('ollama', 'smollm2');

describe('the fake beside the real Ollama', { skip }, () => {
  let real: RealOllama;
  let fake: FakeOllama;
  before(async () => {
    real = await startOllama();
    await real.createModel(MODEL, { gguf: (await find('smollm2')) ?? '' });
    fake = await startFakeOllama({
      models: [{ name: MODEL, parameters: { num_thread: 1 } }],
      loadMs: 10,
      device: 'cpu',
    });
  });
  after(async () => {
    await real.stop();
    await fake.stop();
  });

  for (const [at, each] of ASKS.entries()) {
    test(`${at} ${each.method ?? ''} ${each.path} ${JSON.stringify(each.body ?? '').slice(0, 90)}`, async () => {
      const [expected, actual] = [await answerOf(real.url, each), await answerOf(fake.url, each)];
      assert.deepEqual(actual, expected);
    });
  }
});

interface Shape {
  readonly status: number;
  readonly type: string | null;
  readonly allow: string | null;
  /** Each different line, event or body, in the order of their first appearance. */
  readonly shapes: readonly string[];
}

async function answerOf(url: string, each: Ask): Promise<Shape> {
  const method = each.method ?? (each.body === undefined ? 'GET' : 'POST');
  const response = await fetch(url + each.path, {
    method,
    ...(each.body === undefined ? {} : { body: JSON.stringify(each.body) }),
  });
  const text = await response.text();
  const type = response.headers.get('content-type');
  const parts = type?.includes('json') === true ? text.split('\n') : text.split('\n\n');
  const shapes = parts.filter(part => part !== '').map(part => partShape(part, each.loose ?? []));
  return {
    status: response.status,
    type,
    allow: response.headers.get('allow'),
    shapes: [...new Set(shapes)],
  };
}

function partShape(part: string, loose: readonly string[]): string {
  const event = /^event: .*$/m.exec(part)?.[0] ?? '';
  const data = /^data: (.*)$/m.exec(part)?.[1] ?? part;
  if (data === '[DONE]' || !/^[{[]/.test(data)) return data;
  return `${event} ${JSON.stringify(shapeOf(JSON.parse(data), loose))}`.trim();
}

function shapeOf(value: unknown, loose: readonly string[]): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(item => shapeOf(item, loose));
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  const entries = Object.entries(value).filter(([key]) => !loose.includes(key));
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, shapeOf(item, loose)]),
  );
}
