// Pulls against a real Ollama and a registry on loopback: progress, resume, slow, broken, lying, unknown, no room.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { atEnd } from '../tools/end-all.ts';
import { skipUnless } from '../tools/parts.ts';
import { startOllama, type OllamaSettings, type RealOllama } from '../tools/real-ollama.ts';
import { startRegistry, type Registry } from '../tools/registry.ts';
import { until } from '../tools/until.ts';
import { aFolder, anAgent, blobPath, sha256Of, type AgentOptions } from './rig.ts';

const mib = 1024 ** 2;

async function aRegistry(t: TestContext): Promise<Registry> {
  const registry = await startRegistry();
  atEnd(t, () => registry.stop());
  return registry;
}

async function anOllama(t: TestContext, options: OllamaSettings): Promise<RealOllama> {
  const ollama = await startOllama(options);
  atEnd(t, () => ollama.stop());
  return ollama;
}

interface World {
  readonly registry: Registry;
  readonly ollama: RealOllama;
  readonly store: string;
  readonly nameOf: (model: string) => string;
  readonly options: (models: readonly string[], more?: object) => AgentOptions;
}

async function aWorld(t: TestContext, store = aFolder(t)): Promise<World> {
  const registry = await aRegistry(t);
  const ollama = await anOllama(t, { store });
  const nameOf = (model: string) => `${registry.host}/library/${model}`;
  return {
    registry,
    ollama,
    store,
    nameOf,
    options: (models, more = {}) => ({
      ollamaUrl: ollama.url,
      store,
      models: { models: models.map(model => ({ name: nameOf(model) })), ...more },
      settings: { insecureRegistries: [registry.host] },
    }),
  };
}

