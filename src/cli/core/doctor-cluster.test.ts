// Every finding of `bigo doctor -n`: what makes it, and that a whole installation has none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/kube-object.ts';
import { clusterDoctorExit, clusterFindings } from './doctor-cluster.ts';
import type { ClusterFacts, ClusterFinding } from './doctor-facts.ts';

const nowMs = Date.parse('2026-11-21T12:00:00Z');

function object(kind: string, name: string, fields: Record<string, unknown> = {}): KubeObject {
  const { metadata = {}, ...rest } = fields as { metadata?: object };
  return { apiVersion: 'v1', kind, ...rest, metadata: { name, namespace: 'ml', ...metadata } };
}

const defaultClass = { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } };
const classes = [
  object('StorageClass', 'fast', { provisioner: 'ebs.csi.aws.com', metadata: defaultClass }),
  object('StorageClass', 'nfs', { provisioner: 'nfs.csi.k8s.io' }),
];

interface PodFields {
  readonly image?: string;
  readonly claim?: string;
  readonly resources?: object;
}

function podSpec({ image = 'ollama/ollama:0.24.0', claim, resources = {} }: PodFields = {}) {
  const volumes =
    claim === undefined ? [] : [{ name: 'models', persistentVolumeClaim: { claimName: claim } }];
  return { containers: [{ name: 'ollama', image, resources }], volumes };
}

function deployment(fields: PodFields & { readonly replicas?: number } = {}): KubeObject {
  const { replicas = 1, ...pod } = fields;
  return object('Deployment', 'ollama', { spec: { replicas, template: { spec: podSpec(pod) } } });
}

function claim(modes: readonly string[], fields: { className?: string; phase?: string } = {}): KubeObject {
  const { className = 'nfs', phase = 'Bound' } = fields;
  return object('PersistentVolumeClaim', 'models', {
    spec: { accessModes: modes, storageClassName: className },
    status: { phase },
  });
}

const whole: ClusterFacts = {
  namespace: 'ml',
  cliVersion: '0.2.0',
  serverNowMs: nowMs,
  clockAheadMs: 0,
  groups: new Set(['apps', 'metrics.k8s.io', 'external.metrics.k8s.io']),
  externalMetrics: new Set(['bigo_fleet_demand']),
  rights: [{ verb: 'list', resource: 'ollamadeployments', for: 'kubectl get od', isGranted: true }],
  definition: object('CustomResourceDefinition', 'ollamadeployments.llm.geeper.io', {
    metadata: { annotations: { 'llm.geeper.io/bigo-version': '0.2.0' } },
    status: { conditions: [{ type: 'Established', status: 'True' }] },
  }),
  operator: object('Deployment', 'llm-operator-controller-manager', {
    spec: { replicas: 2 },
    status: { replicas: 2, updatedReplicas: 2, availableReplicas: 2 },
  }),
  lease: object('Lease', 'bigo-operator', {
    spec: { holderIdentity: 'op-1', renewTime: new Date(nowMs - 2_000).toISOString() },
  }),
  unread: [],
  nodes: [object('Node', 'gpu-1', { status: { allocatable: { cpu: '8', 'nvidia.com/gpu': '2' } } })],
  storageClasses: classes,
  fleets: [
    object('OllamaDeployment', 'chat', {
      status: { conditions: [{ type: 'Ready', status: 'True', reason: 'AllReady', message: '' }] },
    }),
  ],
  pods: [],
  claims: [claim(['ReadWriteMany'])],
  quotas: [],
  limitRanges: [],
  ingresses: [],
  services: [],
  deployments: [deployment({ claim: 'models', replicas: 2, resources: { limits: { 'nvidia.com/gpu': 1 } } })],
  statefulSets: [],
  autoscalers: [],
};

const found = (change: Partial<ClusterFacts>): ClusterFinding[] =>
  clusterFindings({ ...whole, ...change }).filter(({ result }) => result !== 'ok');

/** The one finding, as `result check: message`. */
function one(change: Partial<ClusterFacts>): string {
  const findings = found(change);
  assert.equal(findings.length, 1, JSON.stringify(findings, undefined, 2));
  const [finding] = findings;
  assert.ok((finding?.next ?? '').length > 3, 'a finding says how to mend it');
  return `${finding?.result} ${finding?.check}: ${finding?.message}`;
}

