// Rules of when a pod may end. Never opens a connection.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drainView, isQuiet, verdict, type GatewayLook } from './drain.ts';

const aGateway = (address: string, inFlight: number | undefined, silences = 0): GatewayLook => ({
  address,
  inFlight,
  silences,
});

test('a gateway tells what it has here; its idle connections say nothing', () => {
  const gateways = [aGateway('10.0.0.1', 0), aGateway('10.0.0.2', 2)];
  const view = drainView({ gateways, remotes: ['10.0.0.1', '10.0.0.1', '10.0.0.2'] });
  assert.deepEqual(view, { inFlight: 2, direct: 0, silent: 0 });
  assert.equal(isQuiet(view), false);
});

test('every connection of a caller that is no gateway counts, but for the pod itself', () => {
  const remotes = ['10.0.0.9', '127.0.0.1', '0:0:0:0:0:0:0:1'];
  assert.equal(drainView({ gateways: [], remotes }).direct, 1);
});

test('a gateway that keeps silent is waited for, and then counted by its connections', () => {
  const waits = drainView({ gateways: [aGateway('10.0.0.1', undefined, 1)], remotes: ['10.0.0.1'] });
  assert.deepEqual(waits, { inFlight: 0, direct: 0, silent: 1 });
  const gone = drainView({ gateways: [aGateway('10.0.0.1', undefined, 5)], remotes: ['10.0.0.1'] });
  assert.deepEqual(gone, { inFlight: 0, direct: 1, silent: 0 });
  assert.equal(isQuiet(drainView({ gateways: [aGateway('10.0.0.1', undefined, 5)], remotes: [] })), true);
});

test('one quiet look is not enough, and the deadline ends every wait', () => {
  const at = { nowMs: 10, deadlineMs: 100 };
  assert.equal(verdict(1, at), undefined);
  assert.equal(verdict(2, at), 'drained');
  assert.equal(verdict(0, { nowMs: 100, deadlineMs: 100 }), 'expired');
});
