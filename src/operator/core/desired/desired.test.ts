// What every resource becomes, whatever it says: labels, owners, order, and pods that may run under restricted Pod Security.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject } from '../../../api/kube-object.ts';
import { resolve, type Resolved } from '../../../api/ollama-deployment/resolve.ts';
import { resourceSchema } from '../../../api/ollama-deployment/resource.ts';
import { labelsOf, selectorOf } from '../names.ts';
import { desired } from './desired.ts';
import type { SecretTexts } from './input.ts';
import { completeSecret, secretNeeds, type SecretMaker } from './secrets.ts';

const settings = { image: 'bigo:1', clusterDomain: 'cluster.local', ollamaTag: '0.24.0' };
const optionalApis = new Set([
  'monitoring.coreos.com/v1/ServiceMonitor',
  'monitoring.coreos.com/v1/PrometheusRule',
  'keda.sh/v1alpha1/ScaledObject',
]);
const maker: SecretMaker = { token: () => 't', apiKey: () => 'k', hash: () => `sha256:${'0'.repeat(64)}` };

function secretsFor(resolved: Resolved): SecretTexts {
  return Object.fromEntries(secretNeeds(resolved).map(need => [need.name, completeSecret(need, {}, maker)]));
}

function objectsFor(spec: unknown, kept: { agent?: string; gateway?: string } = {}): readonly KubeObject[] {
  const resource = resourceSchema.parse({
    apiVersion: 'llm.geeper.io/v1alpha1',
    kind: 'OllamaDeployment',
    metadata: { name: 'x', namespace: 'n', uid: 'u' },
    spec,
  });
  const resolved = resolve(resource, settings);
  return desired({ resolved, settings, secrets: secretsFor(resolved), apis: optionalApis, kept }).objects;
}

