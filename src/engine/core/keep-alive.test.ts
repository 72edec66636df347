// keep_alive in all its forms. Never reads a clock.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foreverMs, parseGoDuration, parseKeepAlive } from './keep-alive.ts';

test('keep_alive is seconds as a number, a Go duration as text, for ever when negative', () => {
  assert.equal(parseKeepAlive(undefined), undefined);
  assert.equal(parseKeepAlive(null), undefined);
  assert.equal(parseKeepAlive(0), 0);
  assert.equal(parseKeepAlive(90), 90_000);
  assert.equal(parseKeepAlive('5m'), 300_000);
  assert.equal(parseKeepAlive('1h30m'), 5_400_000);
  assert.equal(parseKeepAlive('1.5s'), 1_500);
  assert.equal(parseKeepAlive('0'), 0);
  assert.equal(parseKeepAlive(-1), foreverMs);
  assert.equal(parseKeepAlive('-1s'), foreverMs);
  assert.equal(parseKeepAlive(1e300), foreverMs);
});

test("what Go refuses is refused in Go's words", () => {
  assert.throws(() => parseKeepAlive('x'), { status: 400, message: 'time: invalid duration "x"' });
  assert.throws(() => parseKeepAlive('5'), { message: 'time: missing unit in duration "5"' });
  assert.throws(() => parseKeepAlive('5m3'), { message: 'time: missing unit in duration "5m3"' });
  assert.throws(() => parseKeepAlive(''), { message: 'time: invalid duration ""' });
  assert.throws(() => parseKeepAlive(true), { message: "Unsupported type: 'bool'" });
});

test('all units add up', () => {
  assert.equal(parseGoDuration('1h1m1s1ms1000us1000000ns'), 3_661_003);
  assert.equal(parseGoDuration('-2.5m'), -150_000);
});
