// When a long change may count a backend as lost. The fleet here is two functions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackendState, FleetSnapshot } from '../../api/fleet.ts';
import type { Fleet } from '../../fleet/types.ts';
import { whenLost } from './lost.ts';

function fleetWith(first: BackendState): {
  fleet: Pick<Fleet, 'snapshot' | 'onChange'>;
  become: (state?: BackendState) => void;
  listeners: Set<() => void>;
} {
  const listeners = new Set<() => void>();
  let state: BackendState | undefined = first;
  const backend = () => ({ spec: { name: 'a', url: '', store: 'a', class: '' }, state, draining: false });
  const snapshot = () =>
    ({ seq: 0, atMs: 0, backends: state === undefined ? [] : [backend()] }) as unknown as FleetSnapshot;
  const fleet = {
    snapshot,
    onChange: (listener: (snapshot: FleetSnapshot) => void) => {
      const call = (): void => listener(snapshot());
      listeners.add(call);
      return () => void listeners.delete(call);
    },
  };
  const become = (next?: BackendState): void => {
    state = next;
    for (const listener of listeners) listener();
  };
  return { fleet, become, listeners };
}

test('a backend that stays down is lost; one that returns in time is not', async () => {
  const { fleet, become } = fleetWith('up');
  const watch = whenLost(fleet, 'a', 80);
  become('down');
  await sleep(20);
  become('up');
  await sleep(120);
  assert.equal(watch.signal.aborted, false);
  become('down');
  await sleep(160);
  assert.equal(watch.signal.aborted, true);
  watch.end();
});

test('a backend that was taken out of the configuration is lost as well', async () => {
  const { fleet, become } = fleetWith('up');
  const watch = whenLost(fleet, 'a', 20);
  become(undefined);
  await sleep(100);
  assert.equal(watch.signal.aborted, true);
  watch.end();
});

test('after its end a watch hears nothing and says nothing', async () => {
  const { fleet, become, listeners } = fleetWith('down');
  const watch = whenLost(fleet, 'a', 20);
  watch.end();
  become('down');
  await sleep(60);
  assert.deepEqual([watch.signal.aborted, listeners.size], [false, 0]);
});
