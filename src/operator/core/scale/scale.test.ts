// Rules of scaling by demand: at once where people wait, never down on a guess, to zero only when nothing happened.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  CALM_MS,
  type DemandLook,
  remember,
  replicasFor,
  type ScaleMemory,
  type ScaleRule,
} from './scale.ts';

const rule: ScaleRule = { minReplicas: 1, maxReplicas: 4, target: 2, idleSecondsToZero: 0 };
const idle: ScaleRule = { ...rule, idleSecondsToZero: 60 };
const look = (atMs: number, demand: number, more: Partial<DemandLook> = {}): DemandLook => ({
  atMs,
  demand,
  hasServed: demand > 0,
  isWhole: true,
  ...more,
});
/** Looks in order -> replicas after the last one. */
function after(looks: readonly DemandLook[], by: ScaleRule, replicas: number): number {
  let memory: ScaleMemory | undefined;
  for (const one of looks) memory = remember(memory, one, by);
  assert.ok(memory);
  return replicasFor(memory, by, { nowMs: looks.at(-1)?.atMs ?? 0, replicas });
}

test('more requests than the pods should have means more pods at once, up to the most that are allowed', () => {
  assert.equal(after([look(0, 5)], rule, 1), 3);
  assert.equal(after([look(0, 100)], rule, 1), 4);
  assert.equal(after([look(0, 2)], rule, 1), 1);
});

test('fewer pods come only after a calm, and then as many as its busiest moment needed', () => {
  const calm = (demand: number) => [look(0, demand), look(CALM_MS / 2, 1), look(CALM_MS, 1)];
  assert.equal(after([look(0, 1)], rule, 4), 4);
  assert.equal(after(calm(6), rule, 4), 3);
  assert.equal(after([...calm(6), look(CALM_MS + 1, 1)], rule, 4), 1);
});

test('a gateway that keeps silent holds the pods that there are, and what the others say may still add some', () => {
  const silent = (demand: number) => look(CALM_MS, demand, { isWhole: false });
  assert.equal(after([look(0, 0), silent(0)], rule, 3), 3);
  assert.equal(after([look(0, 0), silent(8)], rule, 3), 4);
  assert.equal(after([look(0, 0), look(90_000, 0, { isWhole: false })], idle, 1), 1);
});

test('without a request for long enough there is no pod; a request brings the fewest back', () => {
  assert.equal(after([look(0, 0), look(59_000, 0)], idle, 2), 2);
  assert.equal(after([look(0, 0), look(60_000, 0)], idle, 2), 0);
  assert.equal(after([look(0, 0), look(90_000, 0)], idle, 0), 0);
  assert.equal(after([look(0, 0), look(90_000, 1)], { ...idle, minReplicas: 2 }, 0), 2);
});

test('requests that came and went between two looks are work too', () => {
  assert.equal(after([look(0, 0), look(59_000, 0, { hasServed: true }), look(70_000, 0)], idle, 1), 1);
});

test('a fleet outside its bounds is brought into them', () => {
  assert.equal(after([look(0, 0)], { ...rule, minReplicas: 2 }, 1), 2);
  assert.equal(after([look(0, 0)], rule, 9), 4);
  assert.equal(after([look(0, 0)], rule, 0), 1);
});

test('whatever was seen, the wish is within the bounds, or zero where that is allowed', () => {
  const looks = fc.array(
    fc.record({
      demand: fc.nat(50),
      hasServed: fc.boolean(),
      isWhole: fc.boolean(),
      stepMs: fc.nat(300_000),
    }),
    { minLength: 1, maxLength: 30 },
  );
  fc.assert(
    fc.property(looks, fc.nat(12), fc.constantFrom(rule, idle), (steps, replicas, by) => {
      let atMs = 0;
      const seen = steps.map(({ stepMs, ...rest }) => ({ ...rest, atMs: (atMs += stepMs) }));
      const wish = after(seen, by, replicas);
      assert.ok(
        wish <= by.maxReplicas && (wish >= by.minReplicas || (wish === 0 && by.idleSecondsToZero > 0)),
      );
      const last = seen.at(-1);
      if (wish === 0 && replicas > 0) assert.ok(last?.demand === 0 && last.isWhole && !last.hasServed);
    }),
  );
});
