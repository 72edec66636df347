// `bigo gateway` in front of pods: watched through an API server in this process, their Ollamas fakes on addresses of their own.
// Never sends to a pod that ends, and never needs the API server for what it knows already.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeKubeconfig } from '../cluster/tools/credentials.ts';
import { startGatewayProcess, type GatewayProcess } from '../contract/gateway-process.ts';
import { startFakeKubeApi, type FakeKubeApi } from '../fakes/kube-api/server.ts';
import { startFakeOllama, type FakeOllama } from '../fakes/ollama/server.ts';
import { endAll } from '../tools/end-all.ts';
import { until as untilSo } from '../tools/until.ts';
import { MountedFile } from './rig.ts';

const by = { name: 'test', operation: 'Update', subresource: '' } as const;
const nameOf = (name: string) => ({ collection: 'v1/pods', namespace: 'llm', name });
const [first, second] = ['127.0.0.21', '127.0.0.22'];
const asked: string[] = [];

let folder: string;
let api: FakeKubeApi;
let fakes: readonly FakeOllama[];
let agentPort: number;
let config: MountedFile;
let gateway: GatewayProcess;
let closeAgent: () => void;

function putPod(name: string, podIP: string, app = 'ollama'): void {
  const status = { phase: 'Running', podIP, conditions: [{ type: 'Ready', status: 'False' }] };
  const metadata = { name, labels: { app } };
  api.store.create(nameOf(name), { apiVersion: 'v1', kind: 'Pod', metadata, status }, by);
}

function writeConfig(aliases: Readonly<Record<string, string>>): void {
  const kubernetes = {
    selector: 'app=ollama',
    namespace: 'llm',
    kubeconfig: join(folder, 'kubeconfig'),
    port: fakes[0]?.port,
    agent_port: agentPort,
    slots: 4,
    gateway_selector: 'app=gateway',
    fleet: 'chat',
  };
  config.write(JSON.stringify({ gateway: { kubernetes, aliases, declared_models: ['m', 'later:1'] } }));
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bigo-gateway-pods-'));
  api = await startFakeKubeApi();
  const options = {
    models: [{ name: 'm' }, { name: 'broken', loadError: 'unable to load model' }],
    loadMs: 10,
    tokenMs: 20,
  };
  const one = await startFakeOllama({ ...options, host: first });
  fakes = [one, await startFakeOllama({ ...options, host: second, port: one.port })];
  const agent = createServer((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    res.writeHead(202).end();
  });
  await new Promise<void>(resolve => agent.listen(0, first, resolve));
  agentPort = (agent.address() as AddressInfo).port;
  closeAgent = () => void agent.close();
  await writeKubeconfig(join(folder, 'kubeconfig'), { url: api.url, token: 't' });
  config = new MountedFile(folder, 'config.yaml');
  writeConfig({ fast: 'm' });
  putPod('p-0', first);
  // It begins while the API server is away.
  api.fault = () => 'reset';
  gateway = await startGatewayProcess([], { flags: ['--config', config.path] });
});

after(() =>
  endAll(
    () => gateway?.stop(),
    () => closeAgent?.(),
    ...(fakes ?? []).map(fake => () => fake.stop()),
    () => api?.close(),
    () => rmSync(folder, { recursive: true, force: true }),
  ),
);

const until = (what: string, isSo: () => Promise<boolean>): Promise<void> =>
  untilSo(what, isSo, () => gateway.log());

interface Fleet {
  readonly backends: readonly {
    readonly name: string;
    readonly draining: boolean;
    readonly state: string;
    readonly slots: { readonly value: number };
  }[];
}
const fleet = async () => (await (await fetch(`${gateway.admin}/bigo/v1/fleet`)).json()) as Fleet;
const backend = async (name: string) => (await fleet()).backends.find(one => one.name === name);
const ready = async () => (await fetch(`${gateway.admin}/readyz`)).status;

/** What a HorizontalPodAutoscaler, KEDA and the operator scale by. */
async function demand(): Promise<number> {
  const text = await (await fetch(`${gateway.admin}/metrics`)).text();
  return Number(/^bigo_fleet_demand\{fleet="chat"\} (\d+)$/m.exec(text)?.[1]);
}

