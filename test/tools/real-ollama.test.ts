// The written model and the real Ollama together: what other suites rely on. Needs the real binary.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { find, skipUnless } from './parts.ts';
import { startOllama, type RealOllama } from './real-ollama.ts';
import { digestOf, renamedGguf, tinyGguf } from './tiny-gguf.ts';

interface Answer {
  readonly response: string;
  readonly eval_count: number;
}

async function generate(ollama: RealOllama, model: string, options: object): Promise<Answer> {
  const body = JSON.stringify({ model, prompt: 'The capital of France is', stream: false, options });
  const answer = await fetch(`${ollama.url}/api/generate`, { method: 'POST', body });
  assert.equal(answer.status, 200);
  return (await answer.json()) as Answer;
}

test('the written model is the same every time, and another name gives another digest of the same size', () => {
  const tiny = tinyGguf();
  assert.equal(digestOf(tiny), 'sha256:68c5e0d078e62e59b5137fdd037b955d0fc8644ff0ff8be10c385218977e75d3');
  const other = renamedGguf(tiny, 'tin2');
  assert.equal(other.length, tiny.length);
  assert.notEqual(digestOf(other), digestOf(tiny));
});

test('a real Ollama loads and runs the written model', { skip: await skipUnless('ollama') }, async t => {
  const ollama = await startOllama();
  t.after(() => ollama.stop());
  await ollama.createModel('tiny', { gguf: tinyGguf() });
  const answer = await generate(ollama, 'tiny', { num_predict: 12, temperature: 0 });
  assert.equal(answer.eval_count, 12);
  assert.match(answer.response, /^[a-z ]+$/);
});

const skip = await skipUnless('ollama', 'smollm2');
test('a real Ollama knows with SmolLM2 that the capital of France is Paris', { skip }, async t => {
  const ollama = await startOllama();
  t.after(() => ollama.stop());
  await ollama.createModel('smollm2:135m', { gguf: (await find('smollm2')) ?? '' });
  const answer = await generate(ollama, 'smollm2:135m', { num_predict: 24, temperature: 0 });
  assert.match(answer.response, /Paris/);
});

test('a stopped Ollama leaves no process behind', { skip: await skipUnless('ollama') }, async () => {
  const ollama = await startOllama();
  await ollama.createModel('tiny', { gguf: tinyGguf() });
  await generate(ollama, 'tiny', { num_predict: 1 });
  const { pid } = ollama;
  await ollama.stop();
  assert.throws(() => process.kill(-pid, 0), { code: 'ESRCH' });
});
