// Slots: order, leaving, prefixes. Never runs a model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LlamaSequence } from './llama-types.ts';
import { createSlots } from './slots.ts';

const sequence = (...contextTokens: number[]): LlamaSequence =>
  ({ contextTokens }) as unknown as LlamaSequence;
const never = new AbortController().signal;

test('who waits is served in order of arrival', async () => {
  const only = sequence();
  const slots = createSlots([only]);
  const order: number[] = [];
  await slots.take([1], never);
  const waiting = [1, 2, 3].map(async number => {
    const got = await slots.take([number], never);
    order.push(number);
    slots.give(got);
  });
  slots.give(only);
  await Promise.all(waiting);
  assert.deepEqual(order, [1, 2, 3]);
});

test('who left is passed over and loses no slot', async () => {
  const only = sequence();
  const slots = createSlots([only]);
  await slots.take([1], never);
  const stop = new AbortController();
  const leaving = slots.take([2], stop.signal);
  const staying = slots.take([3], never);
  stop.abort();
  await assert.rejects(leaving, { status: 499 });
  slots.give(only);
  assert.equal(await staying, only);
  slots.give(only);
  await assert.rejects(slots.take([4], stop.signal), { status: 499 });
  assert.equal(await slots.take([5], never), only);
});

test('a free slot that knows the beginning of the prompt is taken first', async () => {
  const known = sequence(1, 2, 3);
  const slots = createSlots([sequence(), sequence(1, 9), known]);
  assert.equal(await slots.take([1, 2, 3, 4], never), known);
});