describe('an agent beside a real Ollama', { skip: await skipUnless('ollama') }, () => {
  test('a model comes with progress, and the pod is ready when it is there', async t => {
    const { registry, store, nameOf, options } = await aWorld(t);
    const digest = await registry.addModel('library/a:1', { gguf: randomBytes(4 * mib) });
    registry.setFault(digest, { bytesPerSecond: 3 * mib });
    const agent = await anAgent(t, options(['a:1']));
    assert.match((await agent.get('/readyz')).text, /^not ready: /);
    const seen = await agent.untilAll('present');
    const percents = seen
      .flatMap(({ models }) => models.map(model => model.percent ?? -1))
      .filter(p => p >= 0);
    assert.ok(new Set(percents).size > 3, `progress was ${percents.join(' ')}`);
    assert.deepEqual(
      percents,
      percents.toSorted((a, b) => a - b),
    );
    await agent.until(status => status.ready);
    assert.equal((await agent.get('/readyz')).status, 200);
    assert.equal(sha256Of(blobPath(store, digest)), digest);
    const told = await agent.model(nameOf('a:1'));
    assert.match(told?.digest ?? '', /^[0-9a-f]{64}$/);
    assert.equal(await agent.metric('bigo_agent_pulls_total{outcome="ok"}'), 1);
    assert.ok((await agent.metric('bigo_agent_pull_bytes_total')) > mib);
    await agent.until(({ blobs }) => blobs.count === 2 && blobs.hashed === 2);
  });

  test('a wrong name in a list of three fails with its message; the other two serve and the pod is ready', async t => {
    const { registry, nameOf, options } = await aWorld(t);
    for (const name of ['a:1', 'c:1']) await registry.addModel(`library/${name}`, { gguf: randomBytes(mib) });
    const agent = await anAgent(t, options(['a:1', 'wrong:1', 'c:1']));
    await agent.until(status => status.ready);
    const { models } = await agent.status();
    assert.deepEqual(
      models.map(model => [model.name, model.state]),
      [
        [nameOf('a:1'), 'present'],
        [nameOf('wrong:1'), 'failed'],
        [nameOf('c:1'), 'present'],
      ],
    );
    const [, wrong] = models;
    assert.equal(wrong?.reason, 'NotFound');
    assert.match(wrong?.message ?? '', /does not exist/);
    assert.ok(Date.parse(wrong?.nextTryAt ?? '') > Date.now() + 5 * 60_000);
  });

  test('another list is followed live, without a restart; what is no longer declared stays, or goes if told so', async t => {
    const { registry, nameOf, options, ollama } = await aWorld(t);
    for (const name of ['a:1', 'b:1']) await registry.addModel(`library/${name}`, { gguf: randomBytes(mib) });
    const agent = await anAgent(t, options(['a:1']));
    await agent.untilAll('present');
    agent.assign({ models: [{ name: nameOf('b:1') }] });
    await agent.until(({ models }) =>
      models.some(model => model.name === nameOf('b:1') && model.state === 'present'),
    );
    assert.equal((await agent.model(nameOf('a:1')))?.declared, false);
    agent.assign({ models: [{ name: nameOf('b:1') }], deleteUndeclared: true });
    await agent.until(({ models }) => models.length === 1);
    const tags = (await (await fetch(`${ollama.url}/api/tags`)).json()) as { models: { name: string }[] };
    assert.deepEqual(
      tags.models.map(model => model.name),
      [nameOf('b:1')],
    );
  });

  test('a wrong file is told, and the last good one stays in force', async t => {
    const { registry, options } = await aWorld(t);
    await registry.addModel('library/a:1', { gguf: randomBytes(mib) });
    const agent = await anAgent(t, options(['a:1']));
    await agent.untilAll('present');
    agent.assign({ models: [{ name: 'no good name!' }] });
    const [last] = (await agent.until(status => status.errors.length > 0)).slice(-1);
    assert.match(last?.errors[0]?.message ?? '', /models\.0\.name must be a model name/);
    assert.deepEqual([last?.ready, last?.models.length], [true, 1]);
  });

  test('Ollama killed in the middle of a pull comes back, and the pull goes on by itself', async t => {
    const { registry, ollama, store, options } = await aWorld(t);
    const digest = await registry.addModel('library/a:1', { gguf: randomBytes(6 * mib) });
    registry.setFault(digest, { bytesPerSecond: 2 * mib });
    const agent = await anAgent(t, options(['a:1']));
    await agent.until(({ models }) => (models[0]?.percent ?? 0) > 20);
    ollama.signal('SIGKILL');
    await agent.until(status => !status.ollama.up);
    await ollama.stop();
    registry.setFault(digest, undefined);
    await anOllama(t, { store, port: ollama.port });
    await agent.until(status => status.ready);
    assert.equal(sha256Of(blobPath(store, digest)), digest);
    // Once more for each try before the agent has seen that nobody answers.
    assert.ok((await agent.metric('bigo_agent_pulls_total{outcome="interrupted"}')) >= 1);
  });

  test('an agent that starts again goes on where the pull was', async t => {
    const { registry, store, options } = await aWorld(t);
    const digest = await registry.addModel('library/a:1', { gguf: randomBytes(6 * mib) });
    registry.setFault(digest, { bytesPerSecond: 2 * mib });
    const first = await anAgent(t, options(['a:1']));
    await first.until(({ models }) => (models[0]?.percent ?? 0) > 30);
    await first.close();
    const before = registry.requests.length;
    registry.setFault(digest, undefined);
    const second = await anAgent(t, options(['a:1']));
    await second.until(status => status.ready);
    const starts = registry.requests
      .slice(before)
      .map(({ range }) => Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0));
    assert.ok(Math.max(...starts) > mib, `ranges began at ${starts.join(' ')}`);
    assert.equal(sha256Of(blobPath(store, digest)), digest);
  });

  test('a registry that lies is found out by the digest, and the model comes once it tells the truth', async t => {
    const { registry, store, nameOf, options } = await aWorld(t);
    const digest = await registry.addModel('library/a:1', { gguf: randomBytes(mib) });
    registry.setFault(digest, { wrongByte: true });
    const agent = await anAgent(t, options(['a:1']));
    await agent.until(({ models }) => models[0]?.reason === 'DigestMismatch');
    assert.equal((await agent.status()).ready, false);
    registry.setFault(digest, undefined);
    await agent.until(status => status.ready);
    assert.equal((await agent.model(nameOf('a:1')))?.state, 'present');
    assert.equal(sha256Of(blobPath(store, digest)), digest);
  });

  test('a registry that is down for a while costs a pause and no more', async t => {
    const { registry, options } = await aWorld(t);
    await registry.addModel('library/a:1', { gguf: randomBytes(mib) });
    registry.setFault('library/a:1', { status: 503, times: 2 });
    const agent = await anAgent(t, options(['a:1']));
    const seen = await agent.until(status => status.ready);
    assert.ok(seen.some(({ models }) => models[0]?.reason === 'RegistryUnreachable'));
  });

  test('a registry that stands still is given up after the limit, and asked again', async t => {
    const { registry, options } = await aWorld(t);
    const digest = await registry.addModel('library/a:1', { gguf: randomBytes(mib) });
    registry.setFault(digest, { redirect: 'none', delayMs: 20_000, times: 1 });
    const timing = { lookMs: 50, scanMs: 200, stallMsMax: 1_500 };
    const agent = await anAgent(t, { ...options(['a:1']), deps: { timing } });
    const seen = await agent.until(status => status.ready);
    assert.ok(seen.some(({ models }) => models[0]?.reason === 'Stalled'));
  });

  test('a derived model is made from its base, and made anew when its parameters change', async t => {
    const { ollama, store } = await aWorld(t);
    const { tinyGguf } = await import('../tools/tiny-gguf.ts');
    await ollama.createModel('base', { gguf: tinyGguf() });
    const models = (context: number) => ({
      models: [{ name: 'base' }],
      derived: [{ name: 'base-long', from: 'base', parameters: { num_ctx: context } }],
    });
    const agent = await anAgent(t, { ollamaUrl: ollama.url, store, models: models(1024) });
    const show = async () => {
      const answer = await fetch(`${ollama.url}/api/show`, {
        method: 'POST',
        body: JSON.stringify({ model: 'base-long' }),
      });
      return ((await answer.json()) as { parameters?: string }).parameters ?? '';
    };
    await agent.until(status => status.ready);
    assert.match(await show(), /num_ctx\s+1024/);
    agent.assign(models(2048));
    await until('it is made anew', async () => /num_ctx\s+2048/.test(await show()));
  });
});

