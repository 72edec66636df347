// A fleet that shrinks pod by pod to nothing and grows again, under streams that never stop: no answer is cut, none is refused.
// The API server, the kubelet and the Ollamas are played here; gateway and agents are the real ones.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeKubeconfig } from '../cluster/tools/credentials.ts';
import { startGatewayProcess, type GatewayProcess } from '../contract/gateway-process.ts';
import { startFakeKubeApi, type FakeKubeApi } from '../fakes/kube-api/server.ts';
import { startFakeOllama, type FakeOllama } from '../fakes/ollama/server.ts';
import { atEnd, endAll } from '../tools/end-all.ts';
import { until } from '../tools/until.ts';
import { anAgent, type AgentRig } from './rig.ts';

const by = { name: 'test', operation: 'Update', subresource: '' } as const;
const nameOf = (name: string) => ({ collection: 'v1/pods', namespace: 'llm', name });
const addressOf = (ordinal: number) => `127.0.0.${31 + ordinal}`;
const clientsMax = 9;

interface Pod {
  readonly fake: FakeOllama;
  readonly agent: AgentRig;
}

interface Backend {
  readonly name: string;
  readonly draining: boolean;
  readonly state: string;
}

/** What a StatefulSet, its nodes and their kubelets do. */
class PlayedFleet {
  gateway!: GatewayProcess;
  port = 0;
  readonly #t: TestContext;
  readonly #api: FakeKubeApi;
  readonly #pods = new Map<number, Pod>();

  constructor(t: TestContext, api: FakeKubeApi) {
    this.#t = t;
    this.#api = api;
    atEnd(t, () => {
      const fakes = [...this.#pods.values()].map(({ fake }) => fake);
      return endAll(...fakes.map(fake => () => fake.stop()));
    });
  }

  async add(ordinal: number): Promise<void> {
    const host = addressOf(ordinal);
    const fake = await startFakeOllama({
      host,
      port: this.port,
      models: [{ name: 'm' }],
      loadMs: 10,
      tokenMs: 20,
      numParallel: 4,
    });
    this.port = fake.port;
    const agent = await anAgent(this.#t, {
      ollamaUrl: fake.url,
      settings: { podName: `p-${ordinal}` },
      models: {
        models: [{ name: 'm' }],
        drainSeconds: 120,
        gateways: { service: '127.0.0.1', adminPort: Number(new URL(this.gateway.admin).port) },
      },
    });
    this.#pods.set(ordinal, { fake, agent });
    const conditions = [{ type: 'Ready', status: 'True' }];
    const status = { phase: 'Running', podIP: host, conditions };
    const metadata = { name: `p-${ordinal}`, labels: { app: 'ollama' } };
    this.#api.store.create(nameOf(`p-${ordinal}`), { apiVersion: 'v1', kind: 'Pod', metadata, status }, by);
  }

  /** Deletion mark, preStop hook, SIGTERM, gone: in this order. */
  async remove(ordinal: number): Promise<{ readonly state: string }> {
    const { fake, agent } = this.#pods.get(ordinal) ?? assert.fail(`no pod ${ordinal}`);
    const metadata = { deletionTimestamp: new Date().toISOString() };
    this.#api.store.mergePatch(nameOf(`p-${ordinal}`), { metadata }, by);
    const drained = JSON.parse((await agent.get('/drain')).text) as { state: string };
    await fake.stop();
    await agent.close();
    this.#pods.delete(ordinal);
    this.#api.store.delete(nameOf(`p-${ordinal}`), { orphans: false });
    return drained;
  }

  async backends(): Promise<readonly Backend[]> {
    const answer = await fetch(`${this.gateway.admin}/bigo/v1/fleet`);
    return ((await answer.json()) as { backends: Backend[] }).backends;
  }

  until(what: string, isSo: (backends: readonly Backend[]) => boolean): Promise<void> {
    return until(
      what,
      async () => isSo(await this.backends()),
      () => this.gateway.log(),
    );
  }

  servedBy(ordinal: number): number {
    const seen = this.#pods.get(ordinal)?.fake.state().seen ?? [];
    return seen.filter(({ body }) => body.includes('go on')).length;
  }
}

