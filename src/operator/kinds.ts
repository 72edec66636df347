// The kinds of objects that the operator watches, and which of them hang on an optional part of the cluster.
// Never a Secret: those are read by name, one at a time.
import { API_VERSION, KIND, PLURAL } from '../api/ollama-deployment/resource.ts';
import type { KubeManagedFields, KubeObject } from '../api/kube-object.ts';
import { clusterKind, namespacedKind, type KubeKind } from '../platform/kube/paths.ts';
import { FIELD_MANAGER } from './core/plan.ts';

export const DEPLOYMENT_RESOURCE = namespacedKind(API_VERSION, KIND, PLURAL);
export const POD = namespacedKind('v1', 'Pod', 'pods');
export const CLAIM = namespacedKind('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims');
export const SERVICE = namespacedKind('v1', 'Service', 'services');
export const SECRET = namespacedKind('v1', 'Secret', 'secrets');
export const LEASE = namespacedKind('coordination.k8s.io/v1', 'Lease', 'leases');
export const EVENT = namespacedKind('events.k8s.io/v1', 'Event', 'events');
const STATEFUL_SET = namespacedKind('apps/v1', 'StatefulSet', 'statefulsets');
export const NODE = clusterKind('v1', 'Node', 'nodes');
export const STORAGE_CLASS = clusterKind('storage.k8s.io/v1', 'StorageClass', 'storageclasses');

/** What a resource becomes; each is watched, so that a change by hand is put right. */
export const CHILD_KINDS: readonly KubeKind[] = [
  namespacedKind('v1', 'ServiceAccount', 'serviceaccounts'),
  namespacedKind('v1', 'ConfigMap', 'configmaps'),
  SERVICE,
  CLAIM,
  namespacedKind('rbac.authorization.k8s.io/v1', 'Role', 'roles'),
  namespacedKind('rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings'),
  namespacedKind('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies'),
  namespacedKind('networking.k8s.io/v1', 'Ingress', 'ingresses'),
  namespacedKind('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  namespacedKind('autoscaling/v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers'),
  STATEFUL_SET,
  namespacedKind('apps/v1', 'Deployment', 'deployments'),
];

/** Asked for by discovery; absent ones are a condition, never a loop. */
export const OPTIONAL_KINDS: readonly KubeKind[] = [
  namespacedKind('monitoring.coreos.com/v1', 'ServiceMonitor', 'servicemonitors'),
  namespacedKind('monitoring.coreos.com/v1', 'PrometheusRule', 'prometheusrules'),
  namespacedKind('keda.sh/v1alpha1', 'ScaledObject', 'scaledobjects'),
];

const ALL_KINDS = [...CHILD_KINDS, ...OPTIONAL_KINDS, POD, SECRET];

export function kindOf(object: Pick<KubeObject, 'apiVersion' | 'kind'>): KubeKind {
  const found = ALL_KINDS.find(known => known.kind === object.kind && known.apiVersion === object.apiVersion);
  if (found === undefined) throw new RangeError(`${object.apiVersion} ${object.kind} is not watched`);
  return found;
}

/** Takes out what nobody here reads: it is most of what an object weighs. */
export function trim(kind: KubeKind): (object: KubeObject) => KubeObject {
  if (kind === POD) return trimPod;
  if (kind === NODE) return trimNode;
  return trimManaged;
}

function trimManaged(object: KubeObject): KubeObject {
  const { managedFields, annotations, ...metadata } = object.metadata;
  const own = managedFields?.filter(({ manager }) => manager === FIELD_MANAGER).map(fieldsOnly);
  const { [LAST_APPLIED]: _copy, ...kept } = annotations ?? {};
  return {
    ...object,
    metadata: {
      ...metadata,
      ...(annotations === undefined ? {} : { annotations: kept }),
      ...(own === undefined ? {} : { managedFields: own }),
    },
  };
}

/** Without the time: it differs in objects that are else the same. */
function fieldsOnly({ manager, operation, subresource, fieldsV1 }: KubeManagedFields): KubeManagedFields {
  return {
    ...(manager === undefined ? {} : { manager }),
    ...(operation === undefined ? {} : { operation }),
    ...(subresource === undefined ? {} : { subresource }),
    ...(fieldsV1 === undefined ? {} : { fieldsV1 }),
  };
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

function trimPod(pod: KubeObject): KubeObject {
  const { managedFields: _managed, annotations: _annotations, ...metadata } = pod.metadata;
  const { nodeName, volumes } = (pod['spec'] ?? {}) as {
    readonly nodeName?: string;
    readonly volumes?: readonly object[];
  };
  const claims = volumes?.filter(volume => 'persistentVolumeClaim' in volume) ?? [];
  const spec = { ...(nodeName === undefined ? {} : { nodeName }), volumes: claims };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec, status: pod['status'] };
}

function trimNode(node: KubeObject): KubeObject {
  const { name, uid, resourceVersion } = node.metadata;
  const { conditions } = (node['status'] ?? {}) as {
    readonly conditions?: readonly NodeCondition[];
  };
  const ready = conditions?.find(({ type }) => type === 'Ready');
  const metadata = {
    name,
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata,
    status: { conditions: ready === undefined ? [] : [readyOnly(ready)] },
  };
}

interface NodeCondition {
  readonly type: string;
  readonly status: string;
  readonly lastTransitionTime?: string;
}

/** Without the heartbeat, which changes all the time. */
function readyOnly({ type, status, lastTransitionTime }: NodeCondition): NodeCondition {
  return { type, status, ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }) };
}
