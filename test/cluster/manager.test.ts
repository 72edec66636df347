// The Model Manager in a cluster, as its own service account with exactly its own rules: what it finds, keeps and changes.
// Never as admin: what the account may not do must show. The test plays kubelet; gateways and Ollamas run in this process.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test, type TestContext } from 'node:test';
import {
  MANAGER_CLUSTER_RULES,
  MANAGER_OWN_RULES,
  MANAGER_RULES,
  type RbacRule,
} from '../../src/manager/core/rbac.ts';
import { aHome, type Running } from '../cli/bigo.ts';
import { aGateway, type GatewayRig } from '../manager/rig.ts';
import { untilSeen } from '../tools/until.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import { addNode, reportPod } from './tools/pretend.ts';

const crdFile = new URL('../../deploy/crds/ollamadeployments.yaml', import.meta.url);
const managerMsMax = 280_000;
const account = 'model-manager';
const token = 'token-of-the-gateways';

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Body = any;

async function call(url: string, method: string, body?: object): Promise<{ status: number; body: Body }> {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

/** A server that always says the same; gives its port. */
async function serves(t: TestContext, text: string): Promise<number> {
  const server = createServer((_, res) => res.end(text));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const portOf = (url: string): number => Number(new URL(url).port);

describe('a manager in a cluster', { skip: await skipWithoutCluster() }, () => {
  let cluster: ControlPlane;
  before(async () => {
    cluster = await startControlPlane();
    await cluster.admin.applyYaml(await readFile(crdFile, 'utf8'));
    await untilSeen(
      'the resource',
      () => cluster.admin.send('GET', '/apis/llm.geeper.io/v1alpha1/ollamadeployments'),
      ({ status }) => status === 200,
    );
    const labels = { 'nvidia.com/gpu.memory': '23028', 'nvidia.com/gpu.count': '2' };
    await addNode(cluster.admin, { name: 'gpu-1', labels, extended: { 'nvidia.com/gpu': '2' } });
  });
  after(() => cluster.stop());

  /** A namespace with the manager's account and its rules, and nothing else granted. */
  async function aNamespace(t: TestContext): Promise<string> {
    const namespace = await cluster.namespace(t);
    const metadata = { name: account, namespace };
    await cluster.admin.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata });
    await grant('Role', metadata, [...MANAGER_RULES, ...MANAGER_OWN_RULES]);
    await grant('ClusterRole', { name: namespace, namespace }, MANAGER_CLUSTER_RULES);
    const data = { token: Buffer.from(token).toString('base64') };
    await cluster.admin.create({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'chat-gateway-admin', namespace },
      data,
    });
    return namespace;
  }

  async function grant(
    kind: 'Role' | 'ClusterRole',
    { name, namespace }: { name: string; namespace: string },
    rules: readonly RbacRule[],
  ): Promise<void> {
    const apiVersion = 'rbac.authorization.k8s.io/v1';
    const metadata = kind === 'Role' ? { name, namespace } : { name };
    await cluster.admin.create({ apiVersion, kind, metadata, rules });
    await cluster.admin.create({
      apiVersion,
      kind: `${kind}Binding`,
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
      subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
    });
  }

  interface PodOptions {
    readonly namespace: string;
    readonly name: string;
    readonly app: 'bigo-gateway' | 'ollama';
    readonly ports: Readonly<Record<string, number>>;
  }

  async function aPod({ namespace, name, app, ports }: PodOptions): Promise<void> {
    const labels = { 'app.kubernetes.io/name': app, 'app.kubernetes.io/instance': 'chat' };
    const list = Object.entries(ports).map(([port, containerPort]) => ({ name: port, containerPort }));
    const containers = [{ name: 'main', image: 'ollama/ollama:0.24.0', ports: list }];
    await cluster.admin.create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels },
      spec: { nodeName: 'gpu-1', containers },
    });
    await reportPod(cluster.admin, { namespace, name }, { podIP: '127.0.0.1' });
  }

  async function gatewayPod(t: TestContext, namespace: string, name: string): Promise<GatewayRig> {
    const fake = { models: [{ name: 'm:1', sizeBytes: 5e9 }] };
    const rig = await aGateway(t, { fake, settings: { adminToken: token } });
    const ports = { http: portOf(rig.gateway.url), admin: portOf(rig.gateway.adminUrl) };
    await aPod({ namespace, name, app: 'bigo-gateway', ports });
    return rig;
  }

  async function aManager(
    t: TestContext,
    namespace: string,
  ): Promise<{ running: Running; url: string; ready: () => Promise<void> }> {
    const kubeconfig = await cluster.kubeconfig({ namespace, serviceAccount: account });
    const flags = ['--kubeconfig', kubeconfig, '--namespaces', namespace, '--listen', '127.0.0.1:0'];
    const running = aHome(t).start(['manager', ...flags], {
      env: { POD_NAMESPACE: namespace },
      timeMsMax: managerMsMax,
    });
    const { url } = await running.ready();
    const ready = async (): Promise<void> => {
      await untilSeen(
        'its gateways',
        () => call(`${url}/api/whoami`, 'GET'),
        ({ status }) => status === 200,
      );
    };
    return { running, url, ready };
  }

  const usageRef = (namespace: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    namespace,
    name: 'model-usage-stats',
  });

  /** As `kubectl get configmap … -o jsonpath='{.data.usage_data}' | jq .` */
  async function usageOf(namespace: string): Promise<Body> {
    const object = await cluster.admin.find(usageRef(namespace));
    return JSON.parse(String(object?.['data']?.usage_data ?? '{}'));
  }

  async function ask({ gateway }: GatewayRig, times: number): Promise<void> {
    const body = { model: 'm:1', prompt: 'x', stream: false };
    for (let n = 0; n < times; n++)
      assert.equal((await call(`${gateway.url}/api/generate`, 'POST', body)).status, 200);
  }

  async function assertNothingRefused(namespace: string): Promise<void> {
    const user = `system:serviceaccount:${namespace}:${account}`;
    const refused = (await cluster.audit({ user })).filter(
      entry => entry.responseStatus?.code === 403 && !cluster.wasStarting(entry),
    );
    assert.deepEqual(
      refused.map(({ requestURI, verb }) => `${verb} ${requestURI}`),
      [],
    );
  }

  test('finds fleets by label, tells desired apart from observed, and makes and deletes resources', async t => {
    const namespace = await aNamespace(t);
    const rig = await gatewayPod(t, namespace, 'chat-gateway-1');
    const pulling = { name: 'b:1', declared: true, state: 'pulling', percent: 41 };
    const status = { pod: 'one', models: [{ name: 'm:1', state: 'present' }, pulling] };
    const ports = { http: portOf(rig.fake.url), agent: await serves(t, JSON.stringify(status)) };
    await aPod({ namespace, name: 'one', app: 'ollama', ports });
    const { url, ready } = await aManager(t, namespace);
    await ready();

    const made = await call(`${url}/api/deploy`, 'POST', { model_id: 'm:1', deployment_name: 'chat' });
    assert.deepEqual([made.status, made.body.created], [200, true], JSON.stringify(made.body));
    assert.equal(made.body.allocated_vram_gb, 6, 'five gigabytes of weights and a fifth');
    const more = await call(`${url}/api/deploy`, 'POST', { model_id: 'b:1', deployment_name: 'chat' });
    assert.deepEqual([more.status, more.body.created], [200, false], JSON.stringify(more.body));
    const ref = { apiVersion: 'llm.geeper.io/v1alpha1', kind: 'OllamaDeployment', namespace, name: 'chat' };
    const resource = await cluster.admin.get(ref);
    assert.deepEqual(resource['spec'].ollama.models, ['m:1', 'b:1']);
    assert.equal(resource['spec'].ollama.gpu.count, 1, 'its nodes have GPUs');

    const { body } = await untilSeen(
      'the desired models',
      () => call(`${url}/api/ollama/models`, 'GET'),
      answer => answer.body.desired?.length === 2,
    );
    assert.deepEqual(
      body.models.map((model: { name: string }) => model.name),
      ['m:1'],
    );
    assert.deepEqual(body.missing, [{ model: 'b:1', backends: ['one'] }]);
    const coming = body.rows.find((row: { name: string }) => row.name === 'b:1').where;
    assert.deepEqual(
      coming.map(({ backend, state, percent }: Body) => ({ backend, state, percent })),
      [{ backend: 'one', state: 'pulling', percent: 41 }],
    );
    const [row] = (await call(`${url}/api/deployments`, 'GET')).body.models;
    const { name, model_id: model, replicas, gpu, managed } = row;
    assert.deepEqual([name, model, replicas, gpu, managed], ['chat', 'm:1', '1/1', '1', true]);
    const gpus = (await call(`${url}/api/gpu/status`, 'GET')).body.gpu_info;
    assert.deepEqual([gpus.gpu_count, gpus.total_vram_gb], [2, 48.3]);
    assert.equal((await call(`${url}/api/health`, 'GET')).body.kubernetes, 'connected');

    const gone = await call(`${url}/api/delete`, 'POST', { deployment_name: 'chat' });
    assert.equal(gone.status, 200);
    await cluster.admin.until(ref, object => object === undefined);
    const again = await call(`${url}/api/delete`, 'POST', { deployment_name: 'chat' });
    assert.deepEqual([again.status, again.body.code], [404, 'deployment_not_found']);
    const elsewhere = { deployment_name: 'x', namespace: 'kube-system' };
    assert.equal((await call(`${url}/api/delete`, 'POST', elsewhere)).status, 400);
    await assertNothingRefused(namespace);
  });

  test('a fleet without a gateway is seen by its pods, and a wish too large is refused with the numbers', async t => {
    const namespace = await aNamespace(t);
    const rig = await aGateway(t, { fake: { models: [{ name: 'huge:1', sizeBytes: 60e9 }] } });
    await aPod({ namespace, name: 'one', app: 'ollama', ports: { http: portOf(rig.fake.url) } });
    const kubeconfig = await cluster.kubeconfig({ namespace, serviceAccount: account });
    const dcgm = ['USED', 'FREE'].map(
      (name, at) => `DCGM_FI_DEV_FB_${name}{gpu="0",UUID="GPU-1"} ${[2_000, 18_000][at]}`,
    );
    const exporter = `http://127.0.0.1:${await serves(t, dcgm.join('\n'))}`;
    const where = ['--kubeconfig', kubeconfig, '--namespaces', namespace];
    const flags = [...where, '--listen', '127.0.0.1:0', '--dcgm', exporter];
    const env = { POD_NAMESPACE: namespace, BIGO_MANAGER_TOKEN: 'first-hour' };
    const { url } = await aHome(t)
      .start(['manager', ...flags], { env, timeMsMax: managerMsMax })
      .ready();
    assert.equal((await call(`${url}/api/fleet`, 'GET')).status, 502, 'nobody is there to say who calls');
    const headers = { authorization: 'Bearer first-hour', 'content-type': 'application/json' };
    const deployments = (await (await fetch(`${url}/api/deployments`, { headers })).json()) as Body;
    assert.deepEqual([deployments.models[0].replicas, deployments.models[0].managed], ['1/1', false]);
    const body = JSON.stringify({ model_id: 'huge:1', deployment_name: 'big' });
    const refused = await fetch(`${url}/api/deploy`, { method: 'POST', headers, body });
    const told = (await refused.json()) as Body;
    assert.deepEqual([refused.status, told.estimated_vram, told.available_vram], [400, 72, 18.9]);
    await assertNothingRefused(namespace);
  });

  test('two managers and a killed one count once; a reset holds; a lost, broken or full ConfigMap is mended', async t => {
    const namespace = await aNamespace(t);
    const [first, second] = [
      await gatewayPod(t, namespace, 'chat-gateway-1'),
      await gatewayPod(t, namespace, 'chat-gateway-2'),
    ];
    const [one, two] = await Promise.all([aManager(t, namespace), aManager(t, namespace)]);
    await Promise.all([one.ready(), two.ready()]);
    await cluster.admin.until(usageRef(namespace), object => object?.['data']?.usage_data === '{}');
    const counted = async (): Promise<number> => (await usageOf(namespace))['m:1']?.requests ?? 0;
    const settled = (count: number) => untilSeen(`${count} requests`, counted, now => now >= count);
    const looked = () => Promise.all([one, two].map(({ url }) => call(`${url}/api/usage`, 'GET')));

    await ask(first, 20);
    await Promise.all([looked(), ask(second, 15)]);
    await settled(35);
    await looked();
    assert.equal(await counted(), 35);

    await one.running.kill();
    await ask(first, 5);
    await settled(40);
    const again = await aManager(t, namespace);
    await again.ready();
    await call(`${again.url}/api/usage`, 'GET');
    assert.equal(await counted(), 40);

    const patch = (data: object) => cluster.admin.patch(usageRef(namespace), { data });
    await patch({ usage_data: '{}' });
    await ask(second, 3);
    await settled(3);
    await call(`${two.url}/api/usage`, 'GET');
    assert.equal(await counted(), 3, 'what was counted before the reset stays away');

    await patch({ usage_data: '{"half' });
    await ask(first, 2);
    await untilSeen(
      'a whole one',
      () => usageOf(namespace).catch(() => ({})),
      data => data['m:1']?.requests === 2,
    );

    await patch({ theirs: 'x'.repeat(1_040_000) });
    await ask(first, 2);
    await settled(4);

    await cluster.admin.delete(usageRef(namespace));
    await ask(first, 1);
    // The journals still have all that was served since the gateways began.
    await settled(48);
    assert.equal(await counted(), 48);
    await assertNothingRefused(namespace);
  });

  test('while the API server is away requests are served, the manager lives and says so, and nothing is lost', async t => {
    const namespace = await aNamespace(t);
    const rig = await gatewayPod(t, namespace, 'chat-gateway-1');
    const { url, ready } = await aManager(t, namespace);
    await ready();
    await cluster.stopApiServer();
    const health = await untilSeen(
      'the word that it is away',
      () => call(`${url}/api/health`, 'GET'),
      ({ body }) => body.kubernetes === 'disconnected',
    );
    assert.equal(health.status, 503);
    for (const probe of ['livez', 'readyz'])
      assert.equal((await fetch(`${url}/${probe}`)).status, 200, probe);
    await ask(rig, 4);
    const problems = (await call(`${url}/api/health/problems`, 'GET')).body.problems;
    assert.match(problems[0].message, /API server/);
    assert.equal((await call(`${url}/api/usage`, 'GET')).body.code, 'cluster_away');
    await cluster.startApiServer();
    await untilSeen(
      'what was served meanwhile',
      () => usageOf(namespace),
      data => data['m:1']?.requests === 4,
    );
  });

  test('pulls and reports are seen by every replica, and a pull of another replica can be cancelled', async t => {
    const namespace = await aNamespace(t);
    const fake = { registry: [{ name: 'slow:1' }], pullMs: 120_000 };
    const rig = await aGateway(t, { fake, settings: { adminToken: token } });
    const ports = { http: portOf(rig.gateway.url), admin: portOf(rig.gateway.adminUrl) };
    await aPod({ namespace, name: 'chat-gateway-1', app: 'bigo-gateway', ports });
    const [one, two] = await Promise.all([aManager(t, namespace), aManager(t, namespace)]);
    await Promise.all([one.ready(), two.ready()]);
    const { body } = await call(`${one.url}/api/ollama/pull`, 'POST', { model: 'slow:1' });
    const at = (url: string) => async () =>
      (await call(`${url}/api/ollama/pull/progress?id=${body.id}`, 'GET')).body.pulls[0];
    await untilSeen('the pull', at(two.url), pull => pull?.status === 'running');
    await call(`${two.url}/api/ollama/pull?id=${body.id}`, 'DELETE');
    await untilSeen('its end', at(one.url), pull => pull.status === 'cancelled');
    const report = { source: 'cronjob', available_models: ['a'], missing_models: [], timestamp: 'now' };
    assert.equal((await call(`${one.url}/api/health/report`, 'POST', report)).status, 200);
    const { reports } = (await call(`${two.url}/api/health/reports`, 'GET')).body;
    assert.equal(reports[0].source, 'cronjob');
  });
});
