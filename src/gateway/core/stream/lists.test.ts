// Merged lists: by name, the digest that most backends have wins, aliases appear.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BigoError } from '../../../api/errors.ts';
import type {
  BackendState,
  BackendView,
  FleetSnapshot,
  LoadedModel,
  ModelOnDisk,
} from '../../../api/fleet.ts';
import { modelKey } from '../../../api/names.ts';
import { mergeOpenAiModels, mergePs, mergeTags, openAiModelOf } from './lists.ts';

function model(name: string, digest: string, modifiedAt = '2026-01-01T00:00:00Z'): ModelOnDisk {
  return {
    name,
    key: modelKey(name) ?? name,
    digest,
    sizeBytes: 1,
    modifiedAt,
    details: {},
    capabilities: [],
    weights: digest,
    reloadDefaults: {},
    raw: { name, model: name, modified_at: modifiedAt, size: 1, digest, details: { family: 'llama' } },
  };
}

function runner(name: string, digest: string, expiresAt: string): LoadedModel {
  return {
    name,
    key: modelKey(name) ?? name,
    digest,
    sizeBytes: 1,
    sizeVramBytes: 0,
    contextLength: 4096,
    expiresAt,
    raw: { name, digest, expires_at: expiresAt },
  };
}

function backend(
  name: string,
  models: readonly ModelOnDisk[],
  loaded: readonly LoadedModel[] = [],
): BackendView {
  return {
    spec: { name, url: 'http://127.0.0.1:1', store: name, class: 'default' },
    state: 'up',
    stateSinceMs: 0,
    draining: false,
    version: '0.24.0',
    polledAtMs: 0,
    models: new Map(models.map(each => [each.key, each])),
    loaded,
  };
}

const fleet = (...backends: readonly BackendView[]): FleetSnapshot => ({ seq: 1, atMs: 0, backends });
const inState = (view: BackendView, state: BackendState): BackendView => ({ ...view, state });

test('a model on several backends is listed once, exactly as a backend tells it, newest first', () => {
  const old = model('a:1b', 'd1', '2026-01-01T00:00:00Z');
  const young = model('b:1b', 'd2', '2026-02-01T00:00:00Z');
  const lists = mergeTags(fleet(backend('x', [old, young]), backend('y', [old])), {});
  assert.deepEqual(lists, { models: [young.raw, old.raw] });
});

test('where digests differ, the one that most backends have is shown, else the newest', () => {
  const one = model('a:1b', 'd1', '2026-03-01T00:00:00Z');
  const two = model('a:1b', 'd2', '2026-01-01T00:00:00Z');
  const most = fleet(backend('x', [one]), backend('y', [two]), backend('z', [two]));
  assert.deepEqual(mergeTags(most, {}).models, [two.raw]);
  const even = fleet(backend('y', [two]), backend('x', [one]));
  assert.deepEqual(mergeTags(even, {}).models, [one.raw]);
});

test('only backends that answer are listed', () => {
  const there = backend('x', [model('a:1b', 'd1')]);
  const gone = (['down', 'unknown', 'loop'] as const).map(state =>
    inState(backend(state, [model('b:1b', 'd2')]), state),
  );
  assert.equal(mergeTags(fleet(there, ...gone), {}).models.length, 1);
  assert.deepEqual(mergeTags(fleet(), {}), { models: [] });
});

test('an alias is listed under its own name while its model is there and the name is free', () => {
  const base = model('llama3.2:1b', 'd1');
  const snapshot = fleet(backend('x', [base, model('taken:latest', 'd2')]));
  const aliases = { fast: 'llama3.2:1b', gone: 'nothing:1b', taken: 'llama3.2:1b' };
  const names = mergeTags(snapshot, aliases).models.map(entry => (entry as { name: string }).name);
  assert.deepEqual(names, ['llama3.2:1b', 'taken:latest', 'fast']);
  const ids = mergeOpenAiModels(snapshot, aliases).data.map(entry => entry.id);
  assert.deepEqual(ids, names);
});

test('a model that runs on several backends is one line of ps, the one that stays longest', () => {
  const early = runner('a:1b', 'd1', '2026-01-01T00:05:00Z');
  const late = runner('a:1b', 'd1', '2026-01-01T00:09:00Z');
  const other = runner('b:1b', 'd2', '2026-01-01T00:07:00Z');
  const snapshot = fleet(backend('x', [], [early, other]), backend('y', [], [late]));
  assert.deepEqual(mergePs(snapshot), { models: [late.raw, other.raw] });
});

test('OpenAI clients see id, time and owner as Ollama tells them', () => {
  const snapshot = fleet(backend('x', [model('llama3.2:1b', 'd1'), model('me/mine:latest', 'd2')]));
  assert.deepEqual(mergeOpenAiModels(snapshot, {}), {
    object: 'list',
    data: [
      { id: 'llama3.2:1b', object: 'model', created: 1767225600, owned_by: 'library' },
      { id: 'me/mine:latest', object: 'model', created: 1767225600, owned_by: 'me' },
    ],
  });
});

test('one model is found by any spelling of its name, by an alias, or not with near names', () => {
  const snapshot = fleet(backend('x', [model('smollm2:latest', 'd1')]));
  const found = (name: string): unknown => {
    const entry = openAiModelOf(snapshot, { aliases: { fast: 'smollm2' }, name });
    return entry instanceof BigoError ? entry.code : entry.id;
  };
  assert.equal(found('smollm2'), 'smollm2');
  assert.equal(found('SmolLM2:latest'), 'SmolLM2:latest');
  assert.equal(found('fast'), 'fast');
  assert.equal(found('fast:latest'), 'fast:latest');
  const missing = openAiModelOf(snapshot, { aliases: {}, name: 'smolm2' });
  assert.ok(missing instanceof BigoError && missing.status === 404);
  assert.ok(missing.message.includes('smollm2'), missing.message);
});

test('who may use some models only is told of no others, nor of what is loaded, nor by a hint', () => {
  const [mine, other] = [model('mine:1b', 'd1'), model('mines:1b', 'd2')];
  const loaded = [runner('mine:1b', 'd1', '2026-01-01'), runner('mines:1b', 'd2', '2026-01-01')];
  const snapshot = fleet(backend('x', [mine, other], loaded));
  const aliases = { fast: 'mine:1b', big: 'mines:1b', secret: 'mines:1b' };
  const allowed = new Set(['mine:1b', 'big:latest']);
  const names = (list: { models: object[] }): string[] =>
    list.models.map(each => (each as { name: string }).name);
  assert.deepEqual(names(mergeTags(snapshot, aliases, allowed)), ['mine:1b', 'fast', 'big']);
  assert.deepEqual(names(mergePs(snapshot, allowed)), ['mine:1b']);
  assert.deepEqual(
    mergeOpenAiModels(snapshot, aliases, allowed).data.map(({ id }) => id),
    ['mine:1b', 'fast', 'big'],
  );
  const hidden = openAiModelOf(snapshot, { aliases, allowed, name: 'mines:1b' });
  assert.ok(
    hidden instanceof BigoError &&
      !hidden.message.includes('mines:1b or') &&
      !/mean .*mines/.test(hidden.message),
  );
  assert.ok(!(openAiModelOf(snapshot, { aliases, allowed, name: 'big' }) instanceof BigoError));
});
