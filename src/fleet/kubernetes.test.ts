// Rules of following pods, against an API server in this process. Never waits longer than a bound.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFakeKubeApi, type FakeKubeApi } from '../../test/fakes/kube-api/server.ts';
import type { KubernetesDiscovery } from '../api/settings.ts';
import { createKubeClient } from '../platform/kube/client.ts';
import { DRAIN_UNTIL } from './core/pods.ts';
import { PodDiscovery, type PodBackends } from './kubernetes.ts';

const log = { debug() {}, info() {}, warn() {} };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const by = { name: 'test', operation: 'Update', subresource: '' } as const;
const nameOf = (name: string) => ({ collection: 'v1/pods', namespace: 'llm', name });

function putPod(
  api: FakeKubeApi,
  name: string,
  fields: { app?: string; ip?: string; ready?: boolean } = {},
): void {
  const { app = 'ollama', ip = '10.0.0.1', ready = true } = fields;
  const status = {
    phase: 'Running',
    podIP: ip,
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  };
  const metadata = { name, labels: { app }, annotations: {} };
  api.store.create(nameOf(name), { apiVersion: 'v1', kind: 'Pod', metadata, status }, by);
}

const removePod = (api: FakeKubeApi, name: string) => api.store.delete(nameOf(name), { orphans: false });
const patchPod = (api: FakeKubeApi, name: string, metadata: object) =>
  api.store.mergePatch(nameOf(name), { metadata: metadata as never }, by);

async function anApi(): Promise<FakeKubeApi> {
  const api = await startFakeKubeApi();
  closers.push(() => api.close());
  return api;
}

interface Following {
  readonly discovery: PodDiscovery;
  readonly told: PodBackends[];
  readonly names: () => string[];
  readonly until: (isSo: (latest: PodBackends) => boolean) => Promise<void>;
}

function follow(api: FakeKubeApi, wish: Partial<KubernetesDiscovery> = {}): Following {
  const client = createKubeClient(
    { server: api.url, skipsVerification: true, namespace: 'llm' },
    { userAgent: 'test/0', nowMs: () => performance.now(), requestMsMax: 2_000 },
  );
  const told: PodBackends[] = [];
  const discovery = new PodDiscovery(
    { selector: 'app=ollama', port: 11_434, ...wish },
    {
      client,
      namespace: 'llm',
      wallMs: Date.now,
      rng: () => 0,
      log,
      onChange: backends => told.push(backends),
    },
  );
  closers.push(async () => {
    await discovery.stop();
    await client.close();
  });
  discovery.start();
  const latest = () => discovery.latest;
  return {
    discovery,
    told,
    names: () => latest().specs.map(spec => spec.name),
    until: async isSo => {
      const endMs = performance.now() + 8_000;
      while (!isSo(latest())) {
        assert.ok(performance.now() < endMs, `it never came: ${JSON.stringify(latest().specs)}`);
        await sleep(10);
      }
    },
  };
}

test('pods that the label finds are the backends, named like their pods', async () => {
  const api = await anApi();
  putPod(api, 'chat-ollama-0', { ready: false });
  putPod(api, 'chat-gateway-1', { app: 'gateway' });
  const { discovery, until } = follow(api, { slots: 2, store: 'shared' });
  await discovery.looked;
  assert.deepEqual(discovery.latest.specs, [
    { name: 'chat-ollama-0', url: 'http://10.0.0.1:11434', store: 'shared', class: 'default', slots: 2 },
  ]);
  putPod(api, 'chat-ollama-1', { ip: '10.0.0.2' });
  await until(({ specs }) => specs.length === 2);
  removePod(api, 'chat-ollama-0');
  await until(({ specs }) => specs.length === 1);
});

test('a pod that is being deleted gets nothing new', async () => {
  const api = await anApi();
  putPod(api, 'p-0');
  const { discovery, until } = follow(api);
  await discovery.looked;
  assert.equal(discovery.latest.draining.size, 0);
  patchPod(api, 'p-0', { deletionTimestamp: new Date().toISOString() });
  await until(({ draining }) => draining.has('p-0'));
});

