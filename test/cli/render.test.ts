// `bigo render`: profiles and resources as YAML, what `--set` changes, and what it refuses. Never needs a cluster.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { aHome, type RunResult } from './bigo.ts';

interface Printed {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly data?: Readonly<Record<string, string>>;
}

function objects({ code, stdout, stderr }: RunResult): Printed[] {
  assert.equal(code, 0, stderr);
  return parseAllDocuments(stdout).map(document => document.toJS() as Printed);
}

const named = (list: readonly Printed[], kind: string, name: string): Printed | undefined =>
  list.find(object => object.kind === kind && object.metadata.name === name);

it('a printed profile holds each object once, its namespace first, and no key', async t => {
  const list = objects(await aHome(t).run(['render', 'bigo']));
  assert.equal(list[0]?.kind, 'Namespace');
  const ids = list.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
  assert.deepEqual(ids, [...new Set(ids)]);
  assert.ok(list.filter(({ kind }) => kind === 'Secret').every(({ data }) => data === undefined));
  assert.ok(!ids.some(id => id.startsWith('ServiceMonitor/')), 'what a cluster may lack is not printed');
});

it('--set changes fields, namespace and host everywhere they stand', async t => {
  const args = ['--set', 'namespace=ai', '--set', 'host=llm.example.com', '--set', 'ollama.replicas=2'];
  const list = objects(await aHome(t).run(['render', 'production', ...args]));
  assert.ok(list.every(({ kind, metadata }) => kind === 'Namespace' || metadata.namespace === 'ai'));
  assert.equal(named(list, 'Deployment', 'ollama')?.spec?.['replicas'], 2);
  const config = named(list, 'ConfigMap', 'ollama-gateway')?.data?.['config.yaml'] ?? '';
  assert.match(config, /"ollama\.ai\.svc\.cluster\.local"/);
  assert.match(JSON.stringify(named(list, 'Ingress', 'ollama-gateway')), /llm\.example\.com/);
});

it('a field that is none and a value out of range are named (exit 64)', async t => {
  const home = aHome(t);
  const refused = async (text: string, says: RegExp): Promise<void> => {
    const { code, stderr } = await home.run(['render', 'homelab', '--set', text]);
    assert.equal(code, 64, text);
    assert.match(stderr, says);
  };
  await refused('ollama.replica=2', /spec\.ollama\.replica is no field/);
  await refused('ollama.replicas=99', /spec\.ollama\.replicas/);
});

it('the files of a folder are those that are committed', async t => {
  const home = aHome(t);
  const result = await home.run(['render', 'model-hosting', '-o', 'out']);
  assert.equal(result.code, 0, result.stderr);
  const committed = join(import.meta.dirname, '..', '..', 'k8s', 'model-hosting');
  const names = readdirSync(join(home.dir, 'out')).toSorted();
  const kept = readdirSync(committed).filter(name => !name.endsWith('.md'));
  assert.deepEqual(names, kept.toSorted());
  for (const name of names) {
    const text = readFileSync(join(committed, name), 'utf8');
    assert.equal(readFileSync(join(home.dir, 'out', name), 'utf8'), text.slice(text.indexOf('\n') + 1), name);
  }
});

it('an OllamaDeployment becomes what the operator makes of it, with keys of its own', async t => {
  const home = aHome(t);
  const spec = { ollama: { models: ['a:1'], service: { type: 'LoadBalancer' } } };
  const resource = {
    apiVersion: 'llm.geeper.io/v1alpha1',
    kind: 'OllamaDeployment',
    metadata: { name: 'x' },
    spec,
  };
  writeFileSync(join(home.dir, 'x.json'), JSON.stringify(resource));
  const list = objects(await home.run(['render', 'x.json', '--set', 'ollama.replicas=3']));
  assert.equal(named(list, 'StatefulSet', 'x-ollama')?.spec?.['replicas'], 3);
  assert.notEqual(named(list, 'Secret', 'x-gateway-keys')?.data?.['admin-key'], undefined);
  const piped = objects(await home.run(['render', '-'], { input: JSON.stringify(resource) }));
  assert.equal(piped.length, list.length);
});

it('what is no profile, no file and no resource is named together with the profiles', async t => {
  const home = aHome(t);
  const missing = await home.run(['render', 'homelap']);
  assert.equal(missing.code, 64);
  assert.match(missing.stderr, /homelap cannot be read[^]*bigo, production, model-hosting, homelab/);
  writeFileSync(join(home.dir, 'other.yaml'), 'kind: Pod\n');
  assert.match((await home.run(['render', 'other.yaml'])).stderr, /has no OllamaDeployment/);
  writeFileSync(join(home.dir, 'broken.yaml'), 'kind: [\n');
  assert.match((await home.run(['render', 'broken.yaml'])).stderr, /is no YAML/);
});

it('an image with no name is refused, and an empty BIGO_IMAGE names none', async t => {
  const home = aHome(t);
  const refused = await home.run(['render', 'bigo', '--image', '']);
  assert.equal(refused.code, 64);
  assert.match(refused.stderr, /--image: "" is no image[\s\S]*Write it as /);
  const wrong = await home.run(['render', 'bigo'], { env: { BIGO_IMAGE: 'not an image' } });
  assert.match(wrong.stderr, /BIGO_IMAGE: "not an image" is no image/);
  const usual = await home.run(['render', 'bigo']);
  assert.equal((await home.run(['render', 'bigo'], { env: { BIGO_IMAGE: '' } })).stdout, usual.stdout);
});