test('a whole installation has no finding, and says so for each check', () => {
  assert.deepEqual(found({}), []);
  const checks = new Set(clusterFindings(whole).map(({ check }) => check));
  assert.equal(checks.size, 13);
  assert.equal(clusterDoctorExit(clusterFindings(whole), whole), 0);
});

test('the exit code is 1 for what is broken, 2 where rights hid something, and warnings do not count', () => {
  const exit = (change: Partial<ClusterFacts>) => {
    const facts = { ...whole, ...change };
    return clusterDoctorExit(clusterFindings(facts), facts);
  };
  assert.equal(exit({ clockAheadMs: 60_000 }), 0);
  assert.equal(exit({ unread: ['nodes'], nodes: undefined }), 2);
  assert.equal(exit({ unread: ['nodes'], nodes: undefined, storageClasses: [] }), 1);
});

test('what may not be read is named once and not judged', () => {
  const change = { unread: ['nodes', 'storageclasses'], nodes: undefined, storageClasses: undefined };
  assert.deepEqual(
    found(change).map(({ check, message }) => `${check}: ${message}`),
    [
      'rights: you may not read nodes: what depends on it was not checked',
      'rights: you may not read storageclasses: what depends on it was not checked',
    ],
  );
});

test('definition: absent, not established, of another version', () => {
  assert.match(one({ definition: undefined }), /^warn definition: .*plain manifests work/);
  const clash = [
    { type: 'NamesAccepted', status: 'False', message: '"od" is already in use' },
    { type: 'Established', status: 'False' },
  ];
  const definition = (version: string, conditions = [{ type: 'Established', status: 'True' }]) =>
    object('CustomResourceDefinition', 'x', {
      metadata: { annotations: { 'llm.geeper.io/bigo-version': version } },
      status: { conditions },
    });
  assert.match(one({ definition: definition('0.2.0', clash) }), /^fail definition: .*already in use/);
  assert.match(one({ definition: definition('0.3.0') }), /^warn definition: .*may not know every field/);
  assert.match(one({ definition: definition('0.1.0') }), /^warn definition: .*older than this command/);
});

test('operator: absent with fleets, not running, nobody leads, a lease that is old', () => {
  assert.match(one({ operator: undefined }), /^fail operator: .*nobody looks after 1 fleets/);
  assert.deepEqual(found({ operator: undefined, fleets: [] }), []);
  const down = object('Deployment', 'x', {
    spec: { replicas: 2 },
    status: { replicas: 2, updatedReplicas: 2 },
  });
  assert.match(one({ operator: down }), /^fail operator: it does not run: 0 of 2 pods run/);
  assert.match(one({ lease: undefined }), /^fail operator: no operator leads/);
  const old = { holderIdentity: 'op-1', renewTime: new Date(nowMs - 90_000).toISOString() };
  assert.match(
    one({ lease: object('Lease', 'x', { spec: old }) }),
    /^fail operator: op-1 has not renewed it for 90 s/,
  );
});

test('fleets: one that is not ready or degraded is told with its reason', () => {
  const fleet = (...conditions: object[]) => [object('OllamaDeployment', 'chat', { status: { conditions } })];
  const ready = { type: 'Ready', status: 'False', reason: 'ModelsPulling', message: '40 %' };
  const degraded = { type: 'Degraded', status: 'True', reason: 'Unschedulable', message: 'no GPU' };
  assert.match(one({ fleets: fleet(ready) }), /^warn fleets: ModelsPulling: 40 %/);
  assert.match(one({ fleets: fleet(ready, degraded) }), /^fail fleets: Unschedulable: no GPU/);
  assert.match(one({ fleets: fleet() }), /^warn fleets: no operator has looked/);
});

test('pods: one that cannot start is told with the reason of the kubelet or scheduler', () => {
  const waiting = { waiting: { reason: 'ImagePullBackOff', message: 'not found' } };
  const pod = object('Pod', 'chat-ollama-0', {
    status: { containerStatuses: [{ name: 'ollama', state: waiting }] },
  });
  assert.match(one({ pods: [pod] }), /^fail pods: chat-ollama-0: ImagePullBackOff: not found/);
});

test('storage: no class, no default, two defaults', () => {
  assert.match(one({ storageClasses: [], claims: [] }), /^fail storage: this cluster has none/);
  const [fast, nfs] = classes as [KubeObject, KubeObject];
  assert.match(one({ storageClasses: [nfs] }), /^warn storage: none of nfs is the default/);
  const bare = object('PersistentVolumeClaim', 'models', { spec: { accessModes: ['ReadWriteOnce'] } });
  assert.match(one({ storageClasses: [nfs], claims: [bare], deployments: [] }), /^fail storage: /);
  const second = { ...nfs, metadata: { ...nfs.metadata, ...defaultClass } };
  assert.match(one({ storageClasses: [fast, second] }), /^warn storage: fast and nfs are both the default/);
});

