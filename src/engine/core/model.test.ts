// What is said of a model. Never reads one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseModelName } from '../../api/names.ts';
import type { GgufFacts } from './gguf.ts';
import { capabilitiesOf, psOf, requireCapabilities, showOf, tagsOf } from './model.ts';
import type { Model } from './model.ts';

const facts: GgufFacts = {
  architecture: 'llama',
  fileType: 'Q4_1',
  parameterCount: 1000,
  parameterSize: '1K',
  contextLength: 512,
  embeddingLength: 64,
  chatTemplate: '{{ messages }}',
  embedding: false,
  insert: false,
  kind: 'model',
};

function aModel(name: string, more: Partial<Model> = {}): Model {
  return {
    name: parseModelName(name)!,
    digest: 'd'.repeat(64),
    modifiedAt: '2026-01-02T03:04:05.000Z',
    manifest: { config: undefined, layers: [] },
    config: {
      model_format: 'gguf',
      model_family: 'llama',
      model_families: ['llama'],
      model_type: '1K',
      file_type: 'Q4_1',
    },
    weightsPath: '/store/blobs/sha256-a',
    adapterPaths: [],
    projectorPaths: [],
    parent: '',
    facts,
    template: undefined,
    system: '',
    licenses: [],
    params: {},
    messages: [],
    ...more,
  };
}

test('capabilities are read from the GGUF file, not from the store', () => {
  assert.deepEqual(capabilitiesOf(facts), ['completion']);
  assert.deepEqual(capabilitiesOf({ ...facts, chatTemplate: '{% if tools %}…</think>' }), [
    'completion',
    'tools',
    'thinking',
  ]);
  assert.deepEqual(capabilitiesOf({ ...facts, embedding: true, insert: true }), ['embedding', 'insert']);
});

test("what a model cannot do is refused in Ollama's words", () => {
  const model = aModel('m:1');
  assert.throws(() => requireCapabilities(model, 'm:1', ['tools']), {
    message: 'registry.ollama.ai/library/m:1 does not support tools',
  });
  assert.throws(() => requireCapabilities(model, 'm:1', ['thinking']), {
    message: '"m:1" does not support thinking',
  });
  const embedder = aModel('m', { facts: { ...facts, embedding: true } });
  assert.throws(() => requireCapabilities(embedder, 'm', ['completion']), {
    message: '"m" does not support generate',
  });
});

test('the newest model is listed first', () => {
  const models = [aModel('old'), aModel('new', { modifiedAt: '2026-02-02T03:04:05.000Z' })];
  assert.deepEqual(
    (tagsOf(models)['models'] as { name: string }[]).map(model => model.name),
    ['new:latest', 'old:latest'],
  );
});

test('what stays longest in memory is listed first', () => {
  const entry = (name: string, expiresAtMs: number) => ({
    model: aModel(name),
    sizeBytes: 1,
    contextLength: 512,
    expiresAtMs,
  });
  const listed = psOf([entry('a', 1_000), entry('b', 2_000)])['models'] as {
    name: string;
    expires_at: string;
  }[];
  assert.deepEqual(
    listed.map(model => [model.name, model.expires_at]),
    [
      ['b:latest', '1970-01-01T00:00:02.000Z'],
      ['a:latest', '1970-01-01T00:00:01.000Z'],
    ],
  );
});

test('show gives a Modelfile that could be used again, without secrets of the header', () => {
  const model = aModel('m', {
    system: 'Be\nbrief',
    params: { stop: ['a', 'b'], num_ctx: 8 },
    licenses: ['free'],
  });
  const header = {
    metadata: new Map([
      ['general.name', 'x'],
      ['general.architecture', 'llama'],
    ]),
    tensors: [],
    headerBytes: 0,
  };
  const shown = showOf({ model, header, verbose: false, system: '' });
  const modelfile = String(shown['modelfile']);
  assert.ok(modelfile.includes('FROM /store/blobs/sha256-a\n') && modelfile.includes('SYSTEM "Be\nbrief"'));
  assert.ok(modelfile.includes('PARAMETER stop a\nPARAMETER stop b\nPARAMETER num_ctx 8'));
  assert.deepEqual(shown['model_info'], { 'general.architecture': 'llama', 'general.parameter_count': 1000 });
});
