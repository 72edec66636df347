// Wrong bytes in a blob of a real Ollama: noticed, not served, replaced, right again. Never accepts a repair that it did not hash.
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { atEnd } from '../tools/end-all.ts';
import { find, skipUnless } from '../tools/parts.ts';
import { startOllama, type RealOllama } from '../tools/real-ollama.ts';
import { startRegistry, type Registry } from '../tools/registry.ts';
import { tinyGguf } from '../tools/tiny-gguf.ts';
import { aFolder, anAgent, blobPath, overwrite, sha256Of, type AgentRig } from './rig.ts';

interface World {
  readonly registry: Registry;
  readonly ollama: RealOllama;
  readonly store: string;
  readonly name: string;
  readonly digest: string;
}

async function aWorld(t: TestContext, gguf: Uint8Array | string): Promise<World> {
  const store = aFolder(t);
  const registry = await startRegistry();
  atEnd(t, () => registry.stop());
  const ollama = await startOllama({ store });
  atEnd(t, () => ollama.stop());
  const digest = await registry.addModel('library/m:1', { gguf });
  return { registry, ollama, store, name: `${registry.host}/library/m:1`, digest };
}

function agentFor(
  t: TestContext,
  { registry, ollama, store, name }: World,
  more: object = {},
): Promise<AgentRig> {
  return anAgent(t, {
    ollamaUrl: ollama.url,
    store,
    models: { models: [{ name }], verify: { bytesPerSecond: 500_000_000 }, ...more },
    settings: { insecureRegistries: [registry.host] },
  });
}

const tagsOf = async (url: string) => {
  const { models } = (await (await fetch(`${url}/api/tags`)).json()) as { models: { name: string }[] };
  return models.map(model => model.name);
};

async function answer(url: string, model: string): Promise<string> {
  const options = { seed: 1, temperature: 0, num_predict: 4 };
  const body = JSON.stringify({ model, prompt: 'The capital of France is', stream: false, options });
  const heard = await fetch(`${url}/api/generate`, { method: 'POST', body });
  return ((await heard.json()) as { response?: string }).response ?? '';
}

describe('wrong bytes beside a real Ollama', { skip: await skipUnless('ollama') }, () => {
  test('4 KiB overwritten are noticed by themselves; every model with that blob goes and comes back right', async t => {
    const world = await aWorld(t, tinyGguf());
    const { ollama, store, name, digest, registry } = world;
    const more = { derived: [{ name: 'made-here', from: name, parameters: { num_ctx: 512 } }] };
    const agent = await agentFor(t, world, more);
    await agent.until(({ ready, blobs }) => ready && blobs.hashed === blobs.count);
    // By hand, declared by nobody, with the same weights.
    const copy = JSON.stringify({ source: name, destination: `${registry.host}/library/m:2` });
    await registry.addModel('library/m:2', { gguf: tinyGguf() });
    await fetch(`${ollama.url}/api/copy`, { method: 'POST', body: copy });
    registry.setFault(digest, { redirect: 'none', delayMs: 3_000, times: 1 });
    const path = blobPath(store, digest);
    const sizeBytes = tinyGguf().length;
    await overwrite(path, sizeBytes - 4096, Math.min(4096, sizeBytes));
    assert.notEqual(sha256Of(path), digest);
    const [told] = (await agent.until(status => status.blobs.repaired === 1)).slice(-1);
    assert.deepEqual(await tagsOf(ollama.url), [], 'a model with wrong bytes can still be asked for');
    assert.ok(told?.errors.some(({ message }) => message.includes(digest)));
    await agent.untilAll('present');
    await agent.until(({ models }) => models.length === 3);
    assert.deepEqual(
      (await tagsOf(ollama.url)).toSorted(),
      [name, `${registry.host}/library/m:2`, 'made-here:latest'].toSorted(),
    );
    assert.equal(sha256Of(path), digest);
    assert.equal((await agent.status()).ready, true, 'readiness is latched');
    assert.equal(await agent.metric('bigo_agent_wrong_blobs_total'), 1);
    assert.equal(await agent.metric('bigo_agent_repairs_total{outcome="ok"}'), 1);
  });

  test('a repair outlives an agent that dies in the middle of it', async t => {
    const world = await aWorld(t, tinyGguf());
    const { registry, digest, store, ollama, name } = world;
    const first = await anAgent(t, {
      ollamaUrl: ollama.url,
      store,
      models: { models: [], verify: { bytesPerSecond: 500_000_000 } },
      settings: { insecureRegistries: [registry.host] },
    });
    const body = JSON.stringify({ model: name, insecure: true, stream: false });
    await fetch(`${ollama.url}/api/pull`, { method: 'POST', body });
    await first.until(({ blobs }) => blobs.count > 0 && blobs.hashed === blobs.count);
    registry.setFault('library/m:1', { status: 503 });
    await overwrite(blobPath(store, digest), 100, 64);
    await first.until(status => status.blobs.repaired === 1);
    await first.close();
    registry.setFault('library/m:1', undefined);
    const second = await anAgent(t, {
      ollamaUrl: ollama.url,
      store,
      models: { models: [] },
      settings: { insecureRegistries: [registry.host] },
    });
    await second.until(({ models }) =>
      models.some(model => model.name === name && model.state === 'present'),
    );
    assert.equal(sha256Of(blobPath(store, digest)), digest);
  });

  test('a wrong blob that no model names is taken away, before a pull could take it for good', async t => {
    const world = await aWorld(t, tinyGguf());
    const { digest, store, ollama } = world;
    const upload = await fetch(`${ollama.url}/api/blobs/${digest}`, {
      method: 'POST',
      body: Buffer.from(tinyGguf()),
    });
    assert.equal(upload.status, 201);
    await overwrite(blobPath(store, digest), 100, 64);
    const agent = await anAgent(t, {
      ollamaUrl: ollama.url,
      store,
      models: { models: [], verify: { bytesPerSecond: 500_000_000 } },
    });
    await agent.until(status => status.blobs.repaired === 1 && status.blobs.count === 0);
  });
});

const needs = await skipUnless('ollama', 'smollm2');

describe('wrong bytes in the tensors of SmolLM2', { skip: needs }, () => {
  test('after a failed load is told, the model is replaced and answers as before', async t => {
    const gguf = (await find('smollm2')) ?? '';
    const world = await aWorld(t, gguf);
    const { ollama, store, name, digest } = world;
    const agent = await agentFor(t, world);
    await agent.until(({ ready, blobs }) => ready && blobs.hashed === blobs.count);
    const before = await answer(ollama.url, name);
    assert.match(before, /Paris/);
    await overwrite(blobPath(store, digest), 60_000_000, 4096);
    assert.equal((await agent.get(`/verify?model=${encodeURIComponent(name)}`, 'POST')).status, 202);
    await agent.until(status => status.blobs.repaired === 1);
    await agent.untilAll('present');
    assert.equal(sha256Of(blobPath(store, digest)), digest);
    assert.equal(await answer(ollama.url, name), before);
  });
});
