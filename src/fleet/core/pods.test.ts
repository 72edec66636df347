// Rules of pods as backends. Never asks an API server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject } from '../../api/kube-object.ts';
import {
  backendsOf,
  DRAIN_UNTIL,
  drainingOf,
  podView,
  readyGateways,
  replacedNames,
  shareOf,
  urlOf,
  type PodView,
} from './pods.ts';

const aPod = (name: string, extra: Partial<PodView> = {}): PodView => ({
  name,
  uid: `uid of ${name}`,
  address: '10.0.0.1',
  isEnding: false,
  isReady: true,
  drainUntilMs: undefined,
  ...extra,
});

const anObject = (status: object, metadata: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', uid: 'u', ...metadata },
  status,
});

test('a pod is a candidate as soon as it has an address, ready or not, and no more when it has run to its end', () => {
  assert.equal(podView(anObject({ phase: 'Pending' })), undefined);
  assert.equal(podView(anObject({ phase: 'Failed', podIP: '10.0.0.1' })), undefined);
  const view = podView(anObject({ phase: 'Running', podIP: '10.0.0.1' }));
  assert.equal(view?.isReady, false);
  assert.deepEqual(backendsOf({ pods: view === undefined ? [] : [view] }, { port: 11_434 }, 1), [
    { name: 'p', url: 'http://10.0.0.1:11434', store: 'p', class: 'default' },
  ]);
});

test('a drain that is planned is read from the annotation; nonsense there is no drain', () => {
  const drain = (text: string) =>
    podView(anObject({ podIP: '10.0.0.1' }, { annotations: { [DRAIN_UNTIL]: text } }))?.drainUntilMs;
  assert.equal(drain('2026-01-01T00:00:00Z'), Date.UTC(2026, 0, 1));
  assert.equal(drain('soon'), undefined);
});

test('a pod gets nothing new from its deletion on, and until a planned drain is over', () => {
  const pods = [
    aPod('a'),
    aPod('b', { isEnding: true }),
    aPod('c', { drainUntilMs: 100 }),
    aPod('d', { drainUntilMs: 50 }),
  ];
  const now = drainingOf(pods, 60);
  assert.deepEqual([...now.names].sort(), ['b', 'c']);
  assert.equal(now.changesAtMs, 100);
  assert.deepEqual([...drainingOf(pods, 100).names], ['b']);
});

test('an address of IPv6 goes into brackets', () => {
  assert.equal(urlOf('fd00::1', 11_434), 'http://[fd00::1]:11434');
});

test('a pod that comes after another one of the same name is told apart by its uid', () => {
  assert.deepEqual(
    [...replacedNames([aPod('a'), aPod('b')], [aPod('a'), aPod('b', { uid: 'new' }), aPod('c')])],
    ['b'],
  );
});

test('gateways that are ready share the slots; a gateway counts at least itself', () => {
  assert.equal(readyGateways([]), 1);
  assert.equal(readyGateways([aPod('a'), aPod('b', { isReady: false }), aPod('c', { isEnding: true })]), 1);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 256 }), fc.integer({ min: 1, max: 20 }), (slots, gateways) => {
      const share = shareOf(slots, gateways);
      assert.ok(share >= 1 && share * gateways >= slots && (share - 1) * gateways < slots);
    }),
  );
});

test('where one pod alone may write, it serves no request and the others change no model', () => {
  const found = { pods: [aPod('p-1'), aPod('p-0')], writers: [aPod('a-writer-0')] };
  const specs = backendsOf(found, { port: 11_434, store: 'shared' }, 1);
  assert.deepEqual(
    specs.map(({ name, access, store }) => [name, access, store]),
    [
      ['p-0', 'read', 'shared'],
      ['p-1', 'read', 'shared'],
      ['a-writer-0', 'write', 'shared'],
    ],
  );
  const none = backendsOf({ ...found, writers: [] }, { port: 11_434, store: 'shared' }, 1);
  assert.ok(
    none.every(({ access }) => access === 'read'),
    'a writer that is away is not replaced by a reader',
  );
});
