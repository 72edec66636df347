// The resource on a real API server: every rule accepts and refuses, warnings come, `kubectl explain` helps, and what a resource
// becomes is accepted too. Needs the built Kubernetes servers; kubectl where a test says so.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { admissionBinding, admissionPolicy } from '../../src/api/ollama-deployment/admission.ts';
import { customResourceDefinition } from '../../src/api/ollama-deployment/crd.ts';
import { DEVIATIONS } from '../../src/api/ollama-deployment/deviations.ts';
import type { CelRule } from '../../src/api/ollama-deployment/fields.ts';
import { API_VERSION, KIND, resourceSchema } from '../../src/api/ollama-deployment/resource.ts';
import { casesFolder, runCase } from '../golden/desired-case.ts';
import type { KubeObject as LiveObject } from '../../src/api/kube-object.ts';
import { FIELD_MANAGER } from '../../src/operator/core/plan.ts';
import { difference } from '../../src/operator/core/subset.ts';
import { find } from '../tools/parts.ts';
import { ruleCases, transitionCases } from './crd-cases.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import type { Answer, KubeObject } from './tools/kube-client.ts';

const run = promisify(execFile);
const ref = { apiVersion: API_VERSION, kind: KIND };
const namespace = 'default';
const collection = `/apis/${API_VERSION}/namespaces/${namespace}/ollamadeployments`;
const resource = (spec: unknown, name = 'x'): KubeObject => ({ ...ref, metadata: { name, namespace }, spec });
const cases = (await readdir(casesFolder)).toSorted();
const crd = customResourceDefinition() as unknown as KubeObject;

interface SchemaNode {
  readonly 'x-kubernetes-validations'?: readonly CelRule[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly additionalProperties?: SchemaNode;
}

/** Every rule at and below a node of the schema, with the field that its refusal names. */
function rulesOf(node: SchemaNode, at = ''): { readonly field: string; readonly message: string }[] {
  const own = (node['x-kubernetes-validations'] ?? []).map(({ fieldPath = '', message }) => ({
    field: `${at}${fieldPath}`,
    message,
  }));
  const below = Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    return rulesOf(child, at === '' ? name : `${at}.${name}`);
  });
  const inside = [node.items, node.additionalProperties].flatMap(child =>
    child === undefined ? [] : rulesOf(child, `${at}[]`),
  );
  return [...own, ...below, ...inside];
}

function warningsOf(answer: Answer): string {
  const { warning = [] } = answer.headers;
  return [warning].flat().join('\n').replaceAll('\\"', '"');
}

