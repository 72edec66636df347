// Rules of what the file of models means for one pod. Never reads a file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelsFileSchema } from '../../api/cluster-files.ts';
import { assignmentOf, ordinalOf } from './assign.ts';

const names = (file: unknown, ordinal: number | undefined) =>
  assignmentOf(modelsFileSchema.parse(file), ordinal).wanted.map(model => `${model.kind} ${model.name}`);

test('the ordinal is the number at the end of the name; pods of a Deployment have none', () => {
  assert.equal(ordinalOf('chat-ollama-0'), 0);
  assert.equal(ordinalOf('chat-ollama-12'), 12);
  assert.equal(ordinalOf('ollama-7d4b9c-x2k8p'), undefined);
});

test('a model with replicas is for those pods only; without, for all', () => {
  const file = { models: [{ name: 'a', replicas: [1] }, { name: 'b' }] };
  assert.deepEqual(names(file, 0), ['pull b']);
  assert.deepEqual(names(file, 1), ['pull a', 'pull b']);
  assert.deepEqual(names(file, undefined), ['pull b']);
});

test('a base that is only named by a derived model is pulled too, once', () => {
  const derived = [
    { name: 'x', from: 'base' },
    { name: 'y', from: 'base:latest' },
  ];
  assert.deepEqual(names({ models: [], derived }, 0), ['pull base', 'create x', 'create y']);
  assert.deepEqual(names({ models: [{ name: 'base' }], derived }, 0), ['pull base', 'create x', 'create y']);
});

test('a derived model may stand on another derived one, but not on itself', () => {
  const derived = [
    { name: 'x', from: 'base' },
    { name: 'y', from: 'x' },
    { name: 'z', from: 'z:latest' },
  ];
  assert.deepEqual(names({ models: [], derived }, 0), ['pull base', 'create x', 'create y']);
});

test('the order of parameters does not make another model, their values do', () => {
  const mark = (parameters: object) => {
    const [, made] = assignmentOf(
      modelsFileSchema.parse({ models: [], derived: [{ name: 'x', from: 'b', parameters }] }),
      0,
    ).wanted;
    return made?.kind === 'create' ? made.fingerprint : '';
  };
  assert.equal(mark({ num_ctx: 1, top_k: 2 }), mark({ top_k: 2, num_ctx: 1 }));
  assert.notEqual(mark({ num_ctx: 1 }), mark({ num_ctx: 2 }));
  assert.notEqual(mark({ stop: ['a', 'b'] }), mark({ stop: ['b', 'a'] }));
});