function generate(model: string, tokens = 3): Promise<Response> {
  const body = JSON.stringify({ model, prompt: 'go on', options: { num_predict: tokens } });
  return fetch(`${gateway.url}/api/generate`, { method: 'POST', body });
}
const askedOf = (fake: FakeOllama | undefined) =>
  fake?.state().seen.filter(({ url, body }) => url === '/api/generate' && body.includes('go on')).length;

test('a gateway that could not ask for its pods yet lives, but is not ready; tickets for declared models wait', async () => {
  assert.equal(await ready(), 503);
  assert.equal((await fetch(`${gateway.admin}/livez`)).status, 200);
  const waiting = generate('m');
  await until('a ticket that waits to count as demand', async () => (await demand()) === 1);
  api.fault = () => undefined;
  const answer = await waiting;
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /"done":true/);
  await until('no demand', async () => (await demand()) === 0);
  await until('readiness', async () => (await ready()) === 200);
});

test('a pod is used by its own list of models, ready or not; an undeclared model is 404, a declared one waits', async () => {
  assert.equal((await backend('p-0'))?.state, 'up');
  assert.equal((await generate('nowhere:1')).status, 404);
  const left = new AbortController();
  const body = JSON.stringify({ model: 'later:1', prompt: 'x' });
  const waiting = fetch(`${gateway.url}/api/generate`, { method: 'POST', body, signal: left.signal });
  const first500 = await Promise.race([waiting.then(answer => answer.status), sleep(500, 'waits' as const)]);
  assert.equal(first500, 'waits');
  left.abort();
  await assert.rejects(waiting);
});

test('aliases of the mounted file are followed live', async () => {
  assert.equal((await generate('fast')).status, 200);
  assert.equal((await generate('quick')).status, 404);
  writeConfig({ quick: 'm' });
  await until('the new alias', async () => (await generate('quick')).status === 200);
});

test('a load that failed is told to the agent of that pod, once', async () => {
  await (await generate('broken')).text();
  await (await generate('broken')).text();
  await until('word to the agent', async () => asked.length > 0);
  assert.deepEqual(asked, ['POST /verify?model=broken%3Alatest']);
});

test('slots are those of the pod, divided among ready gateways', async () => {
  assert.equal((await backend('p-0'))?.slots.value, 4);
  for (const name of ['g-0', 'g-1']) {
    putPod(name, '127.0.0.1', 'gateway');
    const status = { phase: 'Running', podIP: '127.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] };
    api.store.mergePatch(nameOf(name), { status }, by);
  }
  await until('half of the slots', async () => (await backend('p-0'))?.slots.value === 2);
});

test('a pod that is deleted gets nothing new; its streams end well, and the other pod serves', async () => {
  putPod('p-1', second);
  await until('the second pod', async () => (await backend('p-1'))?.state === 'up');
  const running = await generate('m', 60);
  const name = running.headers.get('x-bigo-backend') ?? '';
  assert.match(name, /^p-[01]$/);
  api.store.mergePatch(nameOf(name), { metadata: { deletionTimestamp: new Date().toISOString() } }, by);
  await until('the drain', async () => (await backend(name))?.draining === true);
  const ending = fakes[name === 'p-0' ? 0 : 1];
  const before = askedOf(ending);
  const answers = await Promise.all([1, 2, 3].map(() => generate('m')));
  for (const answer of answers) assert.match(await answer.text(), /"done":true/);
  assert.equal(askedOf(ending), before);
  assert.match(await running.text(), /"done":true/);
  api.store.delete(nameOf(name), { orphans: false });
  await until('the end of the pod', async () => (await backend(name)) === undefined);
});

test('while the API server is away the gateway serves with the pods that it knows', async () => {
  api.fault = () => 'reset';
  for (const watch of [...api.watches]) watch.cut();
  await sleep(500);
  assert.match(await (await generate('m')).text(), /"done":true/);
  assert.equal(await ready(), 200);
  api.fault = () => undefined;
});

test('SIGTERM turns readiness off, lets streams end, and ends with 0', async () => {
  const running = await generate('m', 50);
  gateway.signal('SIGTERM');
  await until('no readiness', async () => (await ready().catch(() => 503)) === 503);
  assert.match(await running.text(), /"done":true/);
  assert.equal(await gateway.exited(), 0);
});
