// What is kept as text is the object that was given, each time it is looked at.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject } from '../api/kube-object.ts';
import { keep } from './kept.ts';
import { NODE, POD } from './kinds.ts';

const owned = (uid: string, name = 'chat'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name,
    uid: `of-${name}`,
    resourceVersion: '7',
    ownerReferences: [{ apiVersion: 'v1', kind: 'OllamaDeployment', name, uid, controller: true }],
    managedFields: [
      {
        manager: 'bigo-operator',
        operation: 'Apply',
        fieldsV1: { 'f:metadata': { 'f:ownerReferences': { [`k:{"uid":"${uid}"}`]: {} } } },
      },
    ],
  },
  spec: { ports: [{ port: 80 }] },
});

test('an object comes out as it was put in, with the managed fields of its own owner', () => {
  for (const uid of ['11111111-2222', '33333333-4444']) {
    const kept = keep(POD, owned(uid));
    assert.deepEqual(kept.open(), owned(uid));
    assert.deepEqual([kept.uid, kept.version], ['of-chat', '7']);
  }
});

test('whatever stands in an object that is JSON comes out again, also in its managed fields', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), fc.uuid(), (spec, fieldsV1, uid) => {
      const metadata = { ...owned(uid).metadata, managedFields: [{ fieldsV1 }] };
      const object = JSON.parse(JSON.stringify({ ...owned(uid), metadata, spec })) as KubeObject;
      assert.deepEqual(keep(POD, object).open(), object);
    }),
    { examples: [[{}, { 'k:{"name":"\n{owner}\\n"}': {} }, '11111111-2222']] },
  );
});

test('who changes what he got changes his own copy', () => {
  const kept = keep(POD, owned('a'));
  (kept.open() as { spec?: unknown }).spec = 'changed';
  assert.deepEqual(kept.open()['spec'], { ports: [{ port: 80 }] });
});

test('an object of the cluster itself is read without a copy, and cannot be changed', () => {
  const kept = keep(NODE, owned('a'));
  assert.equal(kept.open(), kept.open());
  assert.throws(() => Object.assign(kept.open()['spec'] as object, { port: 1 }), TypeError);
});
