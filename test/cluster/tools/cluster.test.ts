// The control plane of the tests is real and does what the suites rely on. Needs the built Kubernetes servers.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { find } from '../../tools/parts.ts';
import { writeVerbs } from './audit.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './cluster.ts';
import type { KubeError, KubeObject } from './kube-client.ts';
import { addNode, finishPod, PretendKubelet, reportPod, setNodeReady } from './pretend.ts';
import { Provisioner } from './provisioner.ts';

const run = promisify(execFile);

function configMap(namespace: string, name: string): string {
  return `{apiVersion: v1, kind: ConfigMap, metadata: {name: ${name}, namespace: ${namespace}}, data: {a: b}}`;
}

function configMapRef(namespace: string, name: string) {
  return { apiVersion: 'v1', kind: 'ConfigMap', namespace, name };
}

const statefulSet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: web
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: none, volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], storageClassName: local, resources: {requests: {storage: 1Gi}}}
`;

describe('a real control plane', { skip: await skipWithoutCluster() }, () => {
  let cluster: ControlPlane;
  before(async () => {
    cluster = await startControlPlane({ flags: { 'kube-scheduler': ['--v=1'] } });
  });
  after(() => cluster.stop());

  it('is Kubernetes 1.34', async () => {
    const version = await cluster.admin.call('GET', '/version');
    assert.match(String(version['gitVersion']), /^v1\.34\./);
  });

  it('is reached by kubectl with a kubeconfig that checks the certificate', async t => {
    const kubectl = await find('kubectl');
    if (kubectl === undefined) return t.skip('needs kubectl: npm run tools -- kubectl');
    const namespace = await cluster.namespace(t);
    const args = ['--kubeconfig', cluster.adminKubeconfig, 'get', 'namespace', namespace, '-o', 'name'];
    assert.equal((await run(kubectl, args)).stdout.trim(), `namespace/${namespace}`);
  });

  it('applies YAML, and the audit log tells who wrote what', async t => {
    const namespace = await cluster.namespace(t);
    const since = await cluster.auditMark();
    await cluster.admin.applyYaml(`${configMap(namespace, 'one')}\n---\n${configMap(namespace, 'two')}`);
    const [first, ...others] = await cluster.audit({ since, user: 'admin', verbs: writeVerbs, namespace });
    assert.equal(others.length, 1);
    assert.equal(first?.verb, 'patch');
    assert.equal(first.objectRef?.resource, 'configmaps');
    assert.equal(first.objectRef.name, 'one');
    assert.equal(first.responseStatus?.code, 201);
  });

  it('refuses a service account what it was not granted, under its own name', async t => {
    const namespace = await cluster.namespace(t);
    const account = await cluster.client({ namespace, serviceAccount: 'default' });
    const refused = account.list({ apiVersion: 'v1', kind: 'Secret', namespace });
    await assert.rejects(refused, (error: KubeError) => error.status === 403);
    const user = `system:serviceaccount:${namespace}:default`;
    const [entry] = await cluster.audit({ user, resource: 'secrets' });
    assert.equal(entry?.responseStatus?.code, 403);
  });

  it('schedules a pod onto a pretended node with room, and the pod is ready when the test says so', async t => {
    const namespace = await cluster.namespace(t);
    const node = { name: 'pretended', extended: { 'nvidia.com/gpu': '1' } };
    await addNode(cluster.admin, node);
    const pod = (name: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: {
        containers: [{ name: 'main', image: 'none', resources: { limits: { 'nvidia.com/gpu': 1 } } }],
      },
    });
    const first = await cluster.admin.create(pod('first'));
    const ref = { apiVersion: 'v1', kind: 'Pod', namespace, name: first.metadata.name };
    await cluster.admin.until(ref, object => object?.['spec'].nodeName === 'pretended');
    await cluster.admin.create(pod('second'));
    const second = { ...ref, name: 'second' };
    await cluster.admin.until(
      second,
      object => object?.['status'].conditions?.[0]?.reason === 'Unschedulable',
    );
    const ready = await reportPod(cluster.admin, { namespace, name: 'first' });
    assert.equal(ready['status'].containerStatuses[0].ready, true);
    await cluster.admin.delete(ref);
    await finishPod(cluster.admin, { namespace, name: 'first' });
    await cluster.admin.until(second, object => object?.['spec'].nodeName === 'pretended');
    await setNodeReady(cluster.admin, node, 'Unknown');
  });

  it('runs a StatefulSet with claims on a pretended node, and a deleted pod ends when its order says so', async t => {
    const namespace = await cluster.namespace(t);
    await addNode(cluster.admin, { name: 'roomy' });
    const provisioner = new Provisioner({ client: cluster.admin, folder: `${cluster.folder}/claims` });
    await provisioner.start();
    t.after(() => provisioner.stop());
    const ended: string[] = [];
    const starting = (pod: KubeObject) => ({ podIP: `127.0.0.${pod.metadata.name.endsWith('0') ? 10 : 11}` });
    const ending = (pod: KubeObject): void => void ended.push(pod.metadata.name);
    const kubelet = new PretendKubelet({ client: cluster.admin, namespace, starting, ending });
    kubelet.start();
    t.after(() => kubelet.stop());
    await cluster.admin.applyYaml(statefulSet, namespace);
    const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace, name: 'web' };
    await cluster.admin.until(set, object => object?.['status'].readyReplicas === 2);
    const second = { apiVersion: 'v1', kind: 'Pod', namespace, name: 'web-1' };
    assert.equal((await cluster.admin.get(second))['status'].podIP, '127.0.0.11');
    await cluster.admin.patch(set, { spec: { replicas: 1 } }, 'merge', 'scale');
    await cluster.admin.until(second, object => object === undefined);
    assert.deepEqual(ended, ['web-1']);
  });

  it('is there again with all its objects after kill -9', async t => {
    const namespace = await cluster.namespace(t);
    await cluster.admin.applyYaml(configMap(namespace, 'kept'));
    await cluster.stopApiServer();
    await assert.rejects(cluster.admin.get(configMapRef(namespace, 'kept')));
    await cluster.startApiServer();
    assert.equal((await cluster.admin.get(configMapRef(namespace, 'kept')))['data'].a, 'b');
  });

  it('answers 410 to a page and to a watch that go on from before a compaction', async t => {
    const namespace = await cluster.namespace(t);
    const [first] = await cluster.admin.applyYaml(configMap(namespace, 'one'));
    await cluster.admin.applyYaml(configMap(namespace, 'two'));
    const collection = `/api/v1/namespaces/${namespace}/configmaps?limit=1`;
    const page = await cluster.admin.call('GET', collection);
    const next = (page.metadata as unknown as { continue: string }).continue;
    await cluster.admin.applyYaml(configMap(namespace, 'three'));
    await cluster.forgetHistory();
    await assert.rejects(
      cluster.admin.call('GET', `${collection}&continue=${next}`),
      (error: KubeError) => error.status === 410,
    );
    const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace };
    const query = { resourceVersion: first?.metadata.resourceVersion ?? '', timeoutSeconds: '5' };
    const events = cluster.admin.watch(ref, query);
    const event = (await events.next()).value;
    assert.equal(event?.type, 'ERROR');
    assert.equal(event.object.code, 410);
    await events.return(undefined);
  });
});

describe('two control planes side by side', { skip: await skipWithoutCluster() }, () => {
  it('know nothing of each other, and leave no process behind', async () => {
    const clusters = await Promise.all([startControlPlane({ audit: false }), startControlPlane()]);
    const [one, two] = clusters;
    const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'only-here' } };
    await one.admin.create(object);
    assert.equal(await two.admin.find({ apiVersion: 'v1', kind: 'Namespace', name: 'only-here' }), undefined);
    const pids = clusters.map(cluster => cluster.server('kube-apiserver').pid);
    await Promise.all(clusters.map(cluster => cluster.stop()));
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  });
});
