// Parts of the profiles' own objects: metadata, labels, an image of ours in a container. Never what a resource becomes.
import type { KubeObject } from '../../api/kube-object.ts';

export const PREREQUISITES = '00-prerequisites.yaml';
export const MANAGED_BY_PROFILE = 'bigo-render';

export interface PlainIdentity {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  /** Value of app.kubernetes.io/name. */
  readonly app: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export function plain(
  { apiVersion, kind, name, namespace, app, labels }: PlainIdentity,
  fields: Readonly<Record<string, unknown>>,
): KubeObject {
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...plainLabels(app), ...labels },
    },
    ...fields,
  };
}

export function plainLabels(app: string): Record<string, string> {
  return {
    'app.kubernetes.io/name': app,
    'app.kubernetes.io/part-of': 'bigo',
    'app.kubernetes.io/managed-by': MANAGED_BY_PROFILE,
  };
}

const RBAC = 'rbac.authorization.k8s.io';

export interface Grant {
  readonly name: string;
  readonly namespace: string;
  readonly app: string;
  readonly account: string;
  readonly rules: readonly object[];
  /** Rights on what belongs to no namespace. */
  readonly isClusterWide?: boolean;
}

export function grants({ name, namespace, app, account, rules, isClusterWide = false }: Grant): KubeObject[] {
  const kind = isClusterWide ? 'ClusterRole' : 'Role';
  const identity = { apiVersion: `${RBAC}/v1`, name, app, ...(isClusterWide ? {} : { namespace }) };
  return [
    plain({ ...identity, kind }, { rules }),
    plain(
      { ...identity, kind: `${kind}Binding` },
      {
        roleRef: { apiGroup: RBAC, kind, name },
        subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
      },
    ),
  ];
}

export function account(name: string, namespace: string, app: string): KubeObject {
  const identity = { apiVersion: 'v1', kind: 'ServiceAccount', name, namespace, app };
  return plain(identity, { automountServiceAccountToken: false });
}
