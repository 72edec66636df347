// Rollouts that hang, nodes that are lost and fleets that scale, on a real API server with its own StatefulSet controller.
// The test speaks for nodes and gateways; no pod that serves may be deleted to mend another.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { AgentStatus } from '../../../src/api/agent-status.ts';
import type { RunningOperator } from '../../../src/operator/operator.ts';
import { endAll } from '../../tools/end-all.ts';
import { skipWithoutCluster } from '../tools/cluster.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import { addNode, reportPod, setNodeReady, type PodReport } from '../tools/pretend.ts';
import { od, OperatorRig } from './rig.ts';

const longAgo = () => new Date(Date.now() - 3_600_000).toISOString();
const imageOf = (pod: KubeObject): string => pod['spec'].containers[0].image;

const holdsItsModel: AgentStatus = {
  pod: 'back',
  version: '0.1.0',
  at: '2026-01-01T00:00:00.000Z',
  ollama: { up: true },
  ready: true,
  settled: true,
  draining: false,
  models: [{ name: 'llama3.2:1b', declared: true, state: 'present', digest: 'd', sizeBytes: 1 }],
  blobs: { count: 1, hashed: 1, wrong: [], repaired: 0 },
  errors: [],
};

async function listening(server: Server): Promise<string> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('rollouts and lost nodes on a real API server', { skip: await skipWithoutCluster() }, () => {
  let rig: OperatorRig;
  let operator: RunningOperator;
  const held = new Set<string>();
  const lostNodes = new Set<string>();
  const starting = (pod: KubeObject): PodReport | undefined => {
    if (lostNodes.has(pod['spec'].nodeName)) return undefined;
    const waiting = { reason: 'ImagePullBackOff', message: 'no such image' };
    if (imageOf(pod).endsWith(':bad'))
      return { ready: false, phase: 'Pending', states: { ollama: { waiting } } };
    return held.has(pod.metadata.name) ? { ready: false } : {};
  };
  /** A kubelet that is gone never says that a pod has ended. */
  const ending = (pod: KubeObject): void | Promise<void> =>
    lostNodes.has(pod['spec'].nodeName) ? new Promise(() => {}) : undefined;
  let gateway: Server;
  let agent: Server;
  let demand = 0;
  const tokens = new Set<string | undefined>();
  before(async () => {
    gateway = createServer((req, res) => {
      tokens.add(req.headers.authorization);
      res.end(`bigo_fleet_demand{fleet="busy"} ${demand}\nbigo_decisions_total{reason="warm"} 7\n`);
    });
    agent = createServer((_req, res) => res.end(JSON.stringify(holdsItsModel)));
    const url = await listening(gateway);
    const agentUrl = await listening(agent);
    rig = await OperatorRig.start({}, { starting, ending });
    operator = await rig.operator({
      limits: {
        reflector: { backoffMsMax: 1_000 },
        // Of one fleet: nobody answers for the others.
        agentUrl: ({ metadata }) =>
          metadata.name.startsWith('back-ollama-') ? agentUrl : 'http://127.0.0.1:1',
        gatewayUrl: ({ metadata }) => (metadata.name.includes('-gateway-') ? url : undefined),
        scale: { lookMs: 200, atZeroMs: 100 },
      },
    });
    await operator.leading;
  });
  after(() =>
    endAll(
      () => operator?.close(),
      () => rig?.stop(),
      () => gateway?.close(),
      () => agent?.close(),
    ),
  );

  const until = (what: string, isSo: () => Promise<boolean>) => rig.until(what, isSo);
  const create = (namespace: string, name: string, ollama: object, more: object = {}) =>
    rig.cluster.admin.create({
      ...od(namespace, name),
      metadata: { name, namespace },
      spec: { ollama: { models: ['llama3.2:1b'], ...ollama }, gateway: { enabled: false }, ...more },
    });
  const condition = async (namespace: string, name: string, type: string) =>
    rig.condition(await rig.cluster.admin.get(od(namespace, name)), type);
  const podRef = (namespace: string, name: string) => ({ apiVersion: 'v1', kind: 'Pod', namespace, name });
  const pod = (namespace: string, name: string) => rig.cluster.admin.find(podRef(namespace, name));
  const events = async (namespace: string, reason: string) => {
    const all = await rig.cluster.admin.list({ apiVersion: 'events.k8s.io/v1', kind: 'Event', namespace });
    return all.filter(
      event => event['reason'] === reason && event['reportingController'] === 'bigo-operator',
    );
  };
  const isReady = (found: KubeObject | undefined): boolean =>
    found?.['status']?.conditions?.some(
      ({ type, status }: { type: string; status: string }) => type === 'Ready' && status === 'True',
    ) ?? false;
  /** As if the pod had been so for an hour. */
  const age = async (namespace: string, name: string): Promise<void> => {
    const conditions = ((await pod(namespace, name))?.['status'].conditions ?? []).map((one: object) => ({
      ...one,
      lastTransitionTime: longAgo(),
    }));
    await rig.cluster.admin.patch(podRef(namespace, name), { status: { conditions } }, 'merge', 'status');
  };

  it('a bad image is named, told once, and once it is mended the rollout goes on by itself', async t => {
    const namespace = await rig.cluster.namespace(t);
    await create(namespace, 'chat', { replicas: 3, imageTag: 'bad', storage: { mode: 'ephemeral' } });
    await until('the broken rollout is named', async () => {
      const found = await condition(namespace, 'chat', 'Progressing');
      return (
        found?.reason === 'RolloutStuck' &&
        /pod chat-ollama-\d, .*ollama:bad.*no such image/.test(found.message)
      );
    });
    await until('the Event is there', async () => (await events(namespace, 'ImagePullFailed')).length > 0);
    await rig.quiet();
    assert.equal((await events(namespace, 'ImagePullFailed')).length, 1);

    held.add('chat-ollama-2');
    await rig.cluster.admin.patch(
      od(namespace, 'chat'),
      { spec: { ollama: { imageTag: '0.24.0' } } },
      'merge',
    );
    const isNew = async (name: string) => {
      const found = await pod(namespace, name);
      return found !== undefined && imageOf(found).endsWith(':0.24.0');
    };
    await until('the set replaces its highest pod', () => isNew('chat-ollama-2'));
    const highest = (await pod(namespace, 'chat-ollama-2'))?.metadata.uid;
    for (const name of ['chat-ollama-0', 'chat-ollama-1']) await age(namespace, name);
    // The set waits for its highest pod, which pulls; the broken ones serve nobody and need not wait with it.
    for (const name of ['chat-ollama-1', 'chat-ollama-0']) await until(`${name} is new`, () => isNew(name));
    assert.equal(isReady(await pod(namespace, 'chat-ollama-2')), false);
    const told = async () =>
      (await events(namespace, 'PodReplaced')).map(event => /chat-ollama-\d/.exec(event['note'])?.[0] ?? '');
    await until('both are told', async () => (await told()).length === 2);
    assert.deepEqual((await told()).toSorted(), ['chat-ollama-0', 'chat-ollama-1']);
    await until('the pods are ready', async () => {
      return isReady(await pod(namespace, 'chat-ollama-0')) && isReady(await pod(namespace, 'chat-ollama-1'));
    });
    held.clear();
    await reportPod(rig.cluster.admin, { namespace, name: 'chat-ollama-2' });
    await until('the rollout is over', async () => {
      return (await condition(namespace, 'chat', 'Progressing'))?.reason === 'RolloutComplete';
    });
    assert.equal((await condition(namespace, 'chat', 'Degraded'))?.status, 'False');
    assert.equal((await pod(namespace, 'chat-ollama-2'))?.metadata.uid, highest, 'a healthy pod was deleted');
  });

  it('the phase is Ready again once a broken rollout was taken back, and once it was mended by another image', async t => {
    const namespace = await rig.cluster.namespace(t);
    const { admin } = rig.cluster;
    const change = (imageTag: string) =>
      admin.patch(od(namespace, 'back'), { spec: { ollama: { imageTag } } }, 'merge');
    const isWhole = async () => (await admin.get(od(namespace, 'back')))['status']?.phase === 'Ready';
    const [good, storage] = [{ imageTag: '0.24.0', replicas: 2 }, { mode: 'ephemeral' }];
    await create(namespace, 'back', { ...good, storage }, { gateway: { replicas: 1 } });
    await until('the fleet is whole', isWhole);
    for (const imageTag of ['0.24.0', '0.24.1']) {
      await change('bad');
      await until('the broken rollout is named', async () => {
        return (await condition(namespace, 'back', 'Progressing'))?.reason === 'RolloutStuck';
      });
      const broken = (await admin.get(od(namespace, 'back')))['status'];
      assert.equal(broken.phase, 'Progressing', 'one pod is ready, not all');
      assert.equal(rig.condition({ metadata: { name: 'back' }, status: broken }, 'Degraded')?.status, 'True');
      await change(imageTag);
      await until(`it is whole with ${imageTag}`, isWhole);
      const said = ['Ready', 'Available', 'ModelsReady', 'Degraded', 'Progressing'].map(type =>
        condition(namespace, 'back', type),
      );
      const states = (await Promise.all(said)).map(found => `${found?.status} ${found?.reason}`);
      const ready = ['True AllReady', 'True Available', 'True ModelsReady'];
      assert.deepEqual(states, [...ready, 'False AsExpected', 'False RolloutComplete']);
    }
  });

  it('a lost node is named with its pods and claims; they move only where the resource says so', async t => {
    const namespace = await rig.cluster.namespace(t);
    const { admin } = rig.cluster;
    await addNode(admin, { name: 'node-2' });
    const onSecond = { scheduling: { nodeSelector: { 'kubernetes.io/hostname': 'node-2' } } };
    await create(namespace, 'still', { ...onSecond });
    // It may run on both; only while it starts, the first takes no pods.
    const first = { apiVersion: 'v1', kind: 'Node', name: 'node-1' };
    await admin.patch(first, { spec: { unschedulable: true } }, 'merge');
    await create(namespace, 'moves', { nodeLost: { policy: 'Delete', afterSeconds: 300 } });
    for (const name of ['still-ollama-0', 'moves-ollama-0'])
      await until(`${name} is ready`, async () => isReady(await pod(namespace, name)));
    await admin.patch(first, { spec: { unschedulable: false } }, 'merge');
    const uids = new Map<string, string | undefined>();
    for (const name of ['still-ollama-0', 'moves-ollama-0']) {
      const found = await pod(namespace, name);
      assert.equal(found?.['spec'].nodeName, 'node-2');
      uids.set(name, found?.metadata.uid);
    }

    lostNodes.add('node-2');
    await setNodeReady(admin, { name: 'node-2' }, 'Unknown');
    for (const name of ['still', 'moves']) {
      await until(`the loss is told of ${name}`, async () => {
        const found = await condition(namespace, name, 'NodeLost');
        const says = new RegExp(`pod ${name}-ollama-0 \\(claim models-${name}-ollama-0\\) is on node node-2`);
        return found?.status === 'True' && found.reason === 'NodeNotReady' && says.test(found.message);
      });
    }
    await rig.quiet();
    for (const [name, uid] of uids)
      assert.equal((await pod(namespace, name))?.metadata.uid, uid, 'too early');

    const second = { apiVersion: 'v1', kind: 'Node', name: 'node-2' };
    const conditions = (await admin.get(second))['status'].conditions.map((one: object) => ({
      ...one,
      lastTransitionTime: longAgo(),
    }));
    await admin.patch(second, { status: { conditions } }, 'merge', 'status');
    await until('the pod starts on the other node', async () => {
      const found = await pod(namespace, 'moves-ollama-0');
      return found?.['spec'].nodeName === 'node-1' && isReady(found);
    });
    await until(
      'it is no longer lost',
      async () => (await condition(namespace, 'moves', 'NodeLost'))?.status === 'False',
    );
    await until('the move is told', async () => (await events(namespace, 'PodMoved')).length > 0);
    const [moved, ...others] = await events(namespace, 'PodMoved');
    assert.match(
      moved?.['note'],
      /pod moves-ollama-0, which held claim models-moves-ollama-0, was deleted: node node-2/,
    );
    assert.deepEqual(others, []);
    assert.equal((await pod(namespace, 'still-ollama-0'))?.metadata.uid, uids.get('still-ollama-0'));
    assert.equal((await condition(namespace, 'still', 'NodeLost'))?.status, 'True');

    lostNodes.clear();
    await setNodeReady(admin, { name: 'node-2' }, 'True');
    await until(
      'the node is back',
      async () => (await condition(namespace, 'still', 'NodeLost'))?.reason === 'NodesReady',
    );
  });

  it('scales by the demand that gateways tell, to zero and back, through the scale subresource', async t => {
    const namespace = await rig.cluster.namespace(t);
    const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace, name: 'busy-ollama' };
    const replicas = async () => [
      (await rig.cluster.admin.get(od(namespace, 'busy')))['spec'].ollama.replicas,
      (await rig.cluster.admin.find(set))?.['spec'].replicas,
      (await rig.cluster.admin.find(set))?.['status']?.readyReplicas ?? 0,
    ];
    const are = (count: number) => async () => (await replicas()).every(found => found === count);
    demand = 5;
    const autoscaling = { enabled: true, maxReplicas: 3, target: 2, idleSecondsToZero: 2 };
    await create(
      namespace,
      'busy',
      { storage: { mode: 'ephemeral' } },
      { gateway: { replicas: 1 }, autoscaling },
    );
    await until('three pods for five requests', are(3));
    demand = 0;
    await until('no pod without a request', are(0));
    await until(
      'it is told',
      async () => (await condition(namespace, 'busy', 'Ready'))?.reason === 'ScaledToZero',
    );
    demand = 1;
    await until('one pod for one request', are(1));
    const notes = async () =>
      (await events(namespace, 'Scaling')).map(event => /^from \d to \d pods/.exec(event['note'])?.[0] ?? '');
    await until('all three are told', async () => (await notes()).length === 3);
    assert.deepEqual((await notes()).toSorted(), [
      'from 0 to 1 pods',
      'from 1 to 3 pods',
      'from 3 to 0 pods',
    ]);
    const secret = await rig.cluster.admin.get({
      apiVersion: 'v1',
      kind: 'Secret',
      namespace,
      name: 'busy-gateway-admin',
    });
    const token = Buffer.from(secret['data'].token, 'base64').toString();
    assert.ok(tokens.has(`Bearer ${token}`));
  });

  it('does nothing that its rules do not allow', async () => {
    const refused = await rig.refusals();
    assert.deepEqual(
      refused.map(entry => `${entry.verb} ${entry.requestURI}`),
      [],
    );
  });
});
