// Kinds of objects that the commands for clusters read and write, with their plurals. Never asks the server for them.
import type { KubeObject } from '../../api/kube-object.ts';
import { API_VERSION, KIND, PLURAL } from '../../api/ollama-deployment/resource.ts';
import { clusterKind, namespacedKind, type KubeKind } from '../../platform/kube/paths.ts';

const RBAC = 'rbac.authorization.k8s.io/v1';
const ADMISSION = 'admissionregistration.k8s.io/v1';

export const FLEET = namespacedKind(API_VERSION, KIND, PLURAL);
export const POD = namespacedKind('v1', 'Pod', 'pods');
export const EVENT = namespacedKind('v1', 'Event', 'events');
export const SECRET = namespacedKind('v1', 'Secret', 'secrets');
export const CLAIM = namespacedKind('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims');
export const NAMESPACE = clusterKind('v1', 'Namespace', 'namespaces');
export const DEFINITION = clusterKind(
  'apiextensions.k8s.io/v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
);
export const DEPLOYMENT = namespacedKind('apps/v1', 'Deployment', 'deployments');
export const STATEFUL_SET = namespacedKind('apps/v1', 'StatefulSet', 'statefulsets');
export const ROLES: readonly KubeKind[] = [
  clusterKind(RBAC, 'ClusterRoleBinding', 'clusterrolebindings'),
  clusterKind(RBAC, 'ClusterRole', 'clusterroles'),
  namespacedKind(RBAC, 'RoleBinding', 'rolebindings'),
  namespacedKind(RBAC, 'Role', 'roles'),
];
/** Question to the server, not an object that stays. */
export const ACCESS_REVIEW = clusterKind(
  'authorization.k8s.io/v1',
  'SelfSubjectAccessReview',
  'selfsubjectaccessreviews',
);

/** What an installation consists of, in the order in which it is taken away. */
export const INSTALLED_KINDS: readonly KubeKind[] = [
  DEPLOYMENT,
  namespacedKind('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  namespacedKind('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies'),
  ...ROLES,
  namespacedKind('v1', 'ServiceAccount', 'serviceaccounts'),
  clusterKind(ADMISSION, 'ValidatingAdmissionPolicyBinding', 'validatingadmissionpolicybindings'),
  clusterKind(ADMISSION, 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies'),
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
