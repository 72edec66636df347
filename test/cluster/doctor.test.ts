// `bigo doctor -n` against a real API server: a cluster with several things wrong, one after they were mended, and one seen by a guest.
// Never starts an operator.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { aHome, type RunResult } from '../cli/bigo.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import { addNode } from './tools/pretend.ts';

interface Told {
  readonly findings: readonly { check: string; where: string; result: string; message: string }[];
}

const namespace = 'ml';
const labels = { app: 'ollama', 'app.kubernetes.io/part-of': 'bigo' };
const metadata = (name: string) => ({ name, namespace, labels });

const claim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: metadata('models'),
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
};
const container = {
  name: 'ollama',
  image: 'ollama/ollama:0.16.0',
  resources: { limits: { 'nvidia.com/gpu': '1' } },
};
const volumes = [{ name: 'models', persistentVolumeClaim: { claimName: 'models' } }];
const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: metadata('ollama'),
  spec: {
    replicas: 2,
    // No pod is made, so that what is found does not hang on how far a controller is.
    paused: true,
    selector: { matchLabels: { app: 'ollama' } },
    template: { metadata: { labels }, spec: { containers: [container], volumes } },
  },
};
const quota = {
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: metadata('quota'),
  spec: { hard: { 'requests.cpu': '8' } },
};
const backend = { service: { name: 'ollama', port: { number: 11_434 } } };
const ingress = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: metadata('ollama'),
  spec: {
    ingressClassName: 'nginx',
    rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
  },
};
const autoscaler = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: metadata('ollama'),
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'ollama' },
    maxReplicas: 2,
    metrics: [
      {
        type: 'External',
        external: {
          metric: { name: 'bigo_fleet_demand' },
          target: { type: 'AverageValue', averageValue: '2' },
        },
      },
    ],
  },
};

describe('the doctor of clusters', { skip: await skipWithoutCluster() }, () => {
  let cluster: ControlPlane;
  before(async () => {
    cluster = await startControlPlane();
    const { admin } = cluster;
    await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await addNode(admin, { name: 'node-1' });
  });
  after(async () => {
    await cluster.stop();
  });

  const doctor = (t: TestContext, kubeconfig: string, ...args: readonly string[]): Promise<RunResult> =>
    aHome(t).run(['doctor', '-n', namespace, ...args], {
      env: { KUBECONFIG: kubeconfig },
      timeMsMax: 150_000,
    });
  const told = (result: RunResult): Told => JSON.parse(result.stdout) as Told;
  const broken = ({ findings }: Told): string[] => [
    ...new Set(findings.filter(({ result }) => result === 'fail').map(({ check }) => check)),
  ];

  it('what is wrong is found together with what mends it (exit 1)', async t => {
    for (const object of [quota, claim, deployment, ingress, autoscaler]) await cluster.admin.create(object);
    const result = await doctor(t, cluster.adminKubeconfig);
    assert.equal(result.code, 1, result.stdout + result.stderr);
    for (const line of [
      /^fail +storage +StorageClass: this cluster has none/m,
      /^warn +claims +PersistentVolumeClaim models: it is ReadWriteOnce, and Deployment ollama has 2 replicas/m,
      /^fail +gpu +Deployment ollama: no node offers nvidia\.com\/gpu/m,
      /^fail +quota +Deployment ollama, ResourceQuota quota: the quota counts requests\.cpu/m,
      /^fail +image +Deployment ollama: ollama\/ollama:0\.16\.0 gives away.*\n +Set imageTag to 0\.17\.1 or newer/m,
      /^warn +ingress +Ingress ollama: answers may be held back/m,
      /^fail +metrics +HorizontalPodAutoscaler ollama: nothing serves external metrics/m,
      /^warn +definition/m,
      /^ok +clock/m,
    ]) {
      assert.match(result.stdout, line);
    }
  });

  it('after it was mended nothing is broken (exit 0)', async t => {
    const { admin } = cluster;
    const gpus = { extended: { 'nvidia.com/gpu': '2' } };
    await addNode(admin, { name: 'node-1', ...gpus });
    await admin.create({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: {
        name: 'standard',
        annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
      },
      provisioner: 'example.test/files',
    });
    const fine = { ...container, image: 'ollama/ollama:0.24.0' };
    const resources = { limits: { ...container.resources.limits, cpu: '1' } };
    const template = { spec: { containers: [{ ...fine, resources }] } };
    const ref = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: 'ollama' };
    await admin.patch(ref, { spec: { replicas: 1, template } }, 'merge');
    await admin.delete({ ...autoscaler, namespace, name: 'ollama' });
    const result = await doctor(t, cluster.adminKubeconfig, '--json');
    assert.deepEqual(broken(told(result)), []);
    assert.equal(result.code, 0, result.stdout + result.stderr);
  });

  it('a guest is told what he may not see and do (exit 2)', async t => {
    const { admin } = cluster;
    await admin.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata('guest') });
    await admin.create({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: metadata('guest-views'),
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'ServiceAccount', name: 'guest', namespace }],
    });
    const kubeconfig = await cluster.kubeconfig({ namespace, serviceAccount: 'guest' });
    const result = await doctor(t, kubeconfig, '--json');
    assert.equal(result.code, 2, result.stdout + result.stderr);
    const messages = told(result).findings.map(({ message }) => message);
    assert.ok(messages.some(message => message.startsWith('you may not read nodes')));
    assert.ok(messages.includes('you may not patch ollamadeployments/scale: bigo scale'));
  });
});
