// What a resource means: old names, defaults, and who may call. Rules in a table of wishes and answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { modelName as modelNameField } from './fields.ts';
import { parseModelName } from '../names.ts';
import { nested } from './nested.ts';
import { resolve, type Resolved } from './resolve.ts';
import { resourceSchema } from './resource.ts';

function resolved(spec: Record<string, unknown>, status: Record<string, unknown> = {}): Resolved {
  const resource = resourceSchema.parse({
    apiVersion: 'llm.geeper.io/v1alpha1',
    kind: 'OllamaDeployment',
    metadata: { name: 'x' },
    spec: { ...spec, ollama: { models: ['a:1', 'b:1'], ...(spec.ollama as object) } },
    status,
  });
  return resolve(resource, { ollamaTag: '0.24.0' });
}

test('old flat names mean the same as the nested ones', () => {
  const flat = {
    serviceType: 'LoadBalancer',
    servicePort: 80,
    ingressEnabled: true,
    ingressHost: 'a.example',
  };
  const nice = { service: { type: 'LoadBalancer', port: 80 }, ingress: { enabled: true, host: 'a.example' } };
  const old = resolved({ tabby: { enabled: true, ...flat } });
  assert.deepEqual(old.tabby, resolved({ tabby: { enabled: true, ...nice } }).tabby);
  assert.equal(old.notes.filter(note => note.reason === 'DeprecatedFields').length, 4);
});

test('nesting what is nested changes nothing', () => {
  const { spec } = resourceSchema.parse({
    apiVersion: 'llm.geeper.io/v1alpha1',
    kind: 'OllamaDeployment',
    metadata: { name: 'x' },
    spec: { ollama: { models: ['a:1'], serviceType: 'NodePort' }, openwebui: { ingressHost: 'a.example' } },
  });
  assert.deepEqual(nested(nested(spec)), nested(spec));
});

test('keys are asked for as soon as something leads in from outside', () => {
  const ingress = { enabled: true, host: 'a.example' };
  const cases: [Record<string, unknown>, 'none' | 'keys'][] = [
    [{}, 'none'],
    [{ ollama: { service: { type: 'NodePort' } } }, 'keys'],
    [{ ollama: { serviceType: 'LoadBalancer' } }, 'keys'],
    [{ gateway: { ingress } }, 'keys'],
    [{ gateway: { ingress: { ...ingress, enabled: false } } }, 'none'],
    [{ gateway: { auth: { mode: 'keys' } } }, 'keys'],
    [{ gateway: { ingress, auth: { mode: 'none' } } }, 'none'],
    [{ gateway: { ingress, auth: { mode: '' } } }, 'keys'],
  ];
  for (const [spec, mode] of cases)
    assert.equal(resolved(spec).gateway?.auth.mode, mode, JSON.stringify(spec));
});

test('a tag that was not written is kept from before, as long as the repository is the same', () => {
  assert.equal(resolved({}).ollama.image, 'ollama/ollama:0.24.0');
  assert.equal(resolved({}, { image: 'ollama/ollama:0.20.0' }).ollama.image, 'ollama/ollama:0.20.0');
  const moved = resolved({ ollama: { image: 'mirror/ollama' } }, { image: 'ollama/ollama:0.20.0' });
  assert.equal(moved.ollama.image, 'mirror/ollama:0.24.0');
  const written = resolved({ ollama: { imageTag: '0.21.0' } }, { image: 'ollama/ollama:0.20.0' });
  assert.equal(written.ollama.image, 'ollama/ollama:0.21.0');
});

test('storage among the resources is the size of the volume and no resource of the container', () => {
  const { ollama } = resolved({ ollama: { resources: { requests: { cpu: 1, storage: '80Gi' } } } });
  assert.equal(ollama.storage.size, '80Gi');
  assert.deepEqual(ollama.resources, { requests: { cpu: 1 } });
  const both = resolved({
    ollama: { resources: { requests: { storage: '80Gi' } }, storage: { size: '90Gi' } },
  });
  assert.equal(both.ollama.storage.size, '90Gi');
});

test('Tabby runs as one pod, takes the first model, and embeds with a model made for it', () => {
  const tabby = { enabled: true, replicas: 3 };
  const first = resolved({ tabby });
  assert.equal(first.tabby?.replicas, 1);
  assert.equal(first.tabby.completionModel, 'a:1');
  assert.equal(first.tabby.embeddingModel, 'a:1');
  assert.ok(first.notes.some(note => note.reason === 'ReplicasReduced'));
  const embedding = resolved({ ollama: { models: ['a:1', 'nomic-embed-text'] }, tabby });
  assert.equal(embedding.tabby?.embeddingModel, 'nomic-embed-text');
});

test('one model under two spellings is one model', () => {
  const { ollama } = resolved({ ollama: { models: ['mistral', 'a:1', 'Mistral:latest'] } });
  assert.deepEqual(ollama.models, ['mistral', 'a:1']);
});

test('a component that is switched off, or says nothing, is absent', () => {
  const off = resolved({ gateway: { enabled: false }, tabby: { enabled: false }, openwebui: {} });
  for (const part of ['gateway', 'tabby', 'openwebui', 'autoscaling'] as const)
    assert.equal(off[part], undefined);
});

test('an Ingress needs a host, and TLS without hosts is for that host', () => {
  const of = (ingress: object) => resolved({ gateway: { ingress } }).gateway?.ingress;
  assert.equal(of({ enabled: true }), undefined);
  assert.deepEqual(of({ enabled: true, host: 'a.example', tls: { secretName: 's' } })?.tls, {
    hosts: ['a.example'],
    secretName: 's',
  });
});

test('every model name that the schema takes, Ollama takes too', () => {
  const name = fc.stringMatching(/^[a-zA-Z0-9_.:/-]{1,40}$/);
  fc.assert(
    fc.property(name, text => {
      if (modelNameField().safeParse(text).success) assert.notEqual(parseModelName(text), undefined);
    }),
    { numRuns: 2000 },
  );
});
