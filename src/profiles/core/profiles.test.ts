// Rules that hold in every profile, whatever its values: what is referred to is there, and nothing asks for more than it should.
// The files themselves are compared by the check of generated documents.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { KubeObject } from '../../api/kube-object.ts';
import { ADAPTER_VALUES, adapterValues, applied, defaultWish, KUSTOMIZATION, profileOf } from './profiles.ts';
import { renderProfile } from './render.ts';
import { type ProfileName, PROFILE_NAMES, type RenderedFile } from './types.ts';

const image = 'ghcr.io/bigo/bigo:1.2.3';
const folder = path.join(import.meta.dirname, '..', '..', '..', 'k8s');

function rendered(name: ProfileName, spec: Readonly<Record<string, unknown>> = {}): RenderedFile[] {
  const profile = profileOf(name);
  assert.ok(profile !== undefined);
  return renderProfile(profile, { ...defaultWish(profile, image), spec });
}

interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly securityContext?: { readonly runAsNonRoot?: boolean };
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly {
    readonly configMap?: { readonly name: string };
    readonly secret?: { readonly secretName: string };
    readonly persistentVolumeClaim?: { readonly claimName: string };
  }[];
}
interface Container {
  readonly name: string;
  readonly image: string;
  readonly envFrom?: readonly { readonly configMapRef?: { readonly name: string } }[];
  readonly env?: readonly { readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string } } }[];
  readonly resources?: { readonly requests?: object; readonly limits?: { readonly memory?: string } };
  readonly securityContext?: {
    readonly readOnlyRootFilesystem?: boolean;
    readonly allowPrivilegeEscalation?: boolean;
  };
}
interface Template {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec: PodSpec;
}

function templateOf(object: KubeObject): Template | undefined {
  const spec = object['spec'] as
    { template?: Template; jobTemplate?: { spec: { template: Template } } } | undefined;
  return spec?.jobTemplate?.spec.template ?? spec?.template;
}

const templates = (objects: readonly KubeObject[]): Template[] =>
  objects.map(templateOf).filter(template => template !== undefined);

const containersOf = ({ spec }: Template): Container[] => [
  ...spec.containers,
  ...(spec.initContainers ?? []),
];

/** `Kind/name` of everything that pods name. */
function references(template: Template): string[] {
  const { volumes = [], serviceAccountName } = template.spec;
  const env = containersOf(template).flatMap(container => [
    ...(container.envFrom ?? []).map(({ configMapRef }) => configMapRef && `ConfigMap/${configMapRef.name}`),
    ...(container.env ?? []).map(({ valueFrom }) => {
      const ref = valueFrom?.secretKeyRef;
      return ref && `Secret/${ref.name}`;
    }),
  ]);
  const mounted = volumes.map(({ configMap, secret, persistentVolumeClaim }) => {
    if (configMap !== undefined) return `ConfigMap/${configMap.name}`;
    if (secret !== undefined) return `Secret/${secret.secretName}`;
    return persistentVolumeClaim && `PersistentVolumeClaim/${persistentVolumeClaim.claimName}`;
  });
  return [...env, ...mounted, `ServiceAccount/${serviceAccountName ?? 'default'}`].filter(
    one => one !== undefined,
  );
}

for (const name of PROFILE_NAMES) {
  describe(`profile ${name}`, () => {
    const files = rendered(name);
    const objects = applied(files).flatMap(file => file.objects);
    const ids = objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`);

    it('has every object once', () => assert.deepEqual(ids, [...new Set(ids)]));

    it('has all that its pods refer to', () => {
      const named = templates(objects).flatMap(references);
      const missing = named.filter(one => !ids.includes(one) && one !== 'ServiceAccount/default');
      assert.deepEqual(missing, []);
    });

    it('has pods for each Service, disruption budget and network policy', () => {
      const labels = templates(objects).map(template => template.metadata?.labels ?? {});
      for (const object of objects) {
        const spec = (object['spec'] ?? {}) as Record<string, { matchLabels?: object } | undefined>;
        const selectors = {
          Service: spec['selector'],
          PodDisruptionBudget: spec['selector']?.matchLabels,
          NetworkPolicy: spec['podSelector']?.matchLabels,
        };
        const selector = selectors[object.kind as keyof typeof selectors];
        if (selector === undefined) continue;
        const wanted = Object.entries(selector);
        const isFound = labels.some(own => wanted.every(([key, value]) => own[key] === value));
        assert.ok(isFound, `${object.kind} ${object.metadata.name} selects nothing`);
      }
    });

    it('runs nothing as root, with a writable root or without a bound on memory', () => {
      for (const template of templates(objects)) {
        assert.equal(template.spec.securityContext?.runAsNonRoot, true);
        for (const { name: container, resources, securityContext } of containersOf(template)) {
          assert.equal(securityContext?.readOnlyRootFilesystem, true, container);
          assert.equal(securityContext.allowPrivilegeEscalation, false, container);
          assert.notEqual(resources?.requests, undefined, container);
          assert.notEqual(resources?.limits?.memory, undefined, container);
        }
      }
    });

    it('holds no key, and no name of another namespace', () => {
      const namespace = profileOf(name)?.namespace;
      for (const { kind, metadata, data } of objects) {
        if (kind === 'Secret') assert.equal(data, undefined, metadata.name);
        assert.ok(metadata.namespace === undefined || metadata.namespace === namespace, metadata.name);
      }
    });

    it('has no file that is not rendered any more', () => {
      const listed = readdirSync(path.join(folder, name), { recursive: true, withFileTypes: true })
        .filter(entry => entry.isFile())
        .map(entry => path.relative(path.join(folder, name), path.join(entry.parentPath, entry.name)));
      const own = listed.filter(file => !file.startsWith('scripts') && !file.endsWith('.md'));
      const more = adapterValues(files) === undefined ? [KUSTOMIZATION] : [KUSTOMIZATION, ADAPTER_VALUES];
      assert.deepEqual(own.toSorted(), [...files.map(file => file.path), ...more].toSorted());
    });
  });
}

it('a workload that an autoscaler sizes has no size of its own', () => {
  const sized = (spec: Readonly<Record<string, unknown>>): unknown => {
    const objects = rendered('bigo', spec).flatMap(file => file.objects);
    const set = objects.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'ollama');
    return (set?.['spec'] as { replicas?: number } | undefined)?.replicas;
  };
  assert.equal(sized({}), undefined);
  assert.equal(sized({ autoscaling: { enabled: false } }), 3);
});

it('the folder of models has one writer, or lets nobody prune', () => {
  for (const name of PROFILE_NAMES) {
    const objects = rendered(name).flatMap(file => file.objects);
    const writers = templates(objects).filter(template =>
      containersOf(template).some(container => JSON.stringify(container).includes('"--role","writer"')),
    );
    const jobs = objects.filter(
      ({ kind, metadata }) => kind === 'Job' && metadata.name === 'ollama-model-loader',
    );
    assert.equal(writers.length + jobs.length, 1, name);
  }
});
