// The decision after a failed attempt, as a table and as laws.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { attemptsMax, budgetMin, decideRetry } from './retry.ts';
import type { FailedAttempt, Failure, RetryBudget } from './retry.ts';

const FIRST: FailedAttempt = {
  failure: 'reset',
  sentBytes: 0,
  attempts: 1,
  serverErrors: 0,
  staleUsed: false,
};
const CALM: RetryBudget = { retrying: 0, inFlight: 1 };

const TABLE: [string, Partial<FailedAttempt>, string, string, string][] = [
  ['no connection', { failure: 'connect' }, 'other', 'failed', 'connect'],
  ['a reset', { failure: 'reset' }, 'other', 'failed', 'reset'],
  ['a stale connection', { failure: 'stale' }, 'same', 'ok', 'stale'],
  ['a stale connection again', { failure: 'stale', staleUsed: true }, 'other', 'failed', 'stale'],
  ['HTML', { failure: 'invalid' }, 'other', 'failed', 'invalid'],
  ['frozen', { failure: 'frozen' }, 'other', 'failed', 'frozen'],
  ['a cut held answer', { failure: 'cut' }, 'other', 'failed', 'cut'],
  ['a late first byte', { failure: 'first_byte_timeout' }, 'fail', 'failed', 'first_byte_timeout'],
  ['too large an answer', { failure: 'too_large' }, 'fail', 'refused', 'too_large'],
  ['a 400', { failure: 'status', status: 400 }, 'forward', 'refused', 'status_400'],
  ['a 404 of another kind', { failure: 'status', status: 404 }, 'forward', 'refused', 'status_404'],
  [
    'a missing model',
    { failure: 'status', status: 404, modelMissing: true },
    'other',
    'refused',
    'model_missing',
  ],
  ['a 429', { failure: 'status', status: 429 }, 'forward', 'refused', 'status_429'],
  ['a first 500', { failure: 'status', status: 500, serverErrors: 1 }, 'other', 'failed', 'status_500'],
  [
    'a second 500',
    { failure: 'status', status: 500, serverErrors: 2, attempts: 2 },
    'forward',
    'failed',
    'status_500',
  ],
  ['a 501', { failure: 'status', status: 501 }, 'forward', 'failed', 'status_501'],
  ['a 503', { failure: 'status', status: 503 }, 'other', 'failed', 'status_503'],
  ['a third 503', { failure: 'status', status: 503, attempts: 3 }, 'forward', 'failed', 'status_503'],
  ['a third reset', { failure: 'reset', attempts: 3 }, 'fail', 'failed', 'reset'],
  ['a cut after a byte was sent', { failure: 'cut', sentBytes: 1 }, 'fail', 'failed', 'cut'],
];
for (const [what, attempt, action, outcome, reason] of TABLE) {
  test(`${what}: ${action}, ${outcome}`, () => {
    const decision = decideRetry({ ...FIRST, ...attempt }, CALM);
    assert.deepEqual([decision.action, decision.outcome, decision.reason], [action, outcome, reason]);
  });
}

const anyAttempt = fc.record({
  failure: fc.constantFrom<Failure>(
    'connect',
    'stale',
    'reset',
    'invalid',
    'status',
    'first_byte_timeout',
    'frozen',
    'cut',
    'stalled',
    'too_large',
  ),
  status: fc.integer({ min: 300, max: 599 }),
  modelMissing: fc.boolean(),
  sentBytes: fc.constantFrom(0, 0, 1, 9_999),
  attempts: fc.integer({ min: 1, max: 5 }),
  serverErrors: fc.integer({ min: 0, max: 3 }),
  staleUsed: fc.boolean(),
});
const anyBudget = fc.record({ retrying: fc.nat(100), inFlight: fc.nat(1_000) });

test('law: after a byte was sent there is never another attempt', () => {
  fc.assert(
    fc.property(anyAttempt, anyBudget, (attempt, budget) => {
      const { action } = decideRetry({ ...attempt, sentBytes: 1 }, budget);
      assert.ok(action === 'fail');
    }),
  );
});

test('law: never more than three attempts elsewhere, whatever happens', () => {
  fc.assert(
    fc.property(anyAttempt, anyBudget, (attempt, budget) => {
      const { action } = decideRetry({ ...attempt, attempts: attemptsMax }, budget);
      assert.notEqual(action, 'other');
    }),
  );
});

test('law: a spent budget stops retries elsewhere, and a small gateway always has some', () => {
  fc.assert(
    fc.property(anyAttempt, fc.nat(1_000), (attempt, inFlight) => {
      fc.pre(attempt.failure !== 'connect');
      const spent = Math.max(budgetMin, Math.floor(inFlight / 10));
      assert.notEqual(decideRetry(attempt, { retrying: spent, inFlight }).action, 'other');
    }),
  );
  assert.equal(decideRetry(FIRST, { retrying: budgetMin - 1, inFlight: 1 }).action, 'other');
});

test('a backend that took no connection is left for another, whatever the budget', () => {
  const spent = { retrying: 1_000, inFlight: 1 };
  assert.equal(decideRetry({ ...FIRST, failure: 'connect' }, spent).action, 'other');
});

test('law: a 4xx never counts against a backend', () => {
  fc.assert(
    fc.property(anyAttempt, anyBudget, fc.integer({ min: 400, max: 499 }), (attempt, budget, status) => {
      const decision = decideRetry({ ...attempt, failure: 'status', sentBytes: 0, status }, budget);
      assert.equal(decision.outcome, 'refused');
    }),
  );
});
