// Rules of what is deleted to help a fleet on: only what serves nobody, and only where the next one can be better.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { KubeObject } from '../../../api/kube-object.ts';
import { API_VERSION, KIND, resourceSchema } from '../../../api/ollama-deployment/resource.ts';
import type { Observed } from '../status/observed.ts';
import { mendsOf } from './mend.ts';

const wallMs = Date.parse('2026-01-01T01:00:00Z');
const longAgo = '2026-01-01T00:00:00Z';
const wait = { policy: 'Wait', afterSeconds: 300 } as const;
const move = { policy: 'Delete', afterSeconds: 300 } as const;

interface PodWish {
  readonly revision?: string;
  readonly is?: 'ready' | 'broken' | 'starting' | 'ending';
  readonly since?: string;
  readonly node?: string;
}

function pod(
  ordinal: number,
  { revision = 'new', is = 'ready', since = longAgo, node = 'up' }: PodWish,
): KubeObject {
  const name = `chat-ollama-${ordinal}`;
  const state =
    is === 'broken' ? { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } } : { running: {} };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'n',
      uid: name,
      labels: { 'controller-revision-hash': revision },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'chat-ollama', uid: 's', controller: true },
      ],
      ...(is === 'ending' ? { deletionTimestamp: longAgo } : {}),
    },
    spec: { nodeName: node, volumes: [{ persistentVolumeClaim: { claimName: `models-${name}` } }] },
    status: {
      conditions: [{ type: 'Ready', status: is === 'ready' ? 'True' : 'False', lastTransitionTime: since }],
      containerStatuses: [{ name: 'ollama', image: 'x:1', state }],
    },
  };
}

function fleet(wishes: readonly PodWish[], more: Partial<Observed> = {}): Observed {
  const set: KubeObject = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'chat-ollama', namespace: 'n', generation: 2 },
    spec: { replicas: wishes.length },
    status: { observedGeneration: 2, updateRevision: 'new', currentRevision: 'old' },
  };
  return {
    resource: resourceSchema.parse({
      apiVersion: API_VERSION,
      kind: KIND,
      metadata: { name: 'chat', namespace: 'n' },
      spec: { ollama: { models: ['a:1'] } },
    }),
    children: [set],
    pods: wishes.map((wish, ordinal) => pod(ordinal, wish)),
    nodeReady: new Map([
      ['up', true],
      ['lost', false],
    ]),
    nodeLostSince: new Map([['lost', longAgo]]),
    agents: new Map(),
    createFailures: new Map(),
    storageClasses: undefined,
    problems: [],
    warnings: [],
    waiting: [],
    ...more,
  };
}

const old = { revision: 'old' } as const;
const broken = { revision: 'old', is: 'broken' } as const;
const deletes = (observed: Observed, nodeLost: typeof wait | typeof move = wait) =>
  mendsOf(observed, { nodeLost, wallMs }).map(({ pod: { metadata }, isForced, inMs }) =>
    [metadata.name.slice(-1), isForced ? 'by force' : 'in order', inMs].join(' '),
  );

test('broken pods of an old template are deleted while the set waits for a higher one', () => {
  assert.deepEqual(deletes(fleet([broken, broken, { is: 'starting' }])), ['1 in order 0', '0 in order 0']);
});

test('below an old pod that serves, a broken one would come back from the old template: it waits', () => {
  assert.deepEqual(deletes(fleet([broken, old, {}])), []);
  assert.deepEqual(deletes(fleet([old, broken, {}])), ['1 in order 0']);
});

test('one that ends already is passed over, and so is what a smaller set takes away', () => {
  assert.deepEqual(deletes(fleet([broken, { ...old, is: 'ending' }, {}])), ['0 in order 0']);
  const observed = fleet([old, broken]);
  const [set] = observed.children;
  assert.ok(set);
  assert.deepEqual(deletes({ ...observed, children: [{ ...set, spec: { replicas: 1 } }] }), []);
});

test('a pod that has only just broken gets time to start again', () => {
  const since = new Date(wallMs - 10_000).toISOString();
  assert.deepEqual(deletes(fleet([{ ...broken, since }])), ['0 in order 20000']);
});

test('nothing is done while the set has not seen its own change', () => {
  const observed = fleet([broken]);
  const [set] = observed.children;
  assert.ok(set);
  const unseen = { ...set, status: { observedGeneration: 1, updateRevision: 'new' } };
  assert.deepEqual(deletes({ ...observed, children: [unseen] }), []);
});

test('the Event names the pod and what was wrong with it', () => {
  const [mend] = mendsOf(fleet([broken]), { nodeLost: wait, wallMs });
  assert.equal(mend?.event.reason, 'PodReplaced');
  assert.match(mend.event.note, /pod chat-ollama-0, container ollama: image x:1: no such image/);
});

test('a pod on a lost node stays, unless the resource says that it should go', () => {
  assert.deepEqual(deletes(fleet([{}, { node: 'lost', is: 'starting' }])), []);
  assert.deepEqual(deletes(fleet([{}, { node: 'lost', is: 'starting' }]), move), ['1 by force 0']);
});

test('a lost pod that is being deleted already goes by force too: no kubelet will say that it ended', () => {
  assert.deepEqual(deletes(fleet([{ node: 'lost', is: 'ending' }]), move), ['0 by force 0']);
});

test('a node that does not answer gets its time first', () => {
  const nodeLostSince = new Map([['lost', new Date(wallMs - 60_000).toISOString()]]);
  assert.deepEqual(deletes(fleet([{ node: 'lost', is: 'starting' }], { nodeLostSince }), move), [
    '0 by force 240000',
  ]);
});

test('a pod of a Deployment is never deleted: another one is made elsewhere anyway', () => {
  const observed = fleet([{ node: 'lost' }]);
  const pods = observed.pods.map(({ metadata, ...rest }): KubeObject => {
    const { ownerReferences: _set, ...own } = metadata;
    return { ...rest, metadata: own };
  });
  assert.deepEqual(deletes({ ...observed, pods }, move), []);
});

test('a pod that serves on a node that answers is never deleted, nor one of the present template', () => {
  const wish = fc.record({
    revision: fc.constantFrom('old', 'new', 'older'),
    is: fc.constantFrom('ready', 'broken', 'starting', 'ending'),
    node: fc.constantFrom('up', 'lost', 'unknown'),
  });
  fc.assert(
    fc.property(fc.array(wish, { maxLength: 6 }), fc.constantFrom(wait, move), (wishes, nodeLost) => {
      for (const mend of mendsOf(fleet(wishes), { nodeLost, wallMs })) {
        const { is, node, revision } = wishes[Number(mend.pod.metadata.name.slice(-1))] ?? assert.fail();
        if (node === 'lost' && nodeLost === move) continue;
        assert.deepEqual([is, mend.isForced], ['broken', false]);
        assert.notEqual(revision, 'new');
      }
    }),
  );
});
