// Kinds of objects that the commands for clusters read and write, with their plurals. Never asks the server for them.
import type { KubeObject } from '../../api/kube-object.ts';
import { API_VERSION, KIND, PLURAL } from '../../api/ollama-deployment/resource.ts';
import type { KubeKind } from '../../platform/kube/paths.ts';

const RBAC = 'rbac.authorization.k8s.io/v1';
const ADMISSION = 'admissionregistration.k8s.io/v1';

const kind = (apiVersion: string, name: string, plural: string): KubeKind => ({
  apiVersion,
  kind: name,
  plural,
  isNamespaced: true,
});
const wide = (apiVersion: string, name: string, plural: string): KubeKind => ({
  ...kind(apiVersion, name, plural),
  isNamespaced: false,
});

export const FLEET = kind(API_VERSION, KIND, PLURAL);
export const POD = kind('v1', 'Pod', 'pods');
export const EVENT = kind('v1', 'Event', 'events');
export const SECRET = kind('v1', 'Secret', 'secrets');
export const CLAIM = kind('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims');
const NAMESPACE = wide('v1', 'Namespace', 'namespaces');
export const DEFINITION = wide(
  'apiextensions.k8s.io/v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
);
export const DEPLOYMENT = kind('apps/v1', 'Deployment', 'deployments');
export const STATEFUL_SET = kind('apps/v1', 'StatefulSet', 'statefulsets');
export const ROLES: readonly KubeKind[] = [
  wide(RBAC, 'ClusterRoleBinding', 'clusterrolebindings'),
  wide(RBAC, 'ClusterRole', 'clusterroles'),
  kind(RBAC, 'RoleBinding', 'rolebindings'),
  kind(RBAC, 'Role', 'roles'),
];
/** Question to the server, not an object that stays. */
export const ACCESS_REVIEW = wide(
  'authorization.k8s.io/v1',
  'SelfSubjectAccessReview',
  'selfsubjectaccessreviews',
);

/** What an installation consists of, in the order in which it is taken away. */
export const INSTALLED_KINDS: readonly KubeKind[] = [
  DEPLOYMENT,
  kind('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  ...ROLES,
  kind('v1', 'ServiceAccount', 'serviceaccounts'),
  wide(ADMISSION, 'ValidatingAdmissionPolicyBinding', 'validatingadmissionpolicybindings'),
  wide(ADMISSION, 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies'),
  DEFINITION,
  NAMESPACE,
];

export function installedKindOf(object: Pick<KubeObject, 'apiVersion' | 'kind'>): KubeKind {
  const found = INSTALLED_KINDS.find(
    known => known.kind === object.kind && known.apiVersion === object.apiVersion,
  );
  if (found === undefined) throw new RangeError(`${object.apiVersion} ${object.kind} is not installed by us`);
  return found;
}

export const nameOf = ({ kind: name, metadata }: KubeObject): string =>
  `${name} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`;
