// Sizes of models: the numbers that Ollama 0.24.0 itself computes or reports, and bounds that every size keeps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { contextOf, estimate, isServedOneAtOnce, type SizeWish } from './size.ts';
import { gpuFits } from './size-gpus.ts';
import { type ModelShape, shapeOf } from './size-shape.ts';
import { sizeLines } from './size-text.ts';

/** As /api/show gives it for Llama 3.1 8B; a vocabulary is left out of it as here. */
const llama = {
  'general.architecture': 'llama',
  'llama.block_count': 32,
  'llama.context_length': 131_072,
  'llama.embedding_length': 4096,
  'llama.attention.head_count': 32,
  'llama.attention.head_count_kv': 8,
  'tokenizer.ggml.tokens': null,
};
const wish: SizeWish = { contextTokens: 8192, parallel: 1, kvCacheType: 'f16' };

function shape(info: Readonly<Record<string, unknown>>, tokens?: number): ModelShape {
  const result = shapeOf(info, tokens);
  assert.ok('shape' in result, JSON.stringify(result));
  return result.shape;
}
const facts = (info: Readonly<Record<string, unknown>>) => ({
  weightsBytes: 4_920_738_944,
  projectorBytes: 0,
  shape: shape(info, 128_256),
});

test('the KV cache of Llama 3.1 8B is 128 KiB for each token', () => {
  const size = estimate(facts(llama), wish);
  assert.equal(size.kvBytesPerToken, 131_072);
  assert.equal(size.kvCacheBytes, 8192 * 131_072);
  // 4 × batch × (1 + 4 × embedding + context × (1 + heads))
  assert.equal(size.computeBytes, 4 * 512 * (1 + 4 * 4096 + 8192 * 33));
});

test('a quantised cache takes a half or a quarter, and requests at once take as many times as much', () => {
  const of = (change: Partial<SizeWish>) => estimate(facts(llama), { ...wish, ...change }).kvCacheBytes;
  assert.equal(of({ kvCacheType: 'q8_0' }) * 2, of({}));
  assert.equal(of({ kvCacheType: 'q4_0' }) * 4, of({}));
  assert.equal(of({ parallel: 4 }), of({}) * 4);
});

test('keys and values of their own length count as they are', () => {
  const info = { ...llama, 'llama.attention.key_length': 192, 'llama.attention.value_length': 64 };
  assert.equal(estimate(facts(info), wish).kvCacheBytes, 8192 * (192 + 64) * 8 * 2 * 32);
});

test('of six blocks of Gemma 3 five keep only their window', () => {
  const gemma = {
    'general.architecture': 'gemma3',
    'gemma3.block_count': 6,
    'gemma3.embedding_length': 1024,
    'gemma3.attention.head_count': 4,
    'gemma3.attention.head_count_kv': 1,
    'gemma3.attention.key_length': 256,
    'gemma3.attention.value_length': 256,
    'gemma3.attention.sliding_window': 512,
  };
  const size = estimate(facts(gemma), { ...wish, contextTokens: 32_768 });
  assert.equal(size.kvCacheBytes, (5 * (512 + 512) + 32_768) * 512 * 2);
});

test('a block without attention keeps a state that does not grow with the context', () => {
  const hybrid = {
    ...llama,
    'general.architecture': 'granitehybrid',
    'granitehybrid.block_count': 2,
    'granitehybrid.embedding_length': 1024,
    'granitehybrid.attention.head_count': 16,
    'granitehybrid.attention.head_count_kv': [0, 4],
    'granitehybrid.ssm.conv_kernel': 4,
    'granitehybrid.ssm.inner_size': 2048,
    'granitehybrid.ssm.state_size': 128,
    'granitehybrid.ssm.group_count': 1,
  };
  const state = (3 * (2048 + 2 * 128) + 128 * 2048) * 4;
  const attention = (contextTokens: number) => contextTokens * 128 * 4 * 2;
  assert.equal(estimate(facts(hybrid), wish).kvCacheBytes, state + attention(8192));
});

test('what is missing is named, never guessed; a list that was left out is missing too', () => {
  assert.deepEqual(shapeOf({}), { missing: ['general.architecture'] });
  const { 'llama.block_count': _blocks, ...rest } = llama;
  assert.deepEqual(shapeOf(rest), { missing: ['llama.block_count'] });
  const left = shapeOf({ ...llama, 'llama.attention.head_count_kv': [] });
  assert.deepEqual(left, { missing: ['llama.attention.head_count_kv'] });
});

test('absent key-value heads are as many as heads', () => {
  const { 'llama.attention.head_count_kv': _heads, ...rest } = llama;
  assert.equal(estimate(facts(rest), wish).kvBytesPerToken, 131_072 * 4);
});

test('the context is what is asked for, else the model’s own, else 4096, and never more than the model knows', () => {
  assert.equal(contextOf(undefined, '', shape(llama)), 4096);
  assert.equal(contextOf(undefined, 'stop "x"\nnum_ctx                        8192', shape(llama)), 8192);
  assert.equal(contextOf(16_384, 'num_ctx 8192', shape(llama)), 16_384);
  assert.equal(contextOf(1_000_000, '', shape(llama)), 131_072);
});

test('embedding models and those that Ollama does not batch are served one at once', () => {
  assert.equal(isServedOneAtOnce(shape(llama)), false);
  assert.equal(isServedOneAtOnce(shape({ ...llama, 'llama.pooling_type': 1 })), true);
});

test('a GPU holds what fits, and a larger one holds at least as much', () => {
  const fits = gpuFits(facts(llama), { ...wish, parallel: 2 });
  assert.deepEqual(
    fits.filter(fit => fit.holds).map(fit => fit.gpu),
    fits.filter(fit => fit.parallelMax >= 2).map(fit => fit.gpu),
  );
  assert.equal(fits.find(fit => fit.gpu.includes('8 GB'))?.holds, false);
  assert.equal(fits.find(fit => fit.gpu.startsWith('L4'))?.holds, true);
  assert.deepEqual(
    fits.map(fit => fit.parallelMax),
    fits.map(fit => fit.parallelMax).toSorted((a, b) => a - b),
  );
});

test('more context, requests or a wider cache never take less', () => {
  const number = (max: number) => fc.integer({ min: 1, max });
  fc.assert(
    fc.property(number(100_000), number(32), number(4096), (contextTokens, parallel, more) => {
      const of = (change: Partial<SizeWish>) =>
        estimate(facts(llama), { contextTokens, parallel, kvCacheType: 'q8_0', ...change }).gpuBytes;
      assert.ok(of({ contextTokens: contextTokens + more }) >= of({}));
      assert.ok(of({ parallel: parallel + 1 }) >= of({}));
      assert.ok(of({ kvCacheType: 'f16' }) >= of({}));
    }),
    { numRuns: 100 },
  );
});

test('the sum that is printed is the sum of its lines', () => {
  const size = estimate(facts(llama), wish);
  assert.equal(size.gpuBytes, size.weightsBytes + size.kvCacheBytes + size.computeBytes + size.reservedBytes);
  const report = {
    model: 'llama3.1:8b',
    source: 'as x has it',
    diskBytes: 4_920_753_328,
    shape: shape(llama),
  };
  const lines = sizeLines({ ...report, wish, size, gpus: gpuFits(facts(llama), wish) });
  assert.equal(lines[1], 'disk              4.9 GB');
  assert.ok(lines.includes('KV cache          1.1 GB (1.1 GB for each request, 131 kB for each token)'));
  assert.ok(lines.some(line => /^T4 \(16 GB\) +16 GB +yes +\d+$/.test(line)));
});
