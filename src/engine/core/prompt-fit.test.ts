// Prompts that are too long. Never tokenises.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { commonPrefix, fitTokens, keptTokens, middleOf, narrowed, predictLimit } from './prompt-fit.ts';

test('a prompt that fits is left alone; one that does not keeps its beginning and its end', () => {
  const tokens = Array.from({ length: 20 }, (_, at) => at);
  assert.equal(fitTokens(tokens, { contextLength: 20, keep: 4, truncate: true }), tokens);
  assert.deepEqual(fitTokens(tokens, { contextLength: 6, keep: 2, truncate: true }), [0, 1, 16, 17, 18, 19]);
  assert.deepEqual(fitTokens(tokens, { contextLength: 3, keep: -1, truncate: true }), [0, 1, 19]);
});

test('without leave to truncate a long prompt is an error', () => {
  assert.throws(() => fitTokens([1, 2], { contextLength: 1, keep: 0, truncate: false }), {
    status: 400,
    message: 'the input length exceeds the context length',
  });
});

test('a fitted prompt has exactly the length of the context', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: -1, max: 80 }),
      fc.nat(200),
      (contextLength, keep, size) => {
        const fitted = fitTokens(
          Array.from({ length: size }, (_, at) => at),
          { contextLength, keep, truncate: true },
        );
        assert.equal(fitted.length, Math.min(size, contextLength));
        assert.equal(new Set(fitted).size, fitted.length);
      },
    ),
  );
});

test('the search for the fewest dropped messages ends at them, in few tries', () => {
  fc.assert(
    fc.property(fc.nat(1_000), fc.nat(1_000), (most, needed) => {
      let search = { low: 0, high: most };
      let tries = 0;
      for (; search.low < search.high; tries++) search = narrowed(search, middleOf(search) >= needed);
      assert.equal(search.low, Math.min(needed, most));
      assert.ok(tries <= 10);
    }),
  );
});

test('an unbounded answer is bounded by ten contexts, and something may always be dropped', () => {
  assert.equal(predictLimit(-1, 100), 1_000);
  assert.equal(predictLimit(0, 100), 1_000);
  assert.equal(predictLimit(5, 100), 5);
  assert.equal(predictLimit(5_000, 100), 1_000);
  assert.equal(keptTokens(-1, 500, 100), 99);
  assert.equal(commonPrefix([1, 2, 3], [1, 2, 4]), 2);
});
