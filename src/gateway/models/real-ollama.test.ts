// The model-changing routes over two real Ollamas, driven by HTTP and by the real `ollama` command line. Needs the real binary.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { skipUnless } from '../../../test/tools/parts.ts';
import { startOllama, type RealOllama } from '../../../test/tools/real-ollama.ts';
import { startRegistry, type Registry } from '../../../test/tools/registry.ts';
import { digestOf, renamedGguf, tinyGguf } from '../../../test/tools/tiny-gguf.ts';
import type { ModelOnDisk } from '../../api/fleet.ts';
import { differingModels } from '../core/models/differing.ts';
import { startRig, type Rig } from './rig.ts';

const skip = await skipUnless('ollama');
const run = promisify(execFile);

interface Line {
  status?: string;
  digest?: string;
  total?: number;
  completed?: number;
  error?: string;
}

const gguf = tinyGguf();
let a: RealOllama;
let b: RealOllama;
let registry: Registry;
let rig: Rig;
let dir: string;

before(async () => {
  if (skip !== false) return;
  dir = mkdtempSync(join(tmpdir(), 'bigo-models-'));
  [a, b, registry] = await Promise.all([startOllama(), startOllama(), startRegistry()]);
  rig = await startRig({
    backends: [
      { name: 'a', url: a.url },
      { name: 'b', url: b.url },
    ],
  });
});

after(async () => {
  if (skip !== false) return;
  await rig.stop();
  await Promise.all([a.stop(), b.stop(), registry.stop()]);
  rmSync(dir, { recursive: true });
});

async function lines(path: string, body: unknown): Promise<Line[]> {
  const answer = await fetch(rig.url + path, { method: 'POST', body: JSON.stringify(body) });
  return (await answer.text())
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Line);
}

async function namesAt(url: string): Promise<string[]> {
  const { models } = (await (await fetch(`${url}/api/tags`)).json()) as { models: { name: string }[] };
  return models.map(model => model.name).sort();
}

const onBoth = async (): Promise<string[][]> => Promise.all([namesAt(a.url), namesAt(b.url)]);

async function upload(bytes: Buffer): Promise<string> {
  const digest = digestOf(bytes);
  const answer = await fetch(`${rig.url}/api/blobs/${digest}`, {
    method: 'POST',
    body: new Uint8Array(bytes),
  });
  assert.ok(answer.status === 201 || answer.status === 200, `${answer.status}`);
  return digest;
}

/** Their manifests name the folder, so they differ; what they are made of does not. */
async function theSameEverywhere(key: string): Promise<void> {
  const holders = (): (ModelOnDisk | undefined)[] =>
    rig.fleet.snapshot().backends.map(backend => backend.models.get(key));
  for (let waits = 0; holders().some(model => model?.content === undefined) && waits < 250; waits++)
    await sleep(20);
  assert.equal(new Set(holders().map(model => model?.digest)).size, 2);
  assert.deepEqual(differingModels(rig.fleet.snapshot().backends), []);
}

async function ollama(...args: string[]): Promise<string> {
  const env = { ...process.env, OLLAMA_HOST: rig.url, HOME: dir };
  const { stdout } = await run(a.binary, args, { env, timeout: 30_000, cwd: dir });
  return stdout;
}

test(
  'blob, create, copy, delete: after each both stores are the same, and the lists of the gateway show it',
  { skip },
  async () => {
    const digest = await upload(gguf);
    const head = await fetch(`${rig.url}/api/blobs/${digest}`, { method: 'HEAD' });
    assert.equal(head.status, 200);
    const created = await lines('/api/create', {
      model: 'tiny',
      files: { 'tiny.gguf': digest },
      parameters: { num_ctx: 512, temperature: 0.5, top_k: 5, seed: 1 },
    });
    assert.equal(created.at(-1)?.status, 'success', JSON.stringify(created));
    assert.equal(created.filter(line => line.status === 'success').length, 1);
    await theSameEverywhere('tiny:latest');
    assert.deepEqual(await onBoth(), [['tiny:latest'], ['tiny:latest']]);
    const copied = await fetch(`${rig.url}/api/copy`, {
      method: 'POST',
      body: '{"source":"tiny","destination":"twin"}',
    });
    assert.deepEqual([copied.status, await copied.text()], [200, '']);
    assert.deepEqual(await onBoth(), [
      ['tiny:latest', 'twin:latest'],
      ['tiny:latest', 'twin:latest'],
    ]);
    assert.deepEqual(await namesAt(rig.url), ['tiny:latest', 'twin:latest']);
    const deleted = await fetch(`${rig.url}/api/delete`, { method: 'DELETE', body: '{"model":"twin"}' });
    assert.deepEqual([deleted.status, await deleted.text()], [200, '']);
    assert.deepEqual(await onBoth(), [['tiny:latest'], ['tiny:latest']]);
    assert.deepEqual(await namesAt(rig.url), ['tiny:latest']);
  },
);

test(
  'the fleet learns from a real show which blob a model runs, and its own parameters',
  { skip },
  async () => {
    const digest = await upload(gguf);
    await lines('/api/create', {
      model: 'tiny',
      files: { 'tiny.gguf': digest },
      parameters: { num_ctx: 512 },
    });
    await lines('/api/create', {
      model: 'wide',
      from: 'tiny',
      parameters: { num_ctx: 1024 },
      system: 'FROM sha256-0000',
    });
    for (const { models } of rig.fleet.snapshot().backends) {
      const [tiny, wide] = [models.get('tiny:latest'), models.get('wide:latest')];
      assert.equal(tiny?.weights, digest.slice('sha256:'.length));
      assert.equal(wide?.weights, tiny?.weights);
      assert.notEqual(wide?.digest, tiny?.digest);
      assert.deepEqual([tiny?.reloadDefaults, wide?.reloadDefaults], [{ num_ctx: 512 }, { num_ctx: 1024 }]);
      assert.deepEqual(tiny?.capabilities, ['completion']);
    }
  },
);

