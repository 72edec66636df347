// Rules of when an apply is worth a request. The same objects go through a real API server in the cluster suite.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/kube-object.ts';
import { difference } from './subset.ts';

const manager = 'bigo-operator';

function live(object: Record<string, unknown>, fieldsV1: Record<string, unknown>): KubeObject {
  const { metadata, ...fields } = object as { metadata?: object };
  const managedFields = [{ manager, operation: 'Apply', fieldsV1 }];
  return { apiVersion: 'v1', kind: 'X', metadata: { name: 'x', ...metadata, managedFields }, ...fields };
}
const wanted = (fields: Record<string, unknown>, metadata: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'X',
  metadata: { name: 'x', ...metadata },
  ...fields,
});
const container = { 'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:name': {}, 'f:image': {} } } };

test('what the server filled in is no difference', () => {
  const there = live(
    { spec: { port: 1, protocol: 'TCP', clusterIP: '10.0.0.1' } },
    { 'f:spec': { 'f:port': {} } },
  );
  assert.equal(difference(wanted({ spec: { port: 1 } }), there, manager), undefined);
});

test('a changed, a missing and a foreign value are differences', () => {
  const owned = { 'f:spec': { 'f:port': {} } };
  assert.equal(
    difference(wanted({ spec: { port: 2 } }), live({ spec: { port: 1 } }, owned), manager),
    'spec.port',
  );
  assert.equal(difference(wanted({ spec: { port: 2 } }), live({ spec: {} }, owned), manager), 'spec.port');
  assert.equal(
    difference(wanted({ spec: { port: 1 } }), live({ spec: { port: 1 } }, { 'f:spec': {} }), manager),
    undefined,
  );
  const taken = live({ spec: { port: 1, name: 'a' } }, { 'f:spec': { 'f:name': {} } });
  assert.equal(difference(wanted({ spec: { port: 1, name: 'a' } }), taken, manager), 'spec.port');
});

test('a field that was ours and is not wanted any more is a difference; one that was never ours is not', () => {
  const owned = { 'f:spec': { 'f:port': {}, 'f:old': {} } };
  assert.equal(
    difference(wanted({ spec: { port: 1 } }), live({ spec: { port: 1, old: 2 } }, owned), manager),
    'spec.old',
  );
  const theirs = live({ spec: { port: 1, old: 2 } }, { 'f:spec': { 'f:port': {} } });
  assert.equal(difference(wanted({ spec: { port: 1 } }), theirs, manager), undefined);
});

test('an object that was never applied by us is applied', () => {
  const there = { ...wanted({ spec: { port: 1 } }), metadata: { name: 'x' } };
  assert.equal(difference(wanted({ spec: { port: 1 } }), there, manager), 'metadata.managedFields');
});

test('quantities are compared by value where they are quantities, and as text elsewhere', () => {
  const owned = { 'f:spec': { 'f:requests': { 'f:cpu': {}, 'f:memory': {} } } };
  const there = live({ spec: { requests: { cpu: '1', memory: '2Gi' } } }, owned);
  assert.equal(
    difference(wanted({ spec: { requests: { cpu: '1000m', memory: '2048Mi' } } }), there, manager),
    undefined,
  );
  assert.equal(
    difference(wanted({ spec: { requests: { cpu: 1, memory: '2Gi' } } }), there, manager),
    undefined,
  );
  assert.equal(
    difference(wanted({ spec: { requests: { cpu: '2', memory: '2Gi' } } }), there, manager),
    'spec.requests.cpu',
  );
  const text = live({ data: { value: '1' } }, { 'f:data': { 'f:value': {} } });
  assert.equal(difference(wanted({ data: { value: '1000m' } }), text, manager), 'data.value');
});

test('a port may be a number or its text', () => {
  const there = live({ spec: { targetPort: 80 } }, { 'f:spec': { 'f:targetPort': {} } });
  assert.equal(difference(wanted({ spec: { targetPort: '80' } }), there, manager), undefined);
});

test('what is empty is the same as what is left out', () => {
  const there = live({ spec: { port: 1 } }, { 'f:spec': { 'f:port': {}, 'f:args': {} } });
  assert.equal(difference(wanted({ spec: { port: 1, args: [], env: [] } }), there, manager), undefined);
});

test('items of a keyed list are compared by their key, in any order, and others’ items are left alone', () => {
  const items = [
    { name: 'injected', image: 'side' },
    { name: 'a', image: 'one', terminationMessagePath: '/dev/log' },
  ];
  const there = live({ spec: { containers: items } }, { 'f:spec': container });
  assert.equal(
    difference(wanted({ spec: { containers: [{ name: 'a', image: 'one' }] } }), there, manager),
    undefined,
  );
  assert.match(
    difference(wanted({ spec: { containers: [{ name: 'a', image: 'two' }] } }), there, manager) ?? '',
    /image$/,
  );
  assert.match(
    difference(wanted({ spec: { containers: [{ name: 'b', image: 'one' }] } }), there, manager) ?? '',
    /"name":"a"/,
  );
  const gone = live({ spec: { containers: [{ name: 'injected' }] } }, { 'f:spec': container });
  assert.ok(difference(wanted({ spec: { containers: [{ name: 'a', image: 'one' }] } }), gone, manager));
});

test('a key field that is left out has the server’s default', () => {
  const owned = { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {}, 'f:name': {} } } };
  const there = live(
    { spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 80 }] } },
    { 'f:spec': owned },
  );
  assert.equal(
    difference(wanted({ spec: { ports: [{ name: 'http', port: 80 }] } }), there, manager),
    undefined,
  );
});

test('a list that is owned as a whole is compared as a whole', () => {
  const owned = { 'f:spec': { 'f:args': {}, 'f:rules': {} } };
  const there = live({ spec: { args: ['a', 'b'], rules: [{ host: 'x', pathType: 'Prefix' }] } }, owned);
  const same = { args: ['a', 'b'], rules: [{ host: 'x' }] };
  assert.equal(difference(wanted({ spec: same }), there, manager), undefined);
  assert.equal(difference(wanted({ spec: { ...same, args: ['a'] } }), there, manager), 'spec.args');
  assert.equal(difference(wanted({ spec: { ...same, args: ['b', 'a'] } }), there, manager), 'spec.args.0');
});

test('of the metadata only labels, annotations, owners and finalizers are ours', () => {
  const owned = { 'f:metadata': { 'f:labels': { 'f:a': {} } } };
  const there = live({ metadata: { labels: { a: '1', b: 'theirs' }, generation: 7 } }, owned);
  assert.equal(difference(wanted({}, { labels: { a: '1' }, namespace: 'n' }), there, manager), undefined);
  assert.equal(difference(wanted({}, { labels: { a: '2' } }), there, manager), 'metadata.labels.a');
  assert.equal(difference(wanted({}, {}), there, manager), 'metadata.labels');
});
