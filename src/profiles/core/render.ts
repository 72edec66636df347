// A profile and a person's wishes -> files of plain manifests, in the order in which `kubectl apply -f` must meet them.
// Never random, never asks a cluster: keys are made in the cluster by a Job.
import type { KubeObject } from '../../api/kube-object.ts';
import { resolve } from '../../api/ollama-deployment/resolve.ts';
import { API_VERSION, KIND, resourceSchema } from '../../api/ollama-deployment/resource.ts';
import { TESTED_OLLAMA_TAG } from '../../api/operator-settings.ts';
import { desired } from '../../operator/core/desired/desired.ts';
import { claimSpec } from '../../operator/core/desired/ollama.ts';
import { tidy } from '../../operator/core/desired/object.ts';
import { secretNeeds } from '../../operator/core/desired/secrets.ts';
import { keyMaker } from './key-maker.ts';
import { merged } from './merged.ts';
import { plain, PREREQUISITES } from './plain.ts';
import { FLEET, reshaped } from './reshape.ts';
import type { Profile, ProfileWish, RenderedFile, Surroundings } from './types.ts';

const OPTIONAL_APIS = ['monitoring.coreos.com/v1/ServiceMonitor', 'monitoring.coreos.com/v1/PrometheusRule'];
export const OPTIONAL = 'optional/';

/** In a file what others need comes first; so do files by their names. */
const KINDS_FIRST = [
  'Namespace',
  'ResourceQuota',
  'LimitRange',
  'ServiceAccount',
  'Secret',
  'ConfigMap',
  'PersistentVolumeClaim',
  'Role',
  'ClusterRole',
  'RoleBinding',
  'ClusterRoleBinding',
];

export function renderProfile(profile: Profile, wish: ProfileWish): RenderedFile[] {
  const resource = {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name: FLEET, namespace: wish.namespace },
    spec: merged(profile.spec(wish), wish.spec),
  };
  const resolved = resolve(resourceSchema.parse(resource), { ollamaTag: TESTED_OLLAMA_TAG });
  const around: Surroundings = { resolved, wish };
  const settings = { image: wish.image, clusterDomain: 'cluster.local' };
  const { objects } = desired({ resolved, settings, secrets: {}, apis: new Set(OPTIONAL_APIS) });
  const { namespace, image } = wish;
  return files(
    profile,
    [
      namespaceObject(profile, namespace),
      claim(profile, around),
      ...reshaped(objects, profile),
      ...keyMaker({ namespace, image, needs: secretNeeds(resolved) }),
      ...profile.extra(around),
    ].map(tidy),
  );
}

function namespaceObject({ namespaceLabels }: Profile, name: string): KubeObject {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted', ...namespaceLabels };
  return plain({ apiVersion: 'v1', kind: 'Namespace', name, app: name, labels }, {});
}

function claim({ claim: { name, accessMode } }: Profile, { resolved }: Surroundings): KubeObject {
  const identity = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace: resolved.namespace };
  return plain({ ...identity, app: FLEET }, { spec: claimSpec(accessMode, resolved.ollama.storage) });
}

function files(profile: Profile, objects: readonly KubeObject[]): RenderedFile[] {
  const byFile = Map.groupBy(objects, object => fileOf(profile, object));
  const namespaceFile = profile.files['Namespace'];
  // Whoever applies the folder needs the namespace first, whatever its file is called.
  const first = namespaceFile === undefined ? [] : (byFile.get(namespaceFile) ?? []);
  byFile.set(PREREQUISITES, [...first, ...(byFile.get(PREREQUISITES) ?? [])]);
  return [...byFile]
    .map(([path, list]) => ({ path, objects: list.toSorted(inOrder), isRepeated: path === namespaceFile }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

const OPTIONAL_FILES: Readonly<Record<string, string>> = {
  ServiceMonitor: 'servicemonitor.yaml',
  PrometheusRule: 'prometheus-rules.yaml',
};

function fileOf({ files: named }: Profile, { kind, metadata }: KubeObject): string {
  const optional = OPTIONAL_FILES[kind];
  return (
    named[`${kind}/${metadata.name}`] ??
    named[kind] ??
    (optional === undefined ? PREREQUISITES : OPTIONAL + optional)
  );
}

function inOrder(a: KubeObject, b: KubeObject): number {
  const place = ({ kind }: KubeObject) =>
    KINDS_FIRST.includes(kind) ? KINDS_FIRST.indexOf(kind) : KINDS_FIRST.length;
  return place(a) - place(b);
}
