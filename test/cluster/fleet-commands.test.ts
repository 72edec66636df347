// `bigo status|scale|drain|events|logs` for a fleet of a real cluster, as a person types them. Pods are objects only.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { customResourceDefinition } from '../../src/api/ollama-deployment/crd.ts';
import { aHome, type RunResult } from '../cli/bigo.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import type { KubeObject } from './tools/kube-client.ts';

const namespace = 'ml';
const fleet = { apiVersion: 'llm.geeper.io/v1alpha1', kind: 'OllamaDeployment', namespace, name: 'chat' };
const servedMsMax = 60_000;
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
    assert.match(
      done(await bigo(t, 'drain', pod.name, '-n', namespace, '--for', '2h')),
      /takes no new requests until/,
    );
    assert.ok(Date.parse((await mark()) ?? '') > Date.now());
    done(await bigo(t, 'drain', pod.name, '-n', namespace, '--end'));
    assert.equal(await mark(), undefined);
    const unknown = await bigo(t, 'drain', 'nobody', '-n', namespace);
    assert.match(unknown.stderr, /there is no pod nobody in namespace ml/);
    assert.equal((await bigo(t, 'drain', pod.name, '-n', namespace, '--for', 'soon')).code, 64);
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
    assert.match(none.stderr, /there is no gateway pod in namespace ml/);
    const never = await bigo(t, 'logs', 'chat', '-n', namespace, '--component', 'ollama');
    assert.equal(never.code, 0);
    assert.match(never.stderr, /chat-ollama-0 wrote nothing/);
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

/** An established resource is served a moment later. */
async function served(cluster: ControlPlane): Promise<void> {
  const deadlineMs = Date.now() + servedMsMax;
  while ((await cluster.admin.send('GET', '/apis/llm.geeper.io/v1alpha1/ollamadeployments')).status !== 200) {
    if (Date.now() > deadlineMs) assert.fail('the resource is not served');
    await sleep(100);
  }
}
