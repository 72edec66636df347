// The end of a pod, through a real gateway and past it: no stream is cut before its end or before the time is up.
// Callers that bypass the gateway come from another loopback address, as they come from another pod.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test, type TestContext } from 'node:test';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { startFakeOllama, type FakeOllama } from '../fakes/ollama/server.ts';
import type { FakeOptions } from '../fakes/ollama/options.ts';
import { atEnd } from '../tools/end-all.ts';
import { until } from '../tools/until.ts';
import { aGateway } from './gateway.ts';
import { anAgent, type AgentRig } from './rig.ts';

const pod = 'chat-ollama-0';
const direct = '127.0.0.9';

interface World {
  readonly fake: FakeOllama;
  readonly gateway: Gateway;
  readonly agent: AgentRig;
}

interface WorldOptions {
  readonly fake?: Partial<FakeOptions>;
  readonly drainSeconds?: number;
  readonly undoDrainMs?: number;
}

async function aWorld(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const fake = await startFakeOllama({
    models: [{ name: 'm' }],
    loadMs: 10,
    numParallel: 8,
    ...options.fake,
  });
  atEnd(t, () => fake.stop());
  const gateway = await aGateway(t, fake.url, pod);
  const agent = await anAgent(t, {
    ollamaUrl: fake.url,
    models: {
      models: [{ name: 'm' }],
      drainSeconds: options.drainSeconds ?? 30,
      gateways: { service: '127.0.0.1', adminPort: Number(new URL(gateway.adminUrl).port) },
    },
    deps: {
      timing: { lookMs: 50, scanMs: 200, drainLookMs: 50, undoDrainMs: options.undoDrainMs ?? 60_000 },
    },
  });
  await agent.until(status => status.ready);
  return { fake, gateway, agent };
}

interface Stream {
  readonly begun: Promise<void>;
  readonly ended: Promise<{ text: string; cut: boolean }>;
}

function stream(url: string, tokens: number, from = '127.0.0.1'): Stream {
  const begun = Promise.withResolvers<void>();
  const body = JSON.stringify({ model: 'm', prompt: 'go on', options: { num_predict: tokens } });
  const ended = new Promise<{ text: string; cut: boolean }>((resolve, reject) => {
    const options = {
      method: 'POST',
      localAddress: from,
      agent: false,
      headers: { 'content-type': 'application/json' },
    };
    const req = request(`${url}/api/generate`, options, res => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (more: string) => {
        text += more;
        begun.resolve();
      });
      res.on('error', () => {});
      res.on('close', () => resolve({ text, cut: !res.complete }));
    });
    req.on('error', reject);
    req.end(body);
  });
  return { begun: begun.promise, ended };
}

const isWhole = ({ text, cut }: { text: string; cut: boolean }) => !cut && text.includes('"done":true');

interface Drained {
  readonly state: string;
  readonly inFlight: number;
  readonly direct: number;
}

async function drainAt({ adminUrl }: Gateway): Promise<string> {
  const answer = await fetch(`${adminUrl}/bigo/v1/backends/${pod}/drain`);
  return ((await answer.json()) as { state: string }).state;
}

async function drain(agent: AgentRig): Promise<Drained> {
  return JSON.parse((await agent.get('/drain')).text) as Drained;
}

test('a pod without requests may end at once', async t => {
  const { agent, gateway } = await aWorld(t);
  const { state, inFlight, direct: left } = await drain(agent);
  assert.deepEqual([state, inFlight, left], ['drained', 0, 0]);
  assert.equal(await drainAt(gateway), 'drained');
  assert.match((await agent.get('/readyz')).text, /draining/);
});

test('a stream through the gateway is waited for and comes whole; nothing new is sent meanwhile', async t => {
  const { agent, gateway, fake } = await aWorld(t, { fake: { tokenMs: 20 } });
  const running = stream(gateway.url, 60);
  await running.begun;
  const drained = drain(agent);
  await until('word to the gateway', async () => (await drainAt(gateway)) !== 'serving');
  const asked = fake.state().seen.filter(({ url }) => url === '/api/generate').length;
  const late = stream(gateway.url, 5);
  late.ended.catch(() => undefined);
  const first = await Promise.race([running.ended, drained.then(() => undefined)]);
  assert.ok(first !== undefined && isWhole(first), 'the wait ended before the stream');
  assert.equal((await drained).state, 'drained');
  assert.equal(
    fake.state().seen.filter(({ url }) => url === '/api/generate').length,
    asked,
    'a request was sent to a pod that ends',
  );
  // It waits at the gateway for a pod that may take it; here the same one, taken back.
  await fetch(`${gateway.adminUrl}/bigo/v1/backends/${pod}/drain`, { method: 'DELETE' });
  assert.ok(isWhole(await late.ended));
});

test('a stream of a caller that bypasses the gateway is waited for, too', async t => {
  const { agent, fake } = await aWorld(t, { fake: { tokenMs: 20 } });
  const running = stream(fake.url, 60, direct);
  await running.begun;
  const drained = drain(agent);
  const first = await Promise.race([running.ended, drained.then(() => undefined)]);
  assert.ok(first !== undefined && isWhole(first), 'the wait ended before the stream');
  assert.equal((await drained).state, 'drained');
});

test('a stream that is longer than the time for a drain ends the wait, and what still runs is told', async t => {
  const { agent, gateway } = await aWorld(t, { fake: { tokenMs: 100 }, drainSeconds: 1 });
  const running = stream(gateway.url, 100);
  running.ended.catch(() => undefined);
  await running.begun;
  const { state, inFlight } = await drain(agent);
  assert.deepEqual([state, inFlight], ['expired', 1]);
  assert.equal(await agent.metric('bigo_agent_drains_total{outcome="expired"}'), 1);
});

test('a pod that goes on living after its drain serves again', async t => {
  const { agent, gateway } = await aWorld(t, { undoDrainMs: 300 });
  assert.equal((await drain(agent)).state, 'drained');
  await agent.until(status => !status.draining && status.ready);
  assert.ok(isWhole(await stream(gateway.url, 3).ended));
});

test('a gateway that is gone does not hold the pod, but is not trusted before it kept silent for some looks', async t => {
  const { agent, gateway } = await aWorld(t);
  await gateway.close();
  assert.equal((await drain(agent)).state, 'drained');
});

test('an agent that is told to end while a drain runs finishes the drain', async t => {
  const { agent, gateway } = await aWorld(t, { fake: { tokenMs: 20 } });
  const running = stream(gateway.url, 40);
  await running.begun;
  const drained = drain(agent);
  await agent.until(status => status.draining);
  await Promise.all([agent.close(), drained.then(({ state }) => assert.equal(state, 'drained'))]);
  assert.ok(isWhole(await running.ended));
});
