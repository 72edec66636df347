// Waiting for native memory ends: the part disposes of itself, fails, or is late. Never starts llama.cpp.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { disposeWithin } from './dispose.ts';

test('a part that is never given back is waited for no longer than the limit', async () => {
  const stuck = { dispose: () => new Promise<void>(() => {}) };
  await assert.rejects(disposeWithin(stuck, 20), /not given back in 20 ms/);
});

test('a part that gives itself back, or fails to, says so itself', async () => {
  await disposeWithin({ dispose: () => Promise.resolve() }, 60_000);
  const failing = { dispose: () => Promise.reject(new Error('in use')) };
  await assert.rejects(disposeWithin(failing, 60_000), /in use/);
});