describe('OllamaDeployment on a real API server', { skip: await skipWithoutCluster() }, () => {
  let cluster: ControlPlane;
  before(async () => {
    cluster = await startControlPlane({ audit: false });
    await cluster.admin.apply(crd);
    const isServed = (object?: KubeObject): boolean =>
      (object?.['status']?.conditions ?? []).some(
        (condition: { type: string; status: string }) =>
          condition.type === 'Established' && condition.status === 'True',
      );
    await cluster.admin.until(
      { apiVersion: crd.apiVersion!, kind: crd.kind!, name: crd.metadata.name },
      isServed,
    );
  });
  after(() => cluster.stop());

  /** What the server said of each refused case: one test at the end compares them with the rules. */
  const refusals: string[] = [];
  const post = (object: KubeObject, query = '?dryRun=All&fieldValidation=Strict'): Promise<Answer> =>
    cluster.admin.send('POST', `${collection}${query}`, object);

  it('is a structural schema that the server finds nothing wrong with', async () => {
    const { apiVersion = '', kind = '', metadata } = crd;
    const live = await cluster.admin.get({ apiVersion, kind, name: metadata.name });
    const wrong = live['status'].conditions.filter(
      (condition: { type: string }) => condition.type === 'NonStructuralSchema',
    );
    assert.deepEqual(wrong, []);
    assert.deepEqual(live['status'].acceptedNames.shortNames, ['od']);
    assert.ok(JSON.stringify(crd).length <= 200_000);
  });

  for (const { about, accepted, refused, field, says } of ruleCases) {
    it(`refuses ${about}`, async () => {
      const good = await post(resource(accepted));
      assert.equal(good.status, 201, good.text);
      const bad = await post(resource(refused));
      assert.equal(bad.status, 422, bad.text);
      const { message } = JSON.parse(bad.text) as { message: string };
      refusals.push(message);
      assert.match(message, says);
      assert.ok(message.includes(`${field}:`), `${field} is named in: ${message}`);
    });
  }

  for (const { about, before: first, accepted, refused, field, says } of transitionCases) {
    it(`refuses ${about}`, async t => {
      const name = `t-${transitionCases.findIndex(one => one.about === about)}`;
      await cluster.admin.create(resource(first, name));
      t.after(() => cluster.admin.delete({ ...ref, namespace, name }));
      const target = `${collection}/${name}?dryRun=All&fieldManager=test&force=true`;
      const apply = (spec: unknown): Promise<Answer> =>
        cluster.admin.send('PUT', target, { ...resource(spec, name), metadata: { ...live.metadata } });
      const live = await cluster.admin.get({ ...ref, namespace, name });
      const good = await apply(accepted);
      assert.equal(good.status, 200, good.text);
      const bad = await apply(refused);
      assert.equal(bad.status, 422, bad.text);
      const { message } = JSON.parse(bad.text) as { message: string };
      refusals.push(message);
      assert.match(message, says);
      assert.ok(message.includes(`${field}:`), `${field} is named in: ${message}`);
    });
  }

  it('refuses a name that is too long for the objects made from it, and says which', async () => {
    const spec = { ollama: { models: ['a:1'] } };
    assert.equal((await post(resource(spec, 'a'.repeat(40)))).status, 201);
    for (const name of ['a'.repeat(41), '1a', 'a.b']) {
      const refused = await post(resource(spec, name));
      assert.equal(refused.status, 422);
      assert.match(refused.text, /metadata\.name must begin with a letter/);
      refusals.push((JSON.parse(refused.text) as { message: string }).message);
    }
  });

  it('has an accepted and a refused case for every rule', () => {
    const schema = (crd['spec'] as { versions: { schema: { openAPIV3Schema: SchemaNode } }[] }).versions[0]
      ?.schema.openAPIV3Schema;
    const rules = rulesOf(schema ?? {});
    assert.ok(rules.length > 20, 'the rules were found');
    const untried = rules.filter(
      ({ field, message }) => !refusals.some(text => text.includes(message) && text.includes(`${field}: `)),
    );
    assert.deepEqual(untried, []);
  });

  it('refuses unknown fields, wrong types and values out of range by their path', async () => {
    const wrong: [unknown, RegExp][] = [
      [{ ollama: { models: [] } }, /spec\.ollama\.models/],
      [{ ollama: { models: ['a b'] } }, /spec\.ollama\.models\[0\]/],
      [{ ollama: { models: ['a:1; rm -rf /'] } }, /spec\.ollama\.models\[0\]/],
      [{ ollama: { models: ['a:1'], replicas: 11 } }, /spec\.ollama\.replicas/],
      [
        { ollama: { models: ['a:1'], resources: { limits: { cpu: 'much' } } } },
        /spec\.ollama\.resources\.limits\.cpu/,
      ],
      [{ ollama: { models: ['a:1'], service: { type: 'ExternalName' } } }, /spec\.ollama\.service\.type/],
      [{ ollama: { models: ['a:1'], service: { port: 0 } } }, /spec\.ollama\.service\.port/],
      [{ ollama: { models: ['a:1', 'a:1'] } }, /spec\.ollama\.models\[1\]/],
      [{}, /spec\.ollama/],
    ];
    for (const [spec, field] of wrong) {
      const answer = await post(resource(spec));
      assert.equal(answer.status, 422, `${JSON.stringify(spec)}: ${answer.text}`);
      assert.match(answer.text, field);
    }
    const unknown = await post(resource({ ollama: { models: ['a:1'], modles: [] } }));
    assert.equal(unknown.status, 400);
    assert.match(unknown.text, /unknown field \\?"spec\.ollama\.modles/);
  });

  it('takes as a model name exactly what Ollama takes', async () => {
    const names = [
      'mistral',
      'qwen3:8b',
      'hf.co/org/model:Q4_K_M',
      'localhost:5000/library/x:1',
      'org/model',
    ];
    const answer = await post(resource({ ollama: { models: names } }));
    assert.equal(answer.status, 201, answer.text);
  });

  it('is scaled through its scale subresource, from the default of one', async t => {
    const name = 'scaled';
    await cluster.admin.create(resource({ ollama: { models: ['a:1'] } }, name));
    t.after(() => cluster.admin.delete({ ...ref, namespace, name }));
    const scale = await cluster.admin.call('GET', `${collection}/${name}/scale`);
    assert.equal(scale['spec'].replicas, 1);
    await cluster.admin.patch({ ...ref, namespace, name }, { spec: { replicas: 3 } }, 'merge', 'scale');
    const live = await cluster.admin.get({ ...ref, namespace, name });
    assert.equal(live['spec'].ollama.replicas, 3);
    const zero = await cluster.admin.send('PUT', `${collection}/${name}/scale`, {
      ...scale,
      spec: { replicas: 0 },
    });
    assert.notEqual(zero.status, 200);
  });

  it('fills in no default where an old flat name could stand', async () => {
    const answer = await post(resource({ ollama: { models: ['a:1'] }, tabby: {}, openwebui: {} }));
    const { spec } = JSON.parse(answer.text) as KubeObject;
    for (const part of [spec.ollama, spec.tabby, spec.openwebui]) {
      assert.equal(part.service, undefined);
      assert.equal(part.ingress, undefined);
    }
  });

  for (const name of cases) {
    it(`takes the resource of golden case ${name}, and all that it becomes`, async t => {
      const own = await cluster.namespace(t, { 'pod-security.kubernetes.io/warn': 'restricted' });
      const given = parse(await readFile(path.join(casesFolder, name, 'in.yaml'), 'utf8')) as KubeObject;
      const into = `/apis/${API_VERSION}/namespaces/${own}/ollamadeployments?dryRun=All&fieldValidation=Strict`;
      const posted = { ...given, metadata: { ...given.metadata, namespace: own } };
      const taken = await cluster.admin.send('POST', into, posted);
      assert.equal(taken.status, 201, taken.text);
      const meant = resourceSchema.parse(given).spec;
      assert.deepEqual(
        resourceSchema.parse(JSON.parse(taken.text)).spec,
        meant,
        'the server prunes or adds nothing',
      );
      for (const object of (await runCase(name)).files.values())
        await dryRun(own, object as unknown as KubeObject);
    });
  }

  async function dryRun(own: string, object: KubeObject): Promise<void> {
    const isOptional = /monitoring\.coreos\.com|keda\.sh/.test(object.apiVersion ?? '');
    if (isOptional) return;
    const moved = JSON.parse(
      JSON.stringify(object).replaceAll(
        `"namespace":"${object.metadata.namespace ?? ''}"`,
        `"namespace":"${own}"`,
      ),
    ) as KubeObject;
    const { apiVersion = '', kind = '', metadata } = moved;
    const target = await cluster.admin.path({ apiVersion, kind, namespace: own, name: metadata.name });
    const query = `dryRun=All&fieldManager=${FIELD_MANAGER}&force=true&fieldValidation=Strict`;
    const answer = await cluster.admin.send(
      'PATCH',
      `${target}?${query}`,
      moved,
      'application/apply-patch+yaml',
    );
    assert.ok(answer.status < 300, `${kind} ${metadata.name}: ${answer.text}`);
    assert.equal(warningsOf(answer), '', `${kind} ${metadata.name} brings a warning`);
    const made = JSON.parse(answer.text) as LiveObject;
    const left = difference(moved as unknown as LiveObject, made, FIELD_MANAGER);
    assert.equal(left, undefined, `${kind} ${metadata.name} would be applied again and again`);
  }

  it('warns of every deviation and of nothing else', async () => {
    await cluster.admin.apply(admissionPolicy() as unknown as KubeObject);
    await cluster.admin.apply(admissionBinding() as unknown as KubeObject);
    await policyWorks();
    const clean = await post(resource({ ollama: { models: ['a:1'], imageTag: '0.24.0' } }));
    assert.equal(warningsOf(clean), '');
    const flat = { serviceType: 'NodePort', servicePort: 80, ingressEnabled: true, ingressHost: 'a.example' };
    const deviating = [
      {
        ollama: { models: ['a:1'], serviceType: 'NodePort', servicePort: 80, imageTag: '0.17.0' },
        openwebui: { enabled: true, ...flat },
        tabby: { enabled: true, replicas: 2, ...flat },
      },
      { ollama: { models: ['a:1'], imageTag: 'latest' } },
    ];
    const answers = await Promise.all(deviating.map(spec => post(resource(spec))));
    const said = answers.map(warningsOf).join('\n');
    for (const { message } of DEVIATIONS) assert.ok(said.includes(message), `${message}\nis not in\n${said}`);
  });

  it('warns exactly where the condition will say the same', async () => {
    const tags = [
      '0.24.0',
      '0.17.1',
      '0.17.0',
      '0.16.9',
      '0.9',
      'v0.5.1',
      '1.0.0',
      'latest',
      'main',
      'rocm',
      '0.20.0-rocm',
    ];
    const images = tags.map(imageTag => ({ imageTag }));
    for (const image of [...images, { image: 'mirror.example/own', imageTag: '0.1.0' }]) {
      const object = resource({ ollama: { models: ['a:1'], ...image } });
      const said = warningsOf(await post(object));
      const { spec } = resourceSchema.parse(object);
      for (const deviation of DEVIATIONS)
        assert.equal(
          said.includes(deviation.message),
          deviation.applies(spec),
          `${image.imageTag}: ${deviation.message}`,
        );
    }
  });

  /** A policy is taken in by a watch, a moment after it was made. */
  async function policyWorks(): Promise<void> {
    const deadline = Date.now() + 20_000;
    const object = resource({ ollama: { models: ['a:1'], imageTag: 'latest' } });
    while (warningsOf(await post(object)) === '') {
      assert.ok(Date.now() < deadline, 'the admission policy never came into force');
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }

  it('explains a field, and shows a readable table', async t => {
    const kubectl = await find('kubectl');
    if (kubectl === undefined) return t.skip('needs kubectl: npm run tools -- kubectl');
    const ask = async (...args: string[]): Promise<string> =>
      (await run(kubectl, ['--kubeconfig', cluster.adminKubeconfig, ...args])).stdout;
    const explained = (await ask('explain', 'od.spec.ollama.storage.mode')).replaceAll(/\s+/g, ' ');
    assert.match(explained, /every pod has a volume of its own/);
    assert.match(explained, /perReplica/);
    await cluster.admin.create(resource({ ollama: { models: ['a:1'], replicas: 2 } }, 'shown'));
    t.after(() => cluster.admin.delete({ ...ref, namespace, name: 'shown' }));
    const [head = '', row = ''] = (await ask('get', 'od')).split('\n');
    assert.deepEqual(head.trim().split(/\s+/), ['NAME', 'READY', 'PHASE', 'REPLICAS', 'MODELS', 'AGE']);
    assert.match(row, /^shown\s+2\s/);
  });
});
