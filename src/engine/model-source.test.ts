// Where a first model comes from, with stores made here. Never reaches beyond loopback.
import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { layersOf, mediaTypeOf, writeManifest } from './core/manifest.ts';
import { ensureDefaultModel, makeSteady } from './model-source.ts';
import { openStore } from './store.ts';
import { parseModelName } from '../api/names.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'bigo-source-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function storeWith(t: TestContext, name: string): Promise<{ path: string; weights: string }> {
  const path = await folder(t);
  const store = await openStore(path);
  const { layer } = await store.addLayer('model', `weights of ${name}`);
  const config = await store.addLayer('config', '{}');
  await store.saveManifest(parseModelName(name)!, writeManifest(config.layer, [layer]));
  assert.equal(layer.mediaType, mediaTypeOf('model'));
  return { path, weights: layer.digest };
}

const log = (): void => {};

test('a model that is in the store already is taken from there', async t => {
  const { path } = await storeWith(t, 'own:1');
  assert.deepEqual(await ensureDefaultModel({ store: path, model: 'own:1', log, ollamaStores: [] }), {
    name: 'own:1',
    source: `the store ${path}`,
  });
});

test('a model of an Ollama store is linked, not copied, and that store stays as it was', async t => {
  const theirs = await storeWith(t, 'near:1');
  const path = await folder(t);
  const found = await ensureDefaultModel({ store: path, model: 'near:1', log, ollamaStores: [theirs.path] });
  assert.equal(found.source, `the Ollama store ${theirs.path}`);
  const ours = await openStore(path);
  const [a, b] = [ours.blobPath(theirs.weights), (await openStore(theirs.path)).blobPath(theirs.weights)];
  assert.equal((await stat(a)).ino, (await stat(b)).ino);
  assert.ok(await ours.find(parseModelName('near:1')!));
});

test('a model whose blobs are missing does not count', async t => {
  const { path, weights } = await storeWith(t, '127.0.0.1:1/half/model:1');
  await rm((await openStore(path)).blobPath(weights));
  await assert.rejects(
    ensureDefaultModel({ store: path, model: '127.0.0.1:1/half/model:1', log, ollamaStores: [] }),
    {
      code: 'model_not_found',
    },
  );
});

test('when nothing works, the error names the one command that adds a model', async t => {
  const store = await folder(t);
  await assert.rejects(
    ensureDefaultModel({ store, model: '127.0.0.1:1/no/model:1', log, ollamaStores: [] }),
    error => {
      assert.match(String(error), /bigo pull 127\.0\.0\.1:1\/no\/model:1/);
      return true;
    },
  );
});

test('a name that is none is refused', async t => {
  await assert.rejects(ensureDefaultModel({ store: await folder(t), model: 'a b', log }), {
    code: 'invalid_model_name',
  });
});

test('the first model gets a system text and parameters of ours, and keeps its other ones', async t => {
  const { path, weights } = await storeWith(t, 'first:1');
  const store = await openStore(path);
  const name = parseModelName('first:1')!;
  const { manifest } = (await store.find(name))!;
  const params = await store.addLayer('params', '{"stop":["<end>"],"temperature":0.9}');
  await store.saveManifest(name, writeManifest(manifest.config!, [...manifest.layers, params.layer]));
  await makeSteady(store, name);
  const steady = (await store.find(name))!.manifest;
  const textOf = async (part: 'system' | 'params'): Promise<string> => {
    const layers = layersOf(steady, part);
    assert.equal(layers.length, 1);
    return (await store.readBlob(layers[0]!.digest)).toString();
  };
  assert.equal(await textOf('system'), 'You are a helpful assistant.');
  assert.deepEqual(JSON.parse(await textOf('params')), {
    stop: ['<end>'],
    temperature: 0,
    top_k: 1,
    num_predict: 1024,
  });
  assert.equal(layersOf(steady, 'model')[0]!.digest, weights);
});