test('claims: a class that is not there, and ReadWriteMany from a class of disks', () => {
  const gone = claim(['ReadWriteMany'], { className: 'gone', phase: 'Pending' });
  assert.match(one({ claims: [gone] }), /^fail claims: there is no StorageClass gone/);
  const disk = (phase: string) => claim(['ReadWriteMany'], { className: 'fast', phase });
  assert.match(one({ claims: [disk('Pending')] }), /^fail claims: .*ebs\.csi\.aws\.com of class fast/);
  assert.match(one({ claims: [disk('Bound')] }), /^warn claims: /);
});

test('claims: one volume for one node, wanted by several replicas or from several nodes', () => {
  const claims = [claim(['ReadWriteOnce'])];
  assert.match(one({ claims }), /^warn claims: it is ReadWriteOnce, and Deployment ollama has 2 replicas/);
  const pod = (name: string, nodeName: string) =>
    object('Pod', name, { spec: { ...podSpec({ claim: 'models' }), nodeName } });
  const pods = [pod('a', 'node-2'), pod('b', 'node-1')];
  assert.match(one({ claims, pods }), /^fail claims: .*pods on node-1, node-2 want it/);
  assert.match(one({ claims: [claim(['ReadWriteOncePod'])] }), /^fail claims: it is ReadWriteOncePod/);
  const alone = [deployment({ claim: 'models', replicas: 1 })];
  assert.deepEqual(found({ claims, deployments: alone }), []);
});

test('gpu: nobody offers it, it is offered under the name for shares, or there are too few', () => {
  const node = (allocatable: object) => [object('Node', 'n', { status: { allocatable } })];
  assert.match(
    one({ nodes: node({ cpu: '8', 'nvidia.com/gpu': '0' }) }),
    /^fail gpu: no node offers nvidia\.com\/gpu/,
  );
  assert.match(
    one({ nodes: node({ 'nvidia.com/gpu.shared': '6' }) }),
    /^fail gpu: .*the nodes offer nvidia\.com\/gpu\.shared/,
  );
  assert.match(one({ nodes: node({ 'nvidia.com/gpu': '1' }) }), /^warn gpu: 2 pods want nvidia\.com\/gpu/);
});

test('quota: a counted resource that no container and no LimitRange says', () => {
  const hard = { 'requests.cpu': '8', 'limits.memory': '64Gi', 'requests.nvidia.com/gpu': '2' };
  const quotas = [object('ResourceQuota', 'q', { status: { hard, used: {} } })];
  assert.match(one({ quotas }), /^fail quota: the quota counts requests\.cpu, limits\.memory/);
  const young = [object('ResourceQuota', 'q', { spec: { hard }, status: {} })];
  assert.match(one({ quotas: young }), /^fail quota: /, 'a quota counts before its status is written');
  const limits = [{ type: 'Container', default: { memory: '4Gi' }, defaultRequest: { cpu: '500m' } }];
  const limitRanges = [object('LimitRange', 'l', { spec: { limits } })];
  assert.deepEqual(found({ quotas, limitRanges }), []);
  const resources = { limits: { cpu: '1', memory: '1Gi', 'nvidia.com/gpu': 1 } };
  assert.deepEqual(found({ quotas, deployments: [deployment({ resources })], claims: [] }), []);
});

test('quota: limits of a GPU count nothing; one that is used up refuses the next pod', () => {
  const quota = (hard: object, used: object = {}) => [
    object('ResourceQuota', 'q', { status: { hard, used } }),
  ];
  assert.match(
    one({ quotas: quota({ 'limits.nvidia.com/gpu': '2' }) }),
    /^warn quota: limits\.nvidia\.com\/gpu counts nothing/,
  );
  assert.match(
    one({ quotas: quota({ persistentvolumeclaims: '5' }, { persistentvolumeclaims: '5' }) }),
    /^warn quota: persistentvolumeclaims is used up \(5 of 5\)/,
  );
});