const flag = fc.boolean();
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const service = fc.record({
  type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const ingress = fc.record({ enabled: flag, host: fc.constant('a.example') });
const persistence = fc.record({ enabled: flag, retention: fc.constantFrom('Retain', 'Delete') });
const component = fc.record({
  enabled: flag,
  service: maybe(service),
  ingress: maybe(ingress),
  persistence: maybe(persistence),
});
const anySpec = fc.record({
  ollama: fc.record({
    models: fc.constantFrom(['a:1'], ['a:1', 'b:1']),
    replicas: fc.integer({ min: 1, max: 10 }),
    service: maybe(service),
    gpu: maybe(fc.record({ count: fc.integer({ min: 0, max: 2 }) })),
    storage: maybe(
      fc.record({
        mode: fc.constantFrom('perReplica', 'shared', 'ephemeral'),
        retention: fc.constantFrom('Retain', 'Delete'),
        storageClassName: maybe(fc.constant('fast')),
      }),
    ),
  }),
  gateway: maybe(
    fc.record({
      enabled: flag,
      ingress: maybe(ingress),
      auth: maybe(fc.record({ mode: fc.constantFrom('', 'none', 'keys') })),
    }),
  ),
  openwebui: maybe(component),
  tabby: maybe(component),
  network: maybe(fc.record({ policy: fc.record({ enabled: flag }) })),
  monitoring: maybe(
    fc.record({
      serviceMonitor: fc.record({ enabled: flag }),
      alerts: fc.record({ enabled: flag }),
      dashboards: fc.record({ enabled: flag }),
    }),
  ),
  autoscaling: maybe(fc.record({ enabled: flag, engine: fc.constantFrom('operator', 'hpa', 'keda') })),
});

const always = (check: (objects: readonly KubeObject[], spec: unknown) => void): void =>
  fc.assert(
    fc.property(anySpec, spec => check(objectsFor(spec), spec)),
    { numRuns: 60 },
  );

interface Template {
  readonly metadata: { readonly labels: Record<string, string> };
  readonly spec: {
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly volumes?: readonly { readonly name: string }[];
    readonly securityContext: Record<string, unknown>;
    readonly enableServiceLinks: boolean;
    readonly serviceAccountName: string;
  };
}
interface Container {
  readonly name: string;
  readonly image: string;
  readonly securityContext: Record<string, unknown>;
  readonly volumeMounts: readonly { readonly name: string }[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
}
interface Workload {
  readonly replicas: number;
  readonly selector: { readonly matchLabels: Record<string, string> };
  readonly template: Template;
  readonly volumeClaimTemplates?: readonly KubeObject[];
}

const workloads = (objects: readonly KubeObject[]) =>
  objects
    .filter(object => object.kind === 'StatefulSet' || object.kind === 'Deployment')
    .map(object => ({ object, spec: object['spec'] as Workload }));

const named = (objects: readonly KubeObject[], kind: string, name: string) =>
  objects.find(object => object.kind === kind && object.metadata.name === name);

test('the same resource always becomes the same objects in the same order', () => {
  always((objects, spec) => assert.equal(JSON.stringify(objectsFor(spec)), JSON.stringify(objects)));
});

test('no two objects have the same kind and name', () => {
  always(objects => {
    const keys = objects.map(object => `${object.kind}/${object.metadata.name}`);
    assert.equal(new Set(keys).size, keys.length);
  });
});

test('every object has every label, its namespace, and a name that the API takes', () => {
  always(objects => {
    for (const { metadata } of objects) {
      assert.equal(metadata.namespace, 'n');
      assert.match(metadata.name, /^[a-z][-a-z0-9]{0,62}$/);
      for (const label of ['ollama-deployment', 'llm-deployment', 'app.kubernetes.io/instance'])
        assert.equal(metadata.labels?.[label], 'x');
      for (const label of ['name', 'component', 'part-of', 'managed-by'])
        assert.ok(metadata.labels?.[`app.kubernetes.io/${label}`]);
    }
  });
});

test('every object is owned, but for claims that are to be kept', () => {
  always(objects => {
    for (const { kind, metadata } of objects) {
      const isOwned = metadata.ownerReferences?.some(owner => owner.uid === 'u' && owner.controller) ?? false;
      if (kind !== 'PersistentVolumeClaim') assert.ok(isOwned, `${kind} ${metadata.name}`);
    }
  });
});

test('selectors use two labels only, and fit their own pods and no other pods', () => {
  always(objects => {
    const all = workloads(objects);
    for (const { spec } of all) {
      const selector = Object.entries(spec.selector.matchLabels);
      assert.deepEqual(
        selector.map(([key]) => key),
        ['app.kubernetes.io/name', 'app.kubernetes.io/instance'],
      );
      const fits = all.filter(other =>
        selector.every(([key, value]) => other.spec.template.metadata.labels[key] === value),
      );
      assert.equal(fits.length, 1);
    }
  });
});

test('only Ollama pods say app: ollama', () => {
  always(objects => {
    for (const { object, spec } of workloads(objects))
      assert.equal(spec.template.metadata.labels['app'] === 'ollama', object.metadata.name === 'x-ollama');
  });
});

test('every pod may run under restricted Pod Security', () => {
  always(objects => {
    for (const { spec } of workloads(objects)) {
      const pod = spec.template.spec;
      assert.equal(pod.securityContext['runAsNonRoot'], true);
      assert.notEqual(pod.securityContext['runAsUser'], 0);
      assert.deepEqual(pod.securityContext['seccompProfile'], { type: 'RuntimeDefault' });
      for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
        assert.equal(container.securityContext['allowPrivilegeEscalation'], false);
        assert.deepEqual(container.securityContext['capabilities'], { drop: ['ALL'] });
      }
    }
  });
});

test('every mount has a volume, and every account, ConfigMap, Secret and claim that a pod names is made', () => {
  always(objects => {
    for (const { spec } of workloads(objects)) {
      const pod = spec.template.spec;
      const claims = spec.volumeClaimTemplates?.map(claim => claim.metadata.name) ?? [];
      const volumes = new Set([...(pod.volumes ?? []).map(volume => volume.name), ...claims]);
      for (const { volumeMounts } of [...pod.containers, ...(pod.initContainers ?? [])])
        for (const { name } of volumeMounts) assert.ok(volumes.has(name), name);
      assert.ok(named(objects, 'ServiceAccount', pod.serviceAccountName));
      const text = JSON.stringify(pod);
      const references: [string, RegExp][] = [
        ['Secret', /"(?:secretName|secretKeyRef":\{"name)":"([^"]+)"/g],
        ['ConfigMap', /"configMap(?:Ref)?":\{"name":"([^"]+)"/g],
        ['PersistentVolumeClaim', /"claimName":"([^"]+)"/g],
      ];
      for (const [kind, pattern] of references)
        for (const [, name = ''] of text.matchAll(pattern))
          assert.ok(named(objects, kind, name), `${kind} ${name}`);
    }
  });
});

test('pods without a GPU see none, and pods with one ask for it', () => {
  always(objects => {
    for (const { spec } of workloads(objects)) {
      const ollama = spec.template.spec.containers.find(container => container.name === 'ollama');
      if (ollama === undefined) continue;
      const sees = !ollama.env?.some(
        ({ name, value }) => name === 'NVIDIA_VISIBLE_DEVICES' && value === 'void',
      );
      assert.equal(sees, JSON.stringify(ollama).includes('nvidia.com/gpu'));
    }
  });
});

test('pods that ask for a GPU tolerate the taint of its nodes, once', () => {
  const tolerations = (more: object) => {
    const spec = { ollama: { models: ['a:1'], ...more } };
    const [set] = workloads(objectsFor(spec)).filter(({ object }) => object.kind === 'StatefulSet');
    assert.ok(set !== undefined);
    return (set.spec.template.spec as { tolerations?: { key?: string }[] }).tolerations;
  };
  assert.equal(tolerations({}), undefined);
  assert.deepEqual(
    tolerations({ gpu: {} })?.map(({ key }) => key),
    ['nvidia.com/gpu'],
  );
  const own = { key: 'nvidia.com/gpu', operator: 'Equal', value: 'present', effect: 'NoSchedule' };
  assert.deepEqual(tolerations({ gpu: {}, scheduling: { tolerations: [own] } }), [own]);
});

test('a change of models changes no pod', () => {
  const one = workloads(objectsFor({ ollama: { models: ['a:1'] } }));
  const two = workloads(
    objectsFor({ ollama: { models: ['a:1', 'b:1'], placement: [{ model: 'b:1', replicas: [0] }] } }),
  );
  assert.deepEqual(one, two);
});

test('a change of settings changes the Ollama pods and no others', () => {
  const one = workloads(objectsFor({ ollama: { models: ['a:1'] } }));
  const two = workloads(objectsFor({ ollama: { models: ['a:1'], settings: { keepAlive: '1h' } } }));
  const changed = one.filter(
    ({ object }, index) => JSON.stringify(object) !== JSON.stringify(two[index]?.object),
  );
  assert.deepEqual(
    changed.map(({ object }) => object.metadata.name),
    ['x-ollama'],
  );
});

test('images of ours that are kept stay, whatever the operator would bring', () => {
  const images = workloads(objectsFor({ ollama: { models: ['a:1'] } }, { agent: 'old:1', gateway: 'old:2' }))
    .flatMap(({ spec }) => [...spec.template.spec.containers, ...(spec.template.spec.initContainers ?? [])])
    .map(container => container.image);
  assert.ok(!images.includes('bigo:1'));
  assert.ok(images.includes('old:1') && images.includes('old:2'));
});

test('an optional API that is not there is a note and no object', () => {
  const resource = resourceSchema.parse({
    apiVersion: 'llm.geeper.io/v1alpha1',
    kind: 'OllamaDeployment',
    metadata: { name: 'x' },
    spec: { ollama: { models: ['a:1'] }, monitoring: { serviceMonitor: { enabled: true } } },
  });
  const resolved = resolve(resource, settings);
  const given = { resolved, settings, secrets: secretsFor(resolved) };
  const without = desired({ ...given, apis: new Set<string>() });
  assert.equal(
    without.objects.find(object => object.kind === 'ServiceMonitor'),
    undefined,
  );
  assert.match(without.notes[0]?.message ?? '', /monitoring\.coreos\.com\/v1 ServiceMonitor/);
  assert.equal(desired({ ...given, apis: optionalApis }).notes.length, 0);
});

test('a Secret keeps what it has, and is completed where something is missing', () => {
  const resolved = resolve(
    resourceSchema.parse({
      apiVersion: 'llm.geeper.io/v1alpha1',
      kind: 'OllamaDeployment',
      metadata: { name: 'x' },
      spec: { ollama: { models: ['a:1'], service: { type: 'NodePort' } }, openwebui: { enabled: true } },
    }),
    settings,
  );
  let made = 0;
  const counting: SecretMaker = {
    token: () => `${++made}`,
    apiKey: () => `${++made}`,
    hash: key => `#${key}`,
  };
  for (const need of secretNeeds(resolved)) {
    const first = completeSecret(need, {}, counting);
    const before = made;
    assert.deepEqual(completeSecret(need, first, counting), first);
    assert.equal(made, before, 'nothing is made anew');
    const [lost = '', ...others] = Object.keys(first);
    const repaired = completeSecret(
      need,
      { ...first, [lost]: undefined } as unknown as Record<string, string>,
      counting,
    );
    for (const key of others.filter(key => key !== 'keys.yaml')) assert.equal(repaired[key], first[key]);
    assert.notEqual(repaired[lost], undefined);
  }
});

test('labels never hold what a label may not hold, for the longest name', () => {
  const name = 'a'.repeat(40);
  for (const value of Object.values({ ...labelsOf(name, 'writer'), ...selectorOf(name, 'writer') }))
    assert.match(value, /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/);
});
