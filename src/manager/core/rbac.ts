// What the Model Manager may do, as the rules of its Roles. A test runs it with these and nothing else.
// Never a wildcard, no Secret but by name, nothing of the whole cluster but the list of nodes.
import { GROUP, PLURAL } from '../../api/ollama-deployment/resource.ts';

export interface RbacRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const rule = (group: string, resources: readonly string[], verbs: readonly string[]): RbacRule => ({
  apiGroups: [group],
  resources,
  verbs,
});

/** In each namespace that it shows. */
export const MANAGER_RULES: readonly RbacRule[] = [
  rule(GROUP, [PLURAL], ['get', 'list', 'create', 'patch', 'delete']),
  rule('', ['pods'], ['list']),
  // Tokens of the gateways' admin ports.
  rule('', ['secrets'], ['get']),
];

/** In its own namespace: usage, pulls and reports. */
export const MANAGER_OWN_RULES: readonly RbacRule[] = [rule('', ['configmaps'], ['get', 'create', 'update'])];

/** How much GPU memory there is. Without it that is shown as not known. */
export const MANAGER_CLUSTER_RULES: readonly RbacRule[] = [rule('', ['nodes'], ['list'])];
