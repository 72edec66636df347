// Learned slots: a simulated runner with a true number of places, and what the learner comes to believe.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POLICY } from './constants.ts';
import { mayProbe, onEnd, onFirstByte, onSend, slotsOf } from './slots.ts';
import type { Served, Slots } from './slots.ts';

const promptMs = 50;
const tokensMs = 400;
const stepMs = 5;

interface Running {
  readonly id: string;
  readonly sentAtMs: number;
  readonly workMs: number;
  servedAtMs: number | undefined;
  told: boolean;
}

interface Runner {
  truth: number;
  /** Tells how long it worked and waited, as Ollama does in its own dialect. */
  readonly tells: boolean;
}

function servedAs(runner: Runner, request: Running, nowMs: number): Served {
  const servedAtMs = request.servedAtMs ?? nowMs;
  if (runner.tells)
    return { kind: 'told', workedMs: request.workMs, waitedMs: servedAtMs - request.sentAtMs };
  const seenMs = servedAtMs + promptMs;
  return { kind: 'guessed', seenMs, tookMs: seenMs - request.sentAtMs, expectedMs: promptMs };
}

class Day {
  readonly #running: Running[] = [];
  readonly #runner: Runner;
  readonly #slots: Slots;
  #sent = 0;
  #nowMs = 0;

  constructor(runner: Runner, slots: Slots) {
    this.#runner = runner;
    this.#slots = slots;
  }

  /** Whoever asks has always more to send, of lengths that differ. */
  go(forMs: number): void {
    for (const untilMs = this.#nowMs + forMs; this.#nowMs < untilMs; this.#nowMs += stepMs) {
      for (const request of [...this.#running]) this.#work(request);
      this.#send();
      this.#serve();
    }
  }

  #work(request: Running): void {
    if (request.servedAtMs === undefined) return;
    const ctx = { limits: POLICY, nowMs: this.#nowMs };
    if (!request.told && this.#nowMs >= request.servedAtMs + promptMs) {
      request.told = true;
      onFirstByte(this.#slots, request.id, ctx);
    }
    if (this.#nowMs < request.servedAtMs + request.workMs) return;
    this.#running.splice(this.#running.indexOf(request), 1);
    onEnd(this.#slots, request.id, servedAs(this.#runner, request, this.#nowMs), ctx);
  }

  #send(): void {
    const inFlight = (): number => this.#running.length;
    while (inFlight() < this.#slots.value || mayProbe(this.#slots, inFlight(), POLICY, this.#nowMs)) {
      const id = `r${this.#sent++}`;
      onSend(this.#slots, id, inFlight());
      const workMs = promptMs + tokensMs * (0.5 + ((this.#sent * 5) % 7) / 7);
      this.#running.push({ id, sentAtMs: this.#nowMs, workMs, servedAtMs: undefined, told: false });
    }
  }

  #serve(): void {
    let served = this.#running.filter(request => request.servedAtMs !== undefined).length;
    for (const request of this.#running) {
      if (request.servedAtMs !== undefined || served >= this.#runner.truth) continue;
      request.servedAtMs = this.#nowMs;
      served += 1;
    }
  }
}

for (const tells of [true, false]) {
  const how = tells ? 'that tells its times' : 'that tells nothing';
  for (const truth of [1, 2, 4, 16]) {
    test(`learned slots settle at the truth of ${truth} with a backend ${how}`, () => {
      const slots = slotsOf(undefined, POLICY);
      new Day({ truth, tells }, slots).go(120_000);
      assert.equal(slots.value, truth);
    });
  }

  test(`learned slots fall to the truth of a backend ${how} and was started again with fewer`, () => {
    const slots = slotsOf(undefined, POLICY);
    slots.value = 16;
    new Day({ truth: 3, tells }, slots).go(60_000);
    assert.equal(slots.value, 3);
  });
}

test('given slots are never probed', () => {
  const slots = slotsOf(3, POLICY);
  assert.equal(mayProbe(slots, 3, POLICY, 1e9), false);
});

const told = { kind: 'told', workedMs: 50, waitedMs: 900 } as const;

test('a probe that had to wait for an older request is undone and not repeated at once', () => {
  const slots = slotsOf(undefined, POLICY);
  onSend(slots, 'old', 0);
  onSend(slots, 'new', 1);
  onEnd(slots, 'old', undefined, { limits: POLICY, nowMs: 900 });
  onFirstByte(slots, 'new', { limits: POLICY, nowMs: 950 });
  onEnd(slots, 'new', told, { limits: POLICY, nowMs: 1_000 });
  assert.equal(slots.value, 1);
  assert.equal(mayProbe(slots, 1, POLICY, 1_000), false);
});

test('a probe that has its first byte before an older request ends is a slot, at once', () => {
  const slots = slotsOf(undefined, POLICY);
  onSend(slots, 'old', 0);
  onSend(slots, 'new', 1);
  onFirstByte(slots, 'new', { limits: POLICY, nowMs: 5_000 });
  assert.equal(slots.value, 2);
});

test('a probe whose client left teaches nothing', () => {
  const slots = slotsOf(undefined, POLICY);
  onSend(slots, 'old', 0);
  onSend(slots, 'new', 1);
  onEnd(slots, 'new', undefined, { limits: POLICY, nowMs: 10 });
  assert.equal(slots.value, 1);
});