test('a planned drain holds until its time, and is then over by itself', async () => {
  const api = await anApi();
  putPod(api, 'p-0');
  patchPod(api, 'p-0', { annotations: { [DRAIN_UNTIL]: new Date(Date.now() + 700).toISOString() } });
  const { discovery, until } = follow(api);
  await discovery.looked;
  assert.equal(discovery.latest.draining.has('p-0'), true);
  await until(({ draining }) => !draining.has('p-0'));
});

test('while the API server is away the last known pods stay, and what happened meanwhile is seen afterwards', async () => {
  const api = await anApi();
  putPod(api, 'p-0');
  putPod(api, 'p-1', { ip: '10.0.0.2' });
  const { discovery, names, until } = follow(api);
  await discovery.looked;
  api.fault = () => 'reset';
  for (const watch of [...api.watches]) watch.cut();
  removePod(api, 'p-1');
  await sleep(300);
  assert.deepEqual(names(), ['p-0', 'p-1']);
  assert.equal(discovery.isSynced, true);
  api.fault = () => undefined;
  await until(({ specs }) => specs.length === 1);
});

test('a watch that is too old, or sends nonsense, is followed by a new list', async () => {
  const api = await anApi();
  putPod(api, 'p-0');
  const { discovery, until } = follow(api);
  await discovery.looked;
  for (const spoil of [
    () => [...api.watches].forEach(watch => watch.expire()),
    () => [...api.watches].forEach(watch => watch.write('{"type":"ADD\n')),
  ]) {
    while (api.watches.size === 0) await sleep(10);
    [...api.watches].forEach(watch => (watch.relay = () => undefined));
    const name = `p-${api.store.version}`;
    putPod(api, name);
    spoil();
    await until(({ specs }) => specs.some(spec => spec.name === name));
  }
});

test('a pod with the name of the one before is first taken out, so that nothing known of the old one is believed', async () => {
  const api = await anApi();
  putPod(api, 'p-0');
  const { discovery, told, until } = follow(api);
  await discovery.looked;
  while (api.watches.size === 0) await sleep(10);
  [...api.watches].forEach(
    watch => (watch.relay = (change, pass) => void (change.type === 'ADDED' && pass(change))),
  );
  removePod(api, 'p-0');
  told.length = 0;
  putPod(api, 'p-0');
  await until(() => told.length === 2);
  assert.deepEqual(
    told.map(({ specs }) => specs.length),
    [0, 1],
  );
});

test('slots are shared among the gateways that are ready, live', async () => {
  const api = await anApi();
  putPod(api, 'p-0');
  putPod(api, 'g-1', { app: 'gateway' });
  const { discovery, until } = follow(api, { slots: 5, gatewaySelector: 'app=gateway' });
  await until(({ specs }) => specs[0]?.slots === 5);
  putPod(api, 'g-2', { app: 'gateway' });
  putPod(api, 'g-3', { app: 'gateway', ready: false });
  await until(({ specs }) => specs[0]?.slots === 3);
  discovery.use({ selector: 'app=ollama', port: 11_434, gatewaySelector: 'app=gateway', slots: 8 });
  await until(({ specs }) => specs[0]?.slots === 4);
});

test('another selector is followed live, and until its first list the old pods stay', async () => {
  const api = await anApi();
  putPod(api, 'p-0');
  putPod(api, 'q-0', { app: 'other' });
  const { discovery, names, until } = follow(api);
  await discovery.looked;
  discovery.use({ selector: 'app=other', port: 11_434 });
  assert.deepEqual(names(), ['p-0']);
  await until(({ specs }) => specs.length === 1 && specs[0]?.name === 'q-0');
});

test('the pod that alone may write is told apart, and nothing is told before it was looked for', async () => {
  const api = await anApi();
  putPod(api, 'p-0');
  putPod(api, 'w-0', { app: 'writer' });
  const { discovery, until } = follow(api, { store: 'shared', writerSelector: 'app=writer' });
  await until(({ specs }) => specs.map(({ access }) => access).join() === 'read,write');
  discovery.use({ selector: 'app=ollama', port: 11_434, store: 'shared' });
  await until(({ specs }) => specs.length === 1 && specs[0]?.access === undefined);
});
