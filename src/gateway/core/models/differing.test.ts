// When a model counts as another one. Models here have only what decides it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendSpec, ModelOnDisk } from '../../../api/fleet.ts';
import { differingModels } from './differing.ts';

function backend(name: string, digest: string, content?: string) {
  const spec: BackendSpec = { name, url: `http://${name}`, store: name, class: 'default' };
  const plain: ModelOnDisk = {
    name: 'm',
    key: 'm:latest',
    digest,
    sizeBytes: 1,
    modifiedAt: '',
    details: {},
    capabilities: [],
    weights: 'w',
    reloadDefaults: {},
    raw: {},
  };
  const model = content === undefined ? plain : { ...plain, content };
  return { spec, models: new Map([[model.key, model]]) };
}

test('one model in two folders has two manifests and is the same', () => {
  assert.deepEqual(differingModels([backend('a', 'd1', 'same'), backend('b', 'd2', 'same')]), []);
});

test('one manifest is the same model, however each backend describes it', () => {
  assert.deepEqual(differingModels([backend('a', 'd', 'old words'), backend('b', 'd', 'new words')]), []);
});

test('another content is another model, and each backend is named with what it has', () => {
  const found = differingModels([
    backend('a', 'd1', 'one'),
    backend('b', 'd2', 'two'),
    backend('c', 'd3', 'one'),
  ]);
  const digests = [
    { digest: 'd1', backends: ['a', 'c'] },
    { digest: 'd2', backends: ['b'] },
  ];
  assert.deepEqual(found, [{ model: 'm:latest', digests }]);
});

test('while nobody has told the content, the manifests decide', () => {
  assert.equal(differingModels([backend('a', 'd1'), backend('b', 'd2')]).length, 1);
});
