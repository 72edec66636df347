// Which runner is loaded where, and when another load is worth it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aBackend, aModel, Rig, words } from './testing.ts';

const models = [aModel('m')];
const cold = [aBackend('b0', { models }), aBackend('b1', { models })];
/** Base and weights at the speed that is believed before any load was seen. */
const expectedMs = 300 + 1e9 / 500_000;

test('a load that takes over twice as long as expected is not waited for: another backend loads too', () => {
  const rig = new Rig(cold);
  assert.deepEqual(words(rig.arrive('r1')), ['load b0 w-m']);
  const lateMs = 300 + 2 * expectedMs;
  assert.deepEqual(words(rig.after(lateMs).tick()), []);
  assert.ok((rig.scheduler.nextWakeMs() ?? Infinity) <= rig.nowMs + 1);
  assert.deepEqual(words(rig.after(1).tick()), ['load b1 w-m']);
  assert.deepEqual(words(rig.after(500).loaded('b1', 'w-m')), ['dispatch r1 b1 cold_free']);
  assert.deepEqual(words(rig.after(500).loaded('b0', 'w-m')), []);
});

test('two late loads are not followed by a third on a backend whose loader is busy', () => {
  const rig = new Rig(cold);
  rig.arrive('r1');
  rig.after(300 + 2 * expectedMs + 1).tick();
  assert.deepEqual(words(rig.after(60_000).tick()), ['reject r1 queue_timeout']);
});
