// Rules of leading: who may take the lease, and when.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEASE_TIMES as times, leaseMove, nextSpec, retryDelayMs, seeLease } from './lease.ts';

const held = {
  resourceVersion: '1',
  spec: { holderIdentity: 'other', renewTime: '1990-01-01T00:00:00.000000Z' },
};

test('a lease that nobody has made is made, one that nobody holds is taken', () => {
  assert.equal(leaseMove(undefined, { identity: 'me', nowMs: 0, times }), 'create');
  const free = seeLease(undefined, { resourceVersion: '1', spec: { holderIdentity: '' } }, 0);
  assert.equal(leaseMove(free, { identity: 'me', nowMs: 0, times }), 'take');
});

test('a lease is taken only after it stood still here for its whole duration, whatever time it shows', () => {
  const first = seeLease(undefined, held, 1_000);
  assert.equal(leaseMove(first, { identity: 'me', nowMs: 15_999, times }), 'wait');
  assert.equal(leaseMove(first, { identity: 'me', nowMs: 16_000, times }), 'take');
});

test('each renewal that is seen begins the wait anew', () => {
  const first = seeLease(undefined, held, 0);
  const same = seeLease(first, held, 9_000);
  assert.equal(same.seenAtMs, 0);
  const renewed = seeLease(same, { ...held, resourceVersion: '2' }, 14_000);
  assert.equal(leaseMove(renewed, { identity: 'me', nowMs: 20_000, times }), 'wait');
});

test('a renewal keeps the time of acquiring, a takeover counts one transition more', () => {
  const seen = seeLease(
    undefined,
    { resourceVersion: '1', spec: { holderIdentity: 'me', acquireTime: 'then', leaseTransitions: 3 } },
    0,
  );
  assert.deepEqual(nextSpec('renew', seen, { identity: 'me', wallIso: 'now', times }), {
    holderIdentity: 'me',
    leaseDurationSeconds: 15,
    acquireTime: 'then',
    renewTime: 'now',
    leaseTransitions: 3,
  });
  assert.equal(nextSpec('take', seen, { identity: 'me', wallIso: 'now', times }).leaseTransitions, 4);
});

test('stand-ins try at different moments', () => {
  assert.equal(
    retryDelayMs(times, () => 0),
    2_000,
  );
  assert.equal(
    retryDelayMs(times, () => 1),
    4_400,
  );
});
