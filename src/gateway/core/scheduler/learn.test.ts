// Learned rates: what they forget, and what a bad clock must not do to them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hit, perMs, rateFrom } from './learn.ts';

const memoryMs = 60_000;

test('a rate forgets with its time constant', () => {
  const rate = rateFrom(0);
  for (let atMs = 0; atMs <= 600_000; atMs += 1_000) hit(rate, atMs, memoryMs);
  assert.ok(Math.abs(perMs(rate, 600_000, memoryMs) - 0.001) < 1e-4);
  assert.ok(perMs(rate, 600_000 + 3 * memoryMs, memoryMs) < 0.0001);
});

test('a clock that jumps back makes no rate grow beyond its count', () => {
  const rate = rateFrom(3_600_000);
  hit(rate, 3_600_000, memoryMs);
  hit(rate, 0, memoryMs);
  assert.ok(rate.count <= 2);
  assert.ok(perMs(rate, 1_000, memoryMs) <= 2 / (memoryMs / 10));
});
