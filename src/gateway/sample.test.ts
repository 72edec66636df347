// What the scheduler is told of a request that ended: the backend's own figures, and the wait that follows from them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from './sample.ts';

test('what a backend told of its total and does not explain otherwise was waiting for a slot', () => {
  const usage = {
    totalMs: 5_000,
    loadMs: 100,
    promptMs: 300,
    evalMs: 600,
    promptTokens: 9,
    completionTokens: 4,
  };
  const sample = { promptMs: 300, evalMs: 600, waitedMs: 4_000, promptTokens: 9, tokens: 4 };
  assert.deepEqual(sampleOf(usage), sample);
});

test('a backend that tells no times tells no wait, and one that tells nothing is no sample', () => {
  assert.deepEqual(sampleOf({ completionTokens: 4 }), { tokens: 4 });
  assert.equal(sampleOf({}), undefined);
});
