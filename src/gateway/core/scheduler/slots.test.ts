// Learned slots: a simulated runner with a true number of places, and what the learner comes to believe.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POLICY } from './constants.ts';
import { mayProbe, onEnd, onFirstByte, slotsOf, startProbe } from './slots.ts';
import type { Slots } from './slots.ts';

const promptMs = 50;
const tokensMs = 400;

interface Running {
  readonly id: string;
  servedAtMs: number | undefined;
  told: boolean;
}

/** A runner with `truth` places and a client side that always has more to send. */
function run(slots: Slots, truth: number, untilMs: number): void {
  const running: Running[] = [];
  let sent = 0;
  for (let nowMs = 0; nowMs < untilMs; nowMs += 5) {
    const ctx = { limits: POLICY, nowMs };
    for (const request of [...running]) {
      if (request.servedAtMs === undefined) continue;
      if (!request.told && nowMs >= request.servedAtMs + promptMs) {
        request.told = true;
        onFirstByte(slots, request.id, promptMs, ctx);
      }
      if (nowMs < request.servedAtMs + promptMs + tokensMs * (0.5 + (sent % 7) / 7)) continue;
      running.splice(running.indexOf(request), 1);
      onEnd(slots, request.id, ctx);
    }
    for (;;) {
      const free = running.length < slots.value;
      if (!free && !mayProbe(slots, running.length, POLICY, nowMs)) break;
      const id = `r${sent++}`;
      if (!free) startProbe(slots, id);
      running.push({ id, servedAtMs: undefined, told: false });
    }
    let served = running.filter(request => request.servedAtMs !== undefined).length;
    for (const request of running) {
      if (request.servedAtMs !== undefined || served >= truth) continue;
      request.servedAtMs = nowMs;
      served += 1;
    }
  }
}

for (const truth of [1, 2, 4, 16]) {
  test(`learned slots settle at the truth of ${truth}`, () => {
    const slots = slotsOf(undefined, POLICY);
    run(slots, truth, 120_000);
    assert.equal(slots.value, truth);
  });
}

test('given slots are never probed', () => {
  const slots = slotsOf(3, POLICY);
  assert.equal(mayProbe(slots, 3, POLICY, 1e9), false);
});

test('a probe that had to wait for an older request is undone and not repeated at once', () => {
  const slots = slotsOf(undefined, POLICY);
  startProbe(slots, 'new');
  onEnd(slots, 'old', { limits: POLICY, nowMs: 1_000 });
  onFirstByte(slots, 'new', promptMs, { limits: POLICY, nowMs: 1_060 });
  assert.equal(slots.value, 1);
  assert.equal(mayProbe(slots, 1, POLICY, 1_060), false);
});

test('a probe whose client left teaches nothing', () => {
  const slots = slotsOf(undefined, POLICY);
  startProbe(slots, 'new');
  onEnd(slots, 'new', { limits: POLICY, nowMs: 10 });
  assert.equal(slots.value, 1);
  assert.equal(mayProbe(slots, 1, POLICY, 10), true);
});
