// Rules of the status: what is seen is said, by the listed reasons, and nothing is said to be that is not seen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentStatus } from '../../../api/agent-status.ts';
import type { KubeObject } from '../../../api/kube-object.ts';
import { API_VERSION, KIND, resourceSchema } from '../../../api/ollama-deployment/resource.ts';
import { isOnlyProgress, isSameStatus } from './compare.ts';
import type { Observed } from './observed.ts';
import { statusOf } from './status.ts';
import { eventsOf } from '../events.ts';

const now = '2026-01-01T00:00:00.000Z';
const ready = { conditions: [{ type: 'Ready', status: 'True' }], podIP: '10.0.0.1' };

function workload(kind: string, name: string, status: object, replicas = 1): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace: 'n', generation: 1 },
    spec: { replicas },
    status,
  };
}
const whole = (replicas = 1) => ({
  observedGeneration: 1,
  replicas,
  readyReplicas: replicas,
  availableReplicas: replicas,
  updatedReplicas: replicas,
  currentRevision: 'r',
  updateRevision: 'r',
});

function pod(name: string, status: object, metadata: object = {}): KubeObject {
  const volumes = [{ persistentVolumeClaim: { claimName: `models-${name}` } }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'n', uid: name, ...metadata },
    spec: { nodeName: 'node-1', volumes },
    status,
  };
}

function agent(models: AgentStatus['models']): AgentStatus {
  return {
    pod: 'p',
    version: '1',
    at: now,
    ollama: { up: true },
    ready: true,
    settled: true,
    draining: false,
    models,
    blobs: { count: 0, hashed: 0, wrong: [], repaired: 0 },
    errors: [],
  };
}
const present = {
  name: 'llama3.2:1b',
  declared: true,
  state: 'present',
  digest: 'd1',
  sizeBytes: 10,
} as const;

function observed(more: Partial<Observed> = {}, spec: object = {}): Observed {
  const resource = resourceSchema.parse({
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name: 'chat', namespace: 'n', generation: 3 },
    spec: { ollama: { models: ['llama3.2:1b'] }, gateway: { enabled: true, replicas: 1 }, ...spec },
  });
  return {
    resource,
    children: [
      workload('StatefulSet', 'chat-ollama', whole()),
      workload('Deployment', 'chat-gateway', whole()),
    ],
    pods: [pod('chat-ollama-0', ready)],
    nodeReady: new Map([['node-1', true]]),
    agents: new Map([['chat-ollama-0', { status: agent([present]) }]]),
    createFailures: new Map(),
    storageClasses: undefined,
    problems: [],
    warnings: [],
    waiting: [],
    ...more,
  };
}

const conditionOf = (input: Observed, type: string) =>
  statusOf(input, now).conditions?.find(found => found.type === type);
const reasons = (input: Observed, ...types: string[]) =>
  types.map(type => `${conditionOf(input, type)?.status} ${conditionOf(input, type)?.reason}`);
const waitingOn = (reason: string, message = 'why', last: object = {}) =>
  observed({
    children: [workload('StatefulSet', 'chat-ollama', { ...whole(), readyReplicas: 0 })],
    pods: [
      pod('chat-ollama-0', {
        containerStatuses: [
          { name: 'ollama', image: 'x:1', ready: false, state: { waiting: { reason, message } }, ...last },
        ],
      }),
    ],
  });

test('a whole fleet is ready, available, and of the generation that was looked at', () => {
  const status = statusOf(observed(), now);
  assert.deepEqual(
    reasons(
      observed(),
      'Ready',
      'Available',
      'Progressing',
      'Degraded',
      'ModelsReady',
      'NodeLost',
      'OpenWebUIReady',
    ),
    [
      'True AllReady',
      'True Available',
      'False RolloutComplete',
      'False AsExpected',
      'True ModelsReady',
      'False NodesReady',
      'False Disabled',
    ],
  );
  assert.equal(status.phase, 'Ready');
  assert.equal(status.observedGeneration, 3);
  assert.ok(status.conditions?.every(condition => condition.observedGeneration === 3));
  assert.deepEqual([status.readyReplicas, status.totalReplicas, status.modelsReady], [2, 2, '1/1']);
  assert.deepEqual(status.models, [
    { name: 'llama3.2:1b', ready: '1/1', state: 'present', digest: 'd1', sizeBytes: 10 },
  ]);
});