async function aFleet(t: TestContext): Promise<PlayedFleet> {
  const folder = mkdtempSync(join(tmpdir(), 'bigo-scale-'));
  const api = await startFakeKubeApi();
  const fleet = new PlayedFleet(t, api);
  atEnd(t, () => fleet.gateway?.stop());
  atEnd(t, () => api.close());
  atEnd(t, () => rmSync(folder, { recursive: true }));
  const probe = await startFakeOllama({ host: addressOf(0), models: [] });
  fleet.port = probe.port;
  await probe.stop();
  const kubeconfig = await writeKubeconfig(join(folder, 'kubeconfig'), { url: api.url, token: 't' });
  const kubernetes = { selector: 'app=ollama', namespace: 'llm', kubeconfig, port: fleet.port, slots: 4 };
  fleet.gateway = await startGatewayProcess([], {
    config: { gateway: { kubernetes, declared_models: ['m'] } },
  });
  return fleet;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const dialects = [
  {
    path: '/api/generate',
    body: { model: 'm', prompt: 'go on', options: { num_predict: 40 } },
    end: '"done":true',
  },
  {
    path: '/v1/chat/completions',
    body: { model: 'm', messages: [{ role: 'user', content: 'go on' }], max_tokens: 40, stream: true },
    end: 'data: [DONE]',
  },
  {
    path: '/v1/messages',
    body: { model: 'm', messages: [{ role: 'user', content: 'go on' }], max_tokens: 40, stream: true },
    end: 'message_stop',
  },
];

/** Each client asks again as soon as it was answered, until it is told to stop or was answered wrong. */
class Clients {
  whole = 0;
  readonly broken: Answer[] = [];
  #isStopped = false;
  readonly #loops: Promise<void>[];

  constructor(url: string) {
    this.#loops = Array.from({ length: clientsMax }, (_, index) => this.#run(url, index));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
  }

  /** Waits until so many more were answered whole. */
  async more(count: number): Promise<void> {
    const wanted = this.whole + count;
    const endMs = performance.now() + 60_000;
    while (this.whole < wanted && this.broken.length === 0) {
      assert.ok(performance.now() < endMs, `${this.whole} of ${wanted} answers came`);
      await sleep(30);
    }
  }

  async #run(url: string, index: number): Promise<void> {
    for (let turn = index; !this.#isStopped; turn++) {
      const { path, body, end } = dialects[turn % dialects.length] ?? assert.fail();
      const answer = await ask(url + path, body).catch((error: unknown) => ({
        status: 0,
        text: String(error),
      }));
      if (answer.status === 200 && answer.text.includes(end)) this.whole += 1;
      else return void this.broken.push(answer);
    }
  }
}

async function ask(url: string, body: object): Promise<Answer> {
  const headers = { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' };
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: answer.status, text: await answer.text() };
}

const names = (backends: readonly Backend[]) => backends.map(({ name }) => name).toSorted();
const isServing = (count: number) => (backends: readonly Backend[]) =>
  backends.length === count && backends.every(({ state, draining }) => state === 'up' && !draining);

test('three pods, two, one, none and three again under streams: none is cut or refused, nothing is left drained', async t => {
  const fleet = await aFleet(t);
  for (const ordinal of [0, 1, 2]) await fleet.add(ordinal);
  await fleet.until('the fleet', isServing(3));
  const clients = new Clients(fleet.gateway.url);
  await clients.more(clientsMax);
  for (const ordinal of [2, 1]) {
    assert.equal((await fleet.remove(ordinal)).state, 'drained');
    await fleet.until(`the end of p-${ordinal}`, isServing(ordinal));
    await clients.more(clientsMax);
  }
  assert.deepEqual(names(await fleet.backends()), ['p-0']);
  // The last pod goes too: who asks now waits in the gateway.
  assert.equal((await fleet.remove(0)).state, 'drained');
  await fleet.until('no pod', isServing(0));
  await fleet.add(0);
  await clients.more(clientsMax);
  for (const ordinal of [1, 2]) await fleet.add(ordinal);
  await fleet.until('the whole fleet again', isServing(3));
  await clients.more(3 * clientsMax);
  await fleet.until('something for each pod', () => [0, 1, 2].every(ordinal => fleet.servedBy(ordinal) > 0));
  await clients.stop();
  assert.deepEqual(clients.broken, []);
});
