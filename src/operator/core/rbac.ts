// What the operator may do, as the rules of its ClusterRole or Roles. A test compares the list with what it does.
// Never a wildcard, and no Secret but by name.
import { GROUP, PLURAL } from '../../api/ollama-deployment/resource.ts';

export interface RbacRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const owned = ['get', 'list', 'watch', 'create', 'patch', 'delete'];

const rule = (group: string, resources: readonly string[], verbs: readonly string[]): RbacRule => ({
  apiGroups: [group],
  resources,
  verbs,
});

/** In each namespace that it looks after. */
export const OPERATOR_RULES: readonly RbacRule[] = [
  rule(GROUP, [PLURAL], ['list', 'watch']),
  rule(GROUP, [`${PLURAL}/status`], ['patch']),
  // Where autoscaling.engine is operator.
  rule(GROUP, [`${PLURAL}/scale`], ['patch']),
  // Where the cluster asks for it, owner references that block a deletion need this.
  rule(GROUP, [`${PLURAL}/finalizers`], ['update']),
  rule('', ['configmaps', 'persistentvolumeclaims', 'serviceaccounts', 'services'], owned),
  rule('', ['secrets'], ['get', 'create', 'patch', 'delete']),
  // `get` because gateways may do it, and nobody may grant more than he has.
  rule('', ['pods'], ['get', 'list', 'watch', 'delete']),
  rule('apps', ['deployments', 'statefulsets'], owned),
  rule('autoscaling', ['horizontalpodautoscalers'], owned),
  rule('events.k8s.io', ['events'], ['list', 'create', 'patch']),
  rule('keda.sh', ['scaledobjects'], owned),
  rule('monitoring.coreos.com', ['prometheusrules', 'servicemonitors'], owned),
  rule('networking.k8s.io', ['ingresses', 'networkpolicies'], owned),
  rule('policy', ['poddisruptionbudgets'], owned),
  rule('rbac.authorization.k8s.io', ['rolebindings', 'roles'], owned),
];

/** Only without --namespaces. */
export const CLUSTER_RULES: readonly RbacRule[] = [
  rule('', ['nodes'], ['list', 'watch']),
  rule('storage.k8s.io', ['storageclasses'], ['list', 'watch']),
];

/** In the namespace of the lease. */
export const LEASE_RULES: readonly RbacRule[] = [
  rule('coordination.k8s.io', ['leases'], ['get', 'create', 'update']),
];