test('every failure of a pod has its reason', () => {
  assert.deepEqual(reasons(waitingOn('ImagePullBackOff'), 'Degraded', 'Ready', 'Available', 'Progressing'), [
    'True ImagePullFailed',
    'False ImagePullFailed',
    'False ImagePullFailed',
    'False RolloutStuck',
  ]);
  assert.match(
    conditionOf(waitingOn('ErrImagePull', 'not found'), 'Degraded')?.message ?? '',
    /pod chat-ollama-0, container ollama: image x:1: not found/,
  );
  assert.deepEqual(
    reasons(
      waitingOn('CrashLoopBackOff', 'back-off', { lastState: { terminated: { exitCode: 2 } } }),
      'Degraded',
    ),
    ['True ContainerCrashing'],
  );
  assert.deepEqual(
    reasons(
      waitingOn('CrashLoopBackOff', '', { lastState: { terminated: { reason: 'OOMKilled' } } }),
      'Degraded',
    ),
    ['True OutOfMemory'],
  );
  assert.deepEqual(reasons(waitingOn('CreateContainerConfigError'), 'Degraded'), [
    'True ContainerConfigError',
  ]);
  const nowhere = observed({
    pods: [
      pod('chat-ollama-0', { conditions: [{ type: 'PodScheduled', status: 'False', message: '0/1 nodes' }] }),
    ],
  });
  assert.deepEqual(reasons(nowhere, 'Degraded'), ['True Unschedulable']);
  const warned = {
    ...nowhere,
    warnings: [{ reason: 'DeprecatedFields', message: 'x is an old name' } as const],
  };
  assert.match(conditionOf(warned, 'Degraded')?.message ?? '', /0\/1 nodes; x is an old name$/);
});

test('an evicted pod of a Deployment is in trouble only as long as no other has taken its place', () => {
  const evicted = { phase: 'Failed', reason: 'Evicted', message: 'the node was low on memory' };
  const seen = (readyReplicas: number) =>
    observed({
      children: [
        workload('StatefulSet', 'chat-ollama', whole()),
        workload('Deployment', 'chat-gateway', { ...whole(), readyReplicas }),
      ],
      pods: [pod('chat-ollama-0', ready), pod('chat-gateway-5f8d-x2k4', evicted)],
    });
  assert.deepEqual(reasons(seen(0), 'Degraded', 'Ready'), [
    'True ContainerCrashing',
    'False ContainerCrashing',
  ]);
  assert.deepEqual(reasons(seen(1), 'Degraded', 'Ready'), ['False AsExpected', 'True AllReady']);
  assert.equal(statusOf(seen(1), now).phase, 'Ready');
});

test('a pod that may not be made names the quota', () => {
  const input = observed({
    createFailures: new Map([['chat-ollama', 'pods "x" is forbidden: exceeded quota: small']]),
  });
  assert.deepEqual(reasons(input, 'Degraded'), ['True QuotaExceeded']);
});

test('a claim that cannot be bound says what it lacks', () => {
  const claim = (storageClassName?: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'models-chat-ollama-0' },
    spec: { ...(storageClassName === undefined ? {} : { storageClassName }) },
    status: { phase: 'Pending' },
  });
  const at = (storageClassName: string | undefined, hasDefault: boolean) =>
    observed({
      children: [claim(storageClassName)],
      storageClasses: { names: new Set(['fast']), hasDefault },
    });
  assert.deepEqual(reasons(at(undefined, false), 'Degraded'), ['True NoStorageClass']);
  assert.deepEqual(reasons(at('slow', true), 'Degraded'), ['True NoStorageClass']);
  const homeless = { conditions: [{ type: 'PodScheduled', status: 'False', message: 'unbound claims' }] };
  const both = { ...at(undefined, false), pods: [pod('chat-ollama-0', homeless)] };
  assert.deepEqual(reasons(both, 'Degraded'), ['True NoStorageClass'], 'the cause, not what comes of it');
  assert.deepEqual(reasons(at('fast', false), 'Degraded'), ['True ClaimPending']);
});