const isRoot = process.getuid?.() === 0;
const noMount = isRoot ? false : 'needs root, to mount a small tmpfs';

describe('an agent on a small volume', { skip: (await skipUnless('ollama')) || noMount }, () => {
  function aSmallVolume(t: TestContext, sizeMib: number): string {
    const folder = mkdtempSync(join(tmpdir(), 'bigo-agent-volume-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', folder]);
    atEnd(t, () => {
      execFileSync('umount', ['--lazy', folder]);
      rmdirSync(folder);
    });
    return folder;
  }

  test('a model that does not fit is not even begun, is told with numbers, and the others are served', async t => {
    const { registry, nameOf, options } = await aWorld(t, aSmallVolume(t, 8));
    await registry.addModel('library/small:1', { gguf: randomBytes(mib) });
    const digest = await registry.addModel('library/large:1', { gguf: randomBytes(20 * mib) });
    const agent = await anAgent(t, options(['large:1', 'small:1']));
    await agent.until(status => status.ready);
    assert.equal((await agent.model(nameOf('small:1')))?.state, 'present');
    const large = await agent.model(nameOf('large:1'));
    assert.deepEqual([large?.state, large?.reason], ['failed', 'InsufficientStorage']);
    assert.match(large?.message ?? '', /needs 21 MB more.*has \d/);
    assert.ok(!registry.requests.some(({ path }) => path.includes(digest)), 'bytes were fetched');
    assert.ok((await agent.status()).disk?.totalBytes === 8 * mib);
  });

  test('a disk that fills up during a pull ends it, its parts give their room back, and what is there serves', async t => {
    const store = aSmallVolume(t, 12);
    const { registry, nameOf, options } = await aWorld(t, store);
    await registry.addModel('library/small:1', { gguf: randomBytes(mib) });
    const digest = await registry.addModel('library/large:1', { gguf: randomBytes(20 * mib) });
    // It is told of room that is not there, as when somebody else fills the volume meanwhile.
    const disk = async () => ({ freeBytes: 1e12, totalBytes: 1e12 });
    const timing = { lookMs: 50, scanMs: 200 };
    const agent = await anAgent(t, { ...options(['small:1', 'large:1']), deps: { disk, timing } });
    await agent.until(status => status.ready);
    const large = await agent.model(nameOf('large:1'));
    assert.deepEqual([large?.state, large?.reason], ['failed', 'InsufficientStorage']);
    assert.equal((await agent.model(nameOf('small:1')))?.state, 'present');
    assert.equal(existsSync(`${blobPath(store, digest)}-partial`), false);
    assert.ok(existsSync(join(store, 'manifests')));
  });
});