test(
  'a pull from a registry reaches both stores; the bytes of a slow one are told as they come',
  { skip },
  async () => {
    const name = `${registry.host}/library/fetched:1`;
    const weights = await registry.addModel('library/fetched:1', { gguf: renamedGguf(gguf, 'tin3') });
    registry.setFault(weights, { bytesPerSecond: 400_000 });
    const told = await lines('/api/pull', { model: name, insecure: true });
    assert.equal(told.at(-1)?.status, 'success', JSON.stringify(told));
    const order = [...new Set(told.map(line => (line.digest === undefined ? line.status : 'layer')))];
    assert.deepEqual(order, [
      'pulling manifest',
      'layer',
      'verifying sha256 digest',
      'writing manifest',
      'success',
    ]);
    const layer = told.filter(line => line.digest === weights).map(line => line.completed ?? 0);
    assert.ok(
      layer.some(bytes => bytes > 0 && bytes < gguf.length),
      JSON.stringify(layer),
    );
    assert.equal(layer.at(-1), told.find(line => line.digest === weights)?.total);
    for (const names of await onBoth()) assert.ok(names.includes(name));
  },
);

test(
  'a pull that nobody follows any more is given up by both, and goes on where it was',
  { skip },
  async () => {
    const name = `${registry.host}/library/slow:1`;
    const weights = await registry.addModel('library/slow:1', { gguf: renamedGguf(gguf, 'tin4') });
    registry.setFault(weights, { bytesPerSecond: 50_000 });
    const client = new AbortController();
    const body = JSON.stringify({ model: name, insecure: true });
    const answer = await fetch(`${rig.url}/api/pull`, { method: 'POST', body, signal: client.signal });
    await answer.body?.getReader().read();
    await sleep(300);
    client.abort();
    await sleep(500);
    registry.setFault(weights, undefined);
    const told = await lines('/api/pull', { model: name, insecure: true });
    assert.equal(told.at(-1)?.status, 'success', JSON.stringify(told));
  },
);

test('what a real Ollama refuses comes through in its words', { skip }, async () => {
  const told = await lines('/api/pull', { model: `${registry.host}/library/absent:1`, insecure: true });
  assert.match(told.at(-1)?.error ?? '', /file does not exist|manifest/);
  const wrong = await fetch(`${rig.url}/api/blobs/sha256:${'0'.repeat(64)}`, { method: 'POST', body: 'x' });
  assert.equal(wrong.status, 400);
  assert.match(((await wrong.json()) as Line).error ?? '', /digest mismatch/);
  const neither = await fetch(`${rig.url}/api/create`, {
    method: 'POST',
    body: '{"model":"x","stream":false}',
  });
  assert.equal(neither.status, 400);
  assert.match(((await neither.json()) as Line).error ?? '', /neither 'from' or 'files'/);
});

test(
  'the real command line creates from a Modelfile, lists, shows, copies and removes on the fleet as on one server',
  { skip },
  async () => {
    writeFileSync(join(dir, 'cli.gguf'), renamedGguf(gguf, 'tin5'));
    writeFileSync(join(dir, 'Modelfile'), 'FROM ./cli.gguf\nPARAMETER num_ctx 256\nSYSTEM "Be brief."\n');
    await ollama('create', 'from-cli', '-f', 'Modelfile');
    assert.match(await ollama('list'), /from-cli:latest/);
    assert.match(await ollama('show', 'from-cli', '--modelfile'), /num_ctx 256/);
    await ollama('cp', 'from-cli', 'from-cli-2');
    await ollama('rm', 'from-cli');
    for (const names of await onBoth()) {
      assert.deepEqual(
        [names.includes('from-cli:latest'), names.includes('from-cli-2:latest')],
        [false, true],
      );
    }
    await assert.rejects(ollama('rm', 'from-cli'), /not found/);
  },
);

test(
  'a store that is killed is named in a create, and the model is made there when it is back',
  { skip },
  async () => {
    const digest = await upload(gguf);
    await lines('/api/create', { model: 'base', files: { 'tiny.gguf': digest } });
    const { port, store } = b;
    b.signal('SIGKILL');
    for (let waits = 0; rig.fleet.snapshot().backends[1]?.state !== 'down' && waits < 300; waits++)
      await sleep(20);
    const made = await lines('/api/create', { model: 'later', from: 'base', system: 'Later.' });
    assert.match(made.at(-2)?.status ?? '', /^b does not have it yet .*it gets the model when it returns$/);
    assert.equal(made.at(-1)?.status, 'success');
    const deleted = await fetch(`${rig.url}/api/delete`, { method: 'DELETE', body: '{"model":"wide"}' });
    assert.equal(deleted.status, 502);
    assert.match(((await deleted.json()) as Line).error ?? '', /^b: /);
    const returned = await startOllama({ port, store });
    try {
      let names: string[] = [];
      for (let waits = 0; waits < 300; waits++) {
        names = await namesAt(returned.url);
        if (names.includes('later:latest') && !names.includes('wide:latest')) break;
        await sleep(50);
      }
      assert.deepEqual([names.includes('later:latest'), names.includes('wide:latest')], [true, false]);
    } finally {
      await returned.stop();
    }
  },
);
