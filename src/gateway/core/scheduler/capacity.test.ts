// What is believed about how many runners fit, from what was seen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayFit, sawTogether, sawVanish, unknownCapacity } from './capacity.ts';
import type { Capacity } from './capacity.ts';

const alone = { alike: [], idle: false };
const two = { count: 2, bytes: 5 };
const three = { count: 3, bytes: 7 };

function after(...seen: readonly ((capacity: Capacity) => void)[]): Capacity {
  const capacity = unknownCapacity();
  for (const see of seen) see(capacity);
  return capacity;
}

test('a set nobody has seen is tried', () => {
  assert.equal(mayFit(unknownCapacity(), three, alone), true);
});

test('a set that was too much is not tried again, nor a larger one; a smaller one is', () => {
  const capacity = after(it => sawVanish(it, three));
  assert.equal(mayFit(capacity, three, alone), false);
  assert.equal(mayFit(capacity, { count: 4, bytes: 9 }, alone), false);
  assert.equal(mayFit(capacity, { count: 3, bytes: 6 }, alone), true);
});

test('when as many bytes fitted in fewer runners, the count is the limit', () => {
  const capacity = after(
    it => sawTogether(it, { count: 2, bytes: 8 }),
    it => sawVanish(it, three),
  );
  assert.equal(mayFit(capacity, { count: 3, bytes: 1 }, alone), false);
  assert.equal(mayFit(capacity, { count: 2, bytes: 9 }, alone), true);
});

test('what is seen together refutes what was believed too much', () => {
  const capacity = after(
    it => sawVanish(it, three),
    it => sawTogether(it, three),
  );
  assert.equal(mayFit(capacity, three, alone), true);
});

test('what was too much on a backend alike is not tried while somebody would wait for the mistake', () => {
  const alike = [after(it => sawVanish(it, three))];
  assert.equal(mayFit(unknownCapacity(), three, { alike, idle: false }), false);
  assert.equal(mayFit(unknownCapacity(), three, { alike, idle: true }), true);
  assert.equal(mayFit(unknownCapacity(), two, { alike, idle: false }), true);
});

test('a backend where as many were too much once is not tried again for the sake of fewer bytes', () => {
  const alike = [after(it => sawVanish(it, three))];
  const capacity = after(it => sawVanish(it, { count: 3, bytes: 9 }));
  assert.equal(mayFit(capacity, { count: 3, bytes: 8 }, { alike, idle: true }), false);
});

test('what fitted here is believed, whatever happened on a backend alike', () => {
  const alike = [after(it => sawVanish(it, three))];
  const capacity = after(it => sawTogether(it, three));
  assert.equal(mayFit(capacity, three, { alike, idle: false }), true);
});