test('a node that does not answer is named with the pod and the claim that are there', () => {
  const input = observed({ nodeReady: new Map([['node-1', false]]) });
  assert.deepEqual(reasons(input, 'NodeLost'), ['True NodeNotReady']);
  assert.match(
    conditionOf(input, 'NodeLost')?.message ?? '',
    /pod chat-ollama-0 \(claim models-chat-ollama-0\) is on node node-1/,
  );
});

test('models are what the agents say: pulling, failed, no room, unknown before they were asked', () => {
  const saying = (model: AgentStatus['models'][number]) =>
    observed({ agents: new Map([['chat-ollama-0', { status: agent([model]) }]]) });
  assert.deepEqual(
    reasons(saying({ ...present, state: 'pulling', percent: 40 }), 'ModelsReady', 'Progressing'),
    ['False ModelsPulling', 'True ModelsPulling'],
  );
  assert.deepEqual(
    reasons(saying({ ...present, state: 'failed', message: 'no such model' }), 'ModelsReady', 'Degraded'),
    ['False ModelsFailed', 'True ModelsFailed'],
  );
  assert.deepEqual(
    reasons(saying({ ...present, state: 'failed', reason: 'InsufficientStorage' }), 'ModelsReady'),
    ['False InsufficientStorage'],
  );
  assert.deepEqual(reasons(saying({ ...present, state: 'corrupt' }), 'ModelsReady'), ['False ModelCorrupt']);
  const unasked = observed({ agents: new Map([['chat-ollama-0', { isAsked: false }]]) });
  assert.deepEqual(reasons(unasked, 'ModelsReady'), ['Unknown FirstVisit']);
  const silent = observed({ agents: new Map([['chat-ollama-0', { unreachable: 'refused' }]]) });
  assert.deepEqual(reasons(silent, 'ModelsReady', 'Ready'), [
    'False AgentUnreachable',
    'False AgentUnreachable',
  ]);
});

test('no pod at all is not ready, unless that is meant', () => {
  const none = observed({ children: [], pods: [], agents: new Map() });
  assert.deepEqual(reasons(none, 'Ready', 'Available'), ['False Starting', 'False Starting']);
  assert.equal(statusOf(none, now).phase, 'Pending');
  const zero = observed({
    children: [
      workload('StatefulSet', 'chat-ollama', whole(0), 0),
      workload('Deployment', 'chat-gateway', whole()),
    ],
    pods: [],
    agents: new Map(),
  });
  assert.deepEqual(reasons(zero, 'Ready', 'Available'), ['True ScaledToZero', 'True ScaledToZero']);
});

test('the time of a condition changes with its status only, and an unchanged status is the same', () => {
  const first = statusOf(observed(), now);
  const again = observed();
  const later = statusOf(
    { ...again, resource: { ...again.resource, status: first } },
    '2027-01-01T00:00:00.000Z',
  );
  assert.ok(isSameStatus(first, later));
  assert.deepEqual(eventsOf(first, later), []);
});

test('a change is told once as an Event, and its mending too', () => {
  const good = statusOf(observed(), now);
  const bad = statusOf(waitingOn('ImagePullBackOff'), now);
  assert.deepEqual(
    eventsOf(good, bad).map(({ type, reason }) => [type, reason]),
    [['Warning', 'ImagePullFailed']],
  );
  assert.ok(
    eventsOf(bad, good).some(
      ({ type, reason, note }) => type === 'Normal' && reason === 'AsExpected' && note.startsWith('mended'),
    ),
  );
});

test('a percentage alone is progress, a new state is more', () => {
  const at = (percent: number) =>
    statusOf(
      observed({
        agents: new Map([['chat-ollama-0', { status: agent([{ ...present, state: 'pulling', percent }]) }]]),
      }),
      now,
    );
  assert.ok(isOnlyProgress(at(10), at(20)));
  assert.ok(!isSameStatus(at(10), at(20)));
  assert.ok(!isOnlyProgress(at(10), statusOf(observed(), now)));
});
