// Rules of the plan: what is made, changed, taken away, waited for and left alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/kube-object.ts';
import { plan, type Step } from './plan.ts';

const owner = { kind: 'OllamaDeployment', name: 'chat', uid: 'u1' };
const reference = (uid = 'u1', name = 'chat') => ({
  apiVersion: 'x/v1',
  kind: 'OllamaDeployment',
  name,
  uid,
  controller: true,
});
const fieldsV1 = {
  'f:metadata': {
    'f:labels': { 'f:ollama-deployment': {} },
    'f:ownerReferences': { 'k:{"uid":"u1"}': {} },
  },
};
const wanted = (kind = 'ConfigMap', name = 'chat-x'): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, namespace: 'n', labels: { 'ollama-deployment': 'chat' }, ownerReferences: [reference()] },
});
const live = (metadata: object = {}, kind = 'ConfigMap', name = 'chat-x'): KubeObject => ({
  ...wanted(kind, name),
  metadata: {
    ...wanted(kind, name).metadata,
    uid: 'live',
    managedFields: [{ manager: 'bigo-operator', operation: 'Apply', fieldsV1 }],
    ...metadata,
  },
});
const verbs = (desired: readonly KubeObject[], there: readonly KubeObject[]): string[] =>
  plan({ owner, desired, live: there, isServed: () => true }).map((step: Step) => step.verb);

test('what is missing is made, what is right is left, what differs is applied', () => {
  assert.deepEqual(verbs([wanted()], []), ['create']);
  assert.deepEqual(verbs([wanted()], [live()]), []);
  assert.deepEqual(verbs([wanted()], [live({ labels: { 'ollama-deployment': 'other' } })]), ['apply']);
});

test('what is not wanted any more goes, if it carries our mark and our owner', () => {
  assert.deepEqual(verbs([], [live()]), ['delete']);
  assert.deepEqual(verbs([], [live({ ownerReferences: [] })]), []);
  assert.deepEqual(verbs([], [live({ ownerReferences: [reference('u2', 'other')] })]), []);
  assert.deepEqual(verbs([], [live({ labels: {} })]), []);
  assert.deepEqual(verbs([], [live({ deletionTimestamp: 'now' })]), []);
});

test('an object of another owner, or of nobody, is refused and never written', () => {
  const byHand = [{ manager: 'kubectl', operation: 'Update', fieldsV1 }];
  assert.deepEqual(verbs([wanted()], [live({ ownerReferences: [], managedFields: byHand })]), ['refuse']);
  assert.deepEqual(verbs([wanted()], [live({ ownerReferences: [], labels: {} })]), ['refuse']);
  assert.deepEqual(verbs([wanted()], [live({ ownerReferences: [reference('u2', 'other')] })]), ['refuse']);
});

test('an object of ours that was orphaned, or lost its owner by hand, is taken up again', () => {
  assert.deepEqual(verbs([wanted()], [live({ ownerReferences: [] })]), ['apply']);
});

test('what a deleted namesake left is waited for until it is collected, and so is what is being deleted', () => {
  assert.deepEqual(verbs([wanted()], [live({ ownerReferences: [reference('u0')] })]), ['wait']);
  assert.deepEqual(verbs([wanted()], [live({ deletionTimestamp: 'now' })]), ['wait']);
});

test('a claim that was kept is taken up again by its resource, and by no other', () => {
  const claim = 'PersistentVolumeClaim';
  const kept = live({ ownerReferences: [] }, claim);
  assert.deepEqual(verbs([wanted(claim)], [kept]), ['apply']);
  assert.deepEqual(verbs([wanted(claim)], [live({ ownerReferences: [], managedFields: [] }, claim)]), [
    'refuse',
  ]);
  assert.deepEqual(verbs([], [kept]), []);
});

test('a kind that this cluster lacks is left out', () => {
  const steps = plan({ owner, desired: [wanted()], live: [], isServed: () => false });
  assert.deepEqual(steps, []);
});

test('a set whose volumes grow gets bigger claims and is made anew around its pods', () => {
  const template = (storage: string) => ({
    volumeClaimTemplates: [{ metadata: { name: 'models' }, spec: { resources: { requests: { storage } } } }],
  });
  const set = { ...wanted('StatefulSet', 'chat-ollama'), spec: template('20Gi') };
  const before = { ...live({}, 'StatefulSet', 'chat-ollama'), spec: template('10Gi') };
  const claim = (name: string, storage: string) => ({
    ...live({ ownerReferences: [] }, 'PersistentVolumeClaim', name),
    spec: { resources: { requests: { storage } } },
  });
  const there = [
    before,
    claim('models-chat-ollama-0', '10Gi'),
    claim('models-chat-ollama-1', '30Gi'),
    claim('models-other-0', '1Gi'),
  ];
  const steps = plan({ owner, desired: [set], live: there, isServed: () => true });
  assert.deepEqual(
    steps.map(step => [step.verb, step.object.metadata.name]),
    [
      ['growClaim', 'models-chat-ollama-0'],
      ['delete', 'chat-ollama'],
    ],
  );
  assert.equal(steps[1]?.verb === 'delete' && steps[1].propagation, 'Orphan');
});
