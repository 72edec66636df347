// Rules of stores over invented snapshots.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendState, BackendView } from '../../api/fleet.ts';
import { indexModels, modelFromTag } from './models.ts';
import { holdersOf, storeName, storesOf, storesWith } from './stores.ts';

function backend(
  name: string,
  change: {
    store?: string;
    state?: BackendState;
    draining?: boolean;
    models?: string[];
    known?: boolean;
    access?: 'read' | 'write';
  },
): BackendView {
  const models = (change.models ?? []).map(model =>
    modelFromTag({ name: model, digest: 'd' }, () => undefined),
  );
  return {
    spec: {
      name,
      url: `http://${name}`,
      store: change.store ?? name,
      class: 'default',
      ...(change.access === undefined ? {} : { access: change.access }),
    },
    state: change.state ?? 'up',
    stateSinceMs: 0,
    draining: change.draining ?? false,
    version: '0.24.0',
    polledAtMs: change.known === false ? undefined : 1,
    models: indexModels(models.filter(model => model !== undefined)),
    loaded: [],
  };
}
const snapshot = (...backends: BackendView[]) => ({ seq: 1, atMs: 0, backends });

test('backends of one store make one store, in the order of the configuration', () => {
  const stores = storesOf(
    snapshot(backend('b', { store: 's' }), backend('c', {}), backend('a', { store: 's' })),
  );
  assert.deepEqual(
    stores.map(store => [store.id, store.backends.length]),
    [
      ['s', 2],
      ['c', 1],
    ],
  );
});

test('the writer is the first usable backend by name; a draining one only if there is no other', () => {
  const writer = (...backends: BackendView[]) => storesOf(snapshot(...backends))[0]?.writer?.spec.name;
  assert.equal(writer(backend('b', { store: 's' }), backend('a', { store: 's' })), 'a');
  assert.equal(writer(backend('b', { store: 's' }), backend('a', { store: 's', draining: true })), 'b');
  assert.equal(
    writer(backend('b', { store: 's', state: 'down' }), backend('a', { store: 's', draining: true })),
    'a',
  );
  assert.equal(
    writer(backend('b', { store: 's', state: 'down' }), backend('a', { store: 's', state: 'unknown' })),
    undefined,
  );
});

test('a backend that is this gateway itself is in no store', () => {
  assert.deepEqual(storesOf(snapshot(backend('a', { state: 'loop' }))), []);
});

test('holders are told apart by whether they can be reached; a store that nobody ever read may hold anything', () => {
  const stores = storesOf(
    snapshot(
      backend('has', { models: ['m'] }),
      backend('lacks', {}),
      backend('gone', { models: ['m'], state: 'down' }),
      backend('empty', { state: 'down' }),
      backend('never', { state: 'down', known: false }),
    ),
  );
  const holders = holdersOf(stores, 'm:latest');
  assert.deepEqual(holders.reachable.map(storeName), ['has']);
  assert.deepEqual(holders.unreachable.map(storeName), ['gone', 'never']);
});

test('names of backends choose their stores; without names every store is meant', () => {
  const stores = storesOf(
    snapshot(
      backend('a', { store: 's' }),
      backend('b', { store: 's' }),
      backend('c', { state: 'down' }),
      backend('d', {}),
    ),
  );
  const chosen = storesWith(stores, ['b', 'c', 'nobody']);
  assert.deepEqual(
    [chosen.reachable.map(store => store.id), chosen.unreachable.map(store => store.id)],
    [['s'], ['c']],
  );
  assert.equal(storesWith(stores, undefined).reachable.length, 2);
});

test('a backend that may only read is never the writer, also when the writer is away', () => {
  const reader = backend('a', { store: 's', access: 'read' });
  const writer = (state: BackendState) =>
    backend('w', { store: 's', access: 'write', draining: true, state });
  assert.equal(storesOf(snapshot(reader, writer('up')))[0]?.writer?.spec.name, 'w');
  assert.equal(storesOf(snapshot(reader, writer('down')))[0]?.writer, undefined);
  assert.equal(storesOf(snapshot(reader))[0]?.writer, undefined);
});
