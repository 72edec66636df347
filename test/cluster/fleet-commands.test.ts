// `bigo status|scale|drain|events|logs` for a fleet of a real cluster, as a person types them. Pods are objects only.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { customResourceDefinition } from '../../src/api/ollama-deployment/crd.ts';
import { aHome, type Running, type RunResult } from '../cli/bigo.ts';
import { until } from '../tools/until.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import type { KubeObject } from './tools/kube-client.ts';
import { addNode, reportPod } from './tools/pretend.ts';

const namespace = 'ml';
const fleet = { apiVersion: 'llm.geeper.io/v1alpha1', kind: 'OllamaDeployment', namespace, name: 'chat' };
const pod = { apiVersion: 'v1', kind: 'Pod', namespace, name: 'chat-ollama-0' };

/** A whole suite of programs that are started one after another. */
const allMsMax = 900_000;

describe('commands for a fleet of a cluster', { skip: await skipWithoutCluster(), timeout: allMsMax }, () => {
  let cluster: ControlPlane;
  before(async () => {
    cluster = await startControlPlane({ audit: false });
    const { admin } = cluster;
    await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'empty' } });
    await admin.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } });
    const crd = customResourceDefinition() as unknown as KubeObject;
    await admin.create(crd);
    await served(cluster);
    const { name } = fleet;
    await admin.create({
      ...fleet,
      metadata: { name, namespace },
      spec: { ollama: { models: ['a:1', 'b:1'] } },
    });
    const conditions = [
      condition('Ready', 'False', 'ModelsMissing'),
      condition('Degraded', 'True', 'PullFailed'),
    ];
    const models = [
      { name: 'a:1', ready: '1/1', state: 'present' },
      { name: 'b:1', ready: '0/1', state: 'failed', message: 'no such model' },
    ];
    const status = {
      phase: 'Progressing',
      readyReplicas: 1,
      totalReplicas: 2,
      modelsReady: '1/2',
      conditions,
      models,
    };
    await admin.patch(fleet, { status }, 'merge', 'status');
    const labels = {
      'app.kubernetes.io/part-of': 'bigo',
      'app.kubernetes.io/instance': name,
      'app.kubernetes.io/name': 'ollama',
    };
    const containers = [{ name: 'ollama', image: 'ollama/ollama:0' }];
    await admin.create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod.name, namespace, labels },
      spec: { containers },
    });
  });
  after(() => cluster.stop());

  const bigo = (t: TestContext, ...args: readonly string[]): Promise<RunResult> =>
    aHome(t).run(args, { env: { KUBECONFIG: cluster.adminKubeconfig } });
  const start = (t: TestContext, ...args: readonly string[]): Running =>
    aHome(t).start(args, { env: { KUBECONFIG: cluster.adminKubeconfig } });
  const done = (result: RunResult): string => {
    assert.equal(result.code, 0, result.stdout + result.stderr);
    return result.stdout;
  };

  it('status names what is wrong, each model and each pod', async t => {
    const text = done(await bigo(t, 'status', '-n', namespace));
    assert.match(text, /ml\/chat +Progressing +1\/2 +1\/2/);
    assert.match(text, /chat: Degraded: PullFailed: message of Degraded/);
    assert.match(text, /b:1 +0\/1 +failed +no such model/);
    assert.match(text, /chat-ollama-0 +Pending +0/);
    const json = JSON.parse(done(await bigo(t, 'status', '-n', namespace, '--json'))) as {
      fleets: unknown[];
    };
    assert.equal(json.fleets.length, 1);
    assert.match(done(await bigo(t, 'status', '-n', 'empty')), /There is no fleet in namespace empty/);
  });

  it('every command says when there is no such namespace, and when a name cannot be one', async t => {
    const commands = [['status'], ['events'], ['logs'], ['scale', 'chat', '1'], ['drain', pod.name]];
    for (const command of commands) {
      const absent = await bigo(t, ...command, '-n', 'nowhere');
      assert.equal(absent.code, 1, command.join(' '));
      assert.match(absent.stderr, /there is no namespace nowhere in https:/);
    }
    const wrong = await bigo(t, 'status', '-n', 'My Namespace');
    assert.equal(wrong.code, 64);
    assert.match(wrong.stderr, /"My Namespace" is no name of a namespace/);
  });

  it('a cluster that cannot be reached, is not trusted or does not know the person is told apart', async t => {
    const good = await readFile(cluster.adminKubeconfig, 'utf8');
    const folder = await mkdtemp(path.join(tmpdir(), 'bigo-kubeconfig-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const cases: readonly (readonly [string, RegExp, number])[] = [
      [good.replace(cluster.url, 'https://127.0.0.1:1'), /no answer from the API server .*ECONNREFUSED/, 1],
      [
        good.replace(/certificate-authority-data: .*\n/, ''),
        /is not trusted \(\w+\)\n.*certificate-authority/,
        1,
      ],
      [good.replace(/token: .*/, 'token: wrong'), /does not know who you are\n.*log in again/, 2],
      ['users: [unclosed', /cannot be used: [^\n]*\.\nCorrect the file/, 1],
    ];
    for (const [index, [text, says, code]] of cases.entries()) {
      const file = path.join(folder, `${index}.yaml`);
      await writeFile(file, text);
      const result = await bigo(t, 'events', '-n', namespace, '--kubeconfig', file);
      assert.match(result.stderr, says);
      assert.equal(result.code, code, result.stderr);
    }
    const nobody = await aHome(t).run(['events', '-n', namespace]);
    assert.match(nobody.stderr, /there is no kubeconfig, and this is not a pod/);
    const stranger = await bigo(
      t,
      'events',
      '-n',
      namespace,
      '--kubeconfig',
      await cluster.kubeconfig('stranger'),
    );
    assert.equal(stranger.code, 2);
    assert.match(stranger.stderr, /User "stranger" cannot list resource "events"/);
  });

  it('scale goes through the scale subresource, within the bounds of the resource', async t => {
    assert.match(
      done(await bigo(t, 'scale', 'chat', '3', '-n', namespace)),
      /OllamaDeployment ml\/chat: 1 -> 3 pods/,
    );
    assert.equal((await cluster.admin.get(fleet))['spec'].ollama.replicas, 3);
    const tooMany = await bigo(t, 'scale', 'chat', '11', '-n', namespace);
    assert.equal(tooMany.code, 1);
    assert.match(tooMany.stderr, /less than or equal to 10/);
    assert.equal((await bigo(t, 'scale', 'chat', 'many', '-n', namespace)).code, 64);
    const unknown = await bigo(t, 'scale', 'nobody', '1', '-n', namespace);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /there is no fleet nobody in namespace ml/);
  });

  it('scale takes the workload of a plain profile, too', async t => {
    const labels = { app: 'plain' };
    const template = {
      metadata: { labels },
      spec: { containers: [{ name: 'ollama', image: 'ollama/ollama:0' }] },
    };
    const spec = { replicas: 0, selector: { matchLabels: labels }, template };
    const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: 'ollama' };
    await cluster.admin.create({ ...deployment, metadata: { name: 'ollama', namespace }, spec });
    assert.match(
      done(await bigo(t, 'scale', 'ollama', '2', '-n', namespace)),
      /Deployment ml\/ollama: 0 -> 2 pods/,
    );
    assert.equal((await cluster.admin.get(deployment))['spec'].replicas, 2);
  });

  it('drain marks the pod for the gateways until a time, and takes the mark away', async t => {
    const mark = async () =>
      (await cluster.admin.get(pod)).metadata.annotations?.['llm.geeper.io/drain-until'];
    const marked = done(await bigo(t, 'drain', pod.name, '-n', namespace, '--for', '2h'));
    assert.match(marked, /takes no new requests until.*\n.*no gateway runs that could send to chat-ollama-0/);
    assert.ok(Date.parse((await mark()) ?? '') > Date.now());
    done(await bigo(t, 'drain', pod.name, '-n', namespace, '--end'));
    assert.equal(await mark(), undefined);
    const unknown = await bigo(t, 'drain', 'nobody', '-n', namespace);
    assert.match(unknown.stderr, /there is no pod nobody in namespace ml/);
    for (const wrong of [
      ['--for', 'soon'],
      ['--timeout', '5'],
      ['--for', '1m', '--timeout', '2m'],
    ])
      assert.equal((await bigo(t, 'drain', pod.name, '-n', namespace, ...wrong)).code, 64);
    assert.equal(await mark(), undefined, 'wrong arguments mark nothing');
    const other = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'other', namespace } };
    await cluster.admin.create({ ...other, spec: { containers: [{ name: 'a', image: 'a:0' }] } });
    const foreign = await bigo(t, 'drain', 'other', '-n', namespace);
    assert.equal(foreign.code, 3);
    assert.match(foreign.stderr, /pod other is no backend/);
  });

  it('events lists those of the fleet and of what it became', async t => {
    const event = (name: string, about: string, reason: string): KubeObject => ({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace },
      involvedObject: { kind: 'Pod', name: about, namespace },
      ...{ type: 'Warning', reason, message: `${reason} happened`, lastTimestamp: new Date().toISOString() },
    });
    await cluster.admin.create(event('e1', pod.name, 'PullFailed'));
    await cluster.admin.create(event('e2', 'other-ollama-0', 'NotOurs'));
    const text = done(await bigo(t, 'events', 'chat', '-n', namespace));
    assert.match(text, /Warning +PullFailed +Pod\/chat-ollama-0 +PullFailed happened/);
    assert.doesNotMatch(text, /NotOurs/);
    assert.match(done(await bigo(t, 'events', '-n', 'empty')), /Nothing happened/);
  });

  it('logs says when there is no such pod, and of one that never ran that it wrote nothing', async t => {
    const none = await bigo(t, 'logs', 'chat', '-n', namespace);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /there is no gateway pod of a fleet chat in namespace ml/);
    const never = await bigo(t, 'logs', 'chat', '-n', namespace, '--component', 'ollama');
    assert.equal(never.code, 0);
    assert.match(never.stderr, /chat-ollama-0 wrote nothing/);
  });

  // From here on there is a node, so that pods are scheduled.
  it('scale --wait ends when so many pods are ready, and says what is missing when its time is over', async t => {
    const labels = { app: 'waited' };
    const template = {
      metadata: { labels },
      spec: { containers: [{ name: 'ollama', image: 'ollama/ollama:0' }] },
    };
    const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace, name: 'waited' };
    const spec = { replicas: 0, serviceName: 'waited', selector: { matchLabels: labels }, template };
    await cluster.admin.create({ ...set, metadata: { name: 'waited', namespace }, spec });
    const late = await bigo(t, 'scale', 'waited', '1', '-n', namespace, '--wait', '--timeout', '1s');
    assert.equal(late.code, 4, late.stderr);
    assert.match(late.stderr, /not scaled after 1 s: 0 of 1 pods are ready/);
    const running = start(t, 'scale', 'waited', '1', '-n', namespace, '--wait');
    await running.see('stderr', /0 of 1 pods are ready/);
    await addNode(cluster.admin, { name: 'node-1' });
    const name = 'waited-0';
    await until('the pod has a node', async () => {
      const found = await cluster.admin.find({ apiVersion: 'v1', kind: 'Pod', namespace, name });
      return found?.['spec'].nodeName !== undefined;
    });
    await reportPod(cluster.admin, { namespace, name });
    assert.match(done(await running.ended), /1 of 1 pods are ready/);
  });

  it('scale --wait waits for a pod of a Deployment that still ends', async t => {
    const labels = { app: 'leaving' };
    // Of a pod that no node has, nothing but the finalizer keeps the API server from removing it.
    const nodeSelector = { 'test.example/none': 'yes' };
    const template = {
      metadata: { labels },
      spec: { nodeSelector, containers: [{ name: 'ollama', image: 'ollama/ollama:0' }] },
    };
    const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: 'leaving' };
    const spec = { replicas: 1, selector: { matchLabels: labels }, template };
    await cluster.admin.create({ ...deployment, metadata: { name: 'leaving', namespace }, spec });
    const pods = () => cluster.admin.list({ apiVersion: 'v1', kind: 'Pod', namespace }, 'app=leaving');
    await until('the pod is there', async () => (await pods()).length === 1);
    const { metadata } = (await pods())[0] ?? assert.fail();
    const leaving = { apiVersion: 'v1', kind: 'Pod', namespace, name: metadata.name };
    await cluster.admin.patch(leaving, { metadata: { finalizers: ['test.example/hold'] } });
    done(await bigo(t, 'scale', 'leaving', '0', '-n', namespace));
    await until('the Deployment counts it no more', async () => {
      const { status } = await cluster.admin.get(deployment);
      return (status?.replicas ?? 0) === 0 && status?.observedGeneration === 2;
    });
    const late = await bigo(t, 'scale', 'leaving', '0', '-n', namespace, '--wait', '--timeout', '1s');
    assert.equal(late.code, 4, late.stderr);
    assert.match(late.stderr, /1 are on their way out/);
    await cluster.admin.patch(leaving, { metadata: { finalizers: null } });
    assert.match(
      done(await bigo(t, 'scale', 'leaving', '0', '-n', namespace, '--wait')),
      /0 of 0 pods are ready\n/,
    );
  });

  it('drain waits until no gateway has a request on the pod, and ends with 4 when its time is over', async t => {
    const address = ownAddress();
    // The API server passes nothing on to loopback addresses.
    if (address === undefined) return t.skip('needs a network address beside loopback');
    const gateway = await startGateway(t, address);
    await addNode(cluster.admin, { name: 'node-1' });
    await cluster.admin.create(gatewaySecret);
    await cluster.admin.create(gatewayPod(gateway.port));
    await reportPod(cluster.admin, { namespace, name: 'chat-gateway-a' }, { podIP: address });

    gateway.says = { state: 'serving', inFlight: 2 };
    const late = await bigo(t, 'drain', pod.name, '-n', namespace, '--timeout', '1s');
    assert.equal(late.code, 4, late.stderr);
    assert.match(late.stderr, /2 requests in flight, 1 of its gateways still send/);
    assert.match(late.stderr, /chat-ollama-0 is not idle after 1 s/);

    const running = start(t, 'drain', pod.name, '-n', namespace);
    await running.see('stderr', /2 requests in flight, 1 of its gateways still send/);
    gateway.says = { state: 'draining', inFlight: 1 };
    await running.see('stderr', /: 1 request in flight\n/);
    gateway.says = { state: 'drained', inFlight: 0 };
    assert.match(done(await running.ended), /chat-ollama-0 is idle/);
    assert.deepEqual([...gateway.asked], [`GET /bigo/v1/backends/${pod.name}/drain ${adminToken}`]);
    const json = done(await bigo(t, 'drain', pod.name, '-n', namespace, '--json'));
    assert.deepEqual(Object.keys(JSON.parse(json) as object), [
      'pod',
      'namespace',
      'until',
      'isIdle',
      'inFlight',
    ]);

    gateway.says = { state: 'draining', inFlight: 1 };
    assert.equal((await bigo(t, 'drain', pod.name, '-n', namespace, '--no-wait')).code, 0);
    gateway.says = 'broken';
    const broken = await bigo(t, 'drain', pod.name, '-n', namespace, '--timeout', '1s');
    assert.equal(broken.code, 4);
    assert.match(
      broken.stderr,
      /no answer from chat-gateway-a \(.+\)\n.*kubectl exec chat-gateway-a -- bigo status/,
    );
  });
});