test('image: below the safe version, or a name that moves; another program’s tag is not judged', () => {
  const image = (text: string) => ({ deployments: [deployment({ image: text })], claims: [] });
  assert.match(one(image('ollama/ollama:0.17.0')), /^fail image: .*CVE-2026-7482/);
  assert.match(one(image('ollama/ollama:0.3.14')), /^fail image: /);
  assert.match(one(image('ollama/ollama')), /^warn image: .*another version tomorrow/);
  assert.match(one(image('registry.example.com:5000/mirror/ollama:latest')), /^warn image: /);
  for (const fine of ['ollama/ollama:0.17.1', 'ollama/ollama@sha256:abc', 'example.com/other:0.1.0'])
    assert.deepEqual(found(image(fine)), [], fine);
});

test('ingress: nginx that buffers, cuts early or refuses images; others are left alone', () => {
  const labels = { 'app.kubernetes.io/part-of': 'bigo' };
  const ingress = (ingressClassName: string, annotations: Record<string, string> = {}) => ({
    ingresses: [object('Ingress', 'chat', { metadata: { labels, annotations }, spec: { ingressClassName } })],
  });
  assert.deepEqual(
    found(ingress('nginx')).map(({ next }) => next?.split(' ').at(-1)),
    ['proxy-buffering=off', 'proxy-read-timeout=3600', 'proxy-body-size=0'].map(
      setting => `nginx.ingress.kubernetes.io/${setting}`,
    ),
  );
  const nginx = (name: string) => `nginx.ingress.kubernetes.io/${name}`;
  const fine = {
    [nginx('proxy-buffering')]: 'off',
    [nginx('proxy-read-timeout')]: '3600',
    [nginx('proxy-body-size')]: '0',
  };
  assert.deepEqual(found(ingress('nginx', fine)), []);
  assert.match(one(ingress('haproxy')), /^warn ingress: a stream that is silent/);
  assert.deepEqual(found(ingress('traefik')), []);
  const foreign = object('Ingress', 'blog', { spec: { ingressClassName: 'nginx' } });
  assert.deepEqual(found({ ingresses: [foreign] }), []);
});

test('ingress: one that somebody else made counts when it leads to a Service of ours', () => {
  const paths = [{ backend: { service: { name: 'chat-ollama' } } }];
  const spec = { ingressClassName: 'nginx', rules: [{ http: { paths } }] };
  const labels = { 'app.kubernetes.io/part-of': 'bigo' };
  const services = [object('Service', 'chat-ollama', { metadata: { labels } })];
  assert.equal(found({ ingresses: [object('Ingress', 'own', { spec })], services }).length, 3);
});

test('metrics: a number that nobody serves, and a GPU as a Resource', () => {
  const scaler = (metric: object) => ({
    autoscalers: [object('HorizontalPodAutoscaler', 'chat', { spec: { metrics: [metric] } })],
  });
  const demand = scaler({ type: 'External', external: { metric: { name: 'bigo_fleet_demand' } } });
  assert.deepEqual(found(demand), []);
  assert.match(one({ ...demand, groups: new Set() }), /^fail metrics: nothing serves external metrics/);
  assert.match(one({ ...demand, externalMetrics: new Set() }), /^fail metrics: .*not bigo_fleet_demand/);
  const gpu = scaler({ type: 'Resource', resource: { name: 'nvidia.com/gpu' } });
  assert.match(one(gpu), /^fail metrics: nvidia\.com\/gpu is no Resource metric/);
  const cpu = scaler({ type: 'Resource', resource: { name: 'cpu' } });
  assert.deepEqual(found(cpu), []);
  assert.match(one({ ...cpu, groups: new Set() }), /^fail metrics: .*CPU and memory are missing/);
  const pods = scaler({ type: 'Pods', pods: { metric: { name: 'DCGM_FI_DEV_GPU_UTIL' } } });
  assert.match(one(pods), /^fail metrics: nothing serves custom metrics/);
});

test('rights: each one that is missing says what it is for', () => {
  const right = { verb: 'patch', resource: 'ollamadeployments/scale', for: 'bigo scale', isGranted: false };
  assert.match(
    one({ rights: [right] }),
    /^warn rights: you may not patch ollamadeployments\/scale: bigo scale/,
  );
});

test('clock: some seconds are borne, more are told with their direction', () => {
  assert.deepEqual(found({ clockAheadMs: 9_000 }), []);
  assert.deepEqual(found({ clockAheadMs: undefined }), []);
  assert.match(one({ clockAheadMs: 120_000 }), /^warn clock: its clock is 120 s ahead of/);
  assert.match(one({ clockAheadMs: -120_000 }), /^warn clock: its clock is 120 s behind/);
});
