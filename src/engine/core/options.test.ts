// Options in layers, and what they change in a runner. Never loads one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_OPTIONS, resolveOptions, runnerShape, sameShape } from './options.ts';

test('the request wins over the model, the model over the defaults', () => {
  const options = resolveOptions(
    DEFAULT_OPTIONS,
    { num_ctx: 2048, temperature: 0.2, stop: ['a'] },
    { temperature: 0 },
  );
  assert.equal(options.num_ctx, 2048);
  assert.equal(options.temperature, 0);
  assert.deepEqual(options.stop, ['a']);
  assert.equal(options.top_k, DEFAULT_OPTIONS.top_k);
});

test('unknown options and null are passed over', () => {
  assert.deepEqual(resolveOptions(DEFAULT_OPTIONS, { made_up: 1, seed: null }, undefined), DEFAULT_OPTIONS);
});

test("a wrong type is refused in Ollama's words", () => {
  const resolve = (options: Record<string, unknown>) => () => resolveOptions(DEFAULT_OPTIONS, options);
  assert.throws(resolve({ num_ctx: 'x' }), {
    status: 400,
    message: 'option "num_ctx" must be of type integer',
  });
  assert.throws(resolve({ temperature: '1' }), { message: 'option "temperature" must be of type float32' });
  assert.throws(resolve({ use_mmap: 1 }), { message: 'option "use_mmap" must be of type boolean' });
  assert.throws(resolve({ stop: 'x' }), { message: 'option "stop" must be of type array' });
  assert.throws(resolve({ stop: [1] }), { message: 'option "stop" must be of an array of strings' });
});

test('a context is never longer than the model was trained for, nor uselessly short', () => {
  assert.equal(runnerShape({ ...DEFAULT_OPTIONS, num_ctx: 8192 }, 512, 1).contextLength, 512);
  assert.equal(runnerShape({ ...DEFAULT_OPTIONS, num_ctx: 256 }, 512, 1).contextLength, 256);
  assert.equal(runnerShape({ ...DEFAULT_OPTIONS, num_ctx: 0 }, 0, 1).contextLength, 4096);
  assert.equal(runnerShape({ ...DEFAULT_OPTIONS, num_ctx: 1 }, 512, 1).contextLength, 4);
});

test('only what Ollama reloads for makes another runner', () => {
  const shape = runnerShape(DEFAULT_OPTIONS, 8192, 2);
  assert.ok(sameShape(shape, runnerShape({ ...DEFAULT_OPTIONS, temperature: 0, seed: 9 }, 8192, 2)));
  assert.ok(!sameShape(shape, runnerShape({ ...DEFAULT_OPTIONS, num_ctx: 512 }, 8192, 2)));
  assert.ok(!sameShape(shape, runnerShape({ ...DEFAULT_OPTIONS, num_thread: 1 }, 8192, 2)));
});