function condition(type: string, status: string, reason: string): object {
  return {
    type,
    status,
    reason,
    message: `message of ${type}`,
    lastTransitionTime: new Date().toISOString(),
  };
}

const ownAddress = (): string | undefined =>
  Object.values(networkInterfaces())
    .flatMap(found => found ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

const adminToken = 'token-of-the-admin-port';
const gatewaySecret: KubeObject = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'chat-gateway-admin', namespace },
  stringData: { token: adminToken },
};

function gatewayPod(port: number): KubeObject {
  const labels = { 'app.kubernetes.io/instance': 'chat', 'app.kubernetes.io/name': 'bigo-gateway' };
  const secretKeyRef = { name: 'chat-gateway-admin', key: 'token' };
  const env = [{ name: 'BIGO_GATEWAY_ADMIN_TOKEN', valueFrom: { secretKeyRef } }];
  const ports = [{ name: 'admin', containerPort: port }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'chat-gateway-a', namespace, labels },
    spec: { nodeName: 'node-1', containers: [{ name: 'gateway', image: 'bigo:0', env, ports }] },
  };
}

/** Answers as the admin port of a gateway does, with what the test says. */
interface PretendGateway {
  readonly port: number;
  readonly asked: Set<string>;
  says: { readonly state: string; readonly inFlight: number } | 'broken';
}

async function startGateway(t: TestContext, address: string): Promise<PretendGateway> {
  const asked = new Set<string>();
  const server = createServer((req, res) => {
    asked.add(`${req.method} ${req.url} ${String(req.headers['x-api-key'])}`);
    const { says } = gateway;
    res.statusCode = says === 'broken' ? 500 : 200;
    res.end(says === 'broken' ? 'broken' : JSON.stringify({ ...says, queued: 0 }));
  });
  await new Promise<void>(resolve => server.listen(0, address, resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const gateway: PretendGateway = { port, asked, says: 'broken' };
  return gateway;
}

/** An established resource is served a moment later. */
async function served(cluster: ControlPlane): Promise<void> {
  const target = '/apis/llm.geeper.io/v1alpha1/ollamadeployments';
  await until('the resource is served', async () => (await cluster.admin.send('GET', target)).status === 200);
}
