// What `bigo install` puts into a cluster: the resource's definition, the operator, and what it may do. Never a fleet.
import type { KubeObject } from '../../api/kube-object.ts';
import { admissionBinding, admissionPolicy } from '../../api/ollama-deployment/admission.ts';
import { customResourceDefinition } from '../../api/ollama-deployment/crd.ts';
import { GROUP, PLURAL } from '../../api/ollama-deployment/resource.ts';
import { OPERATOR_NAMESPACE, OPERATOR_PORT } from '../../api/operator-settings.ts';
import {
  containerSecurity,
  emptyDir,
  httpProbe,
  podSecurity,
  spread,
} from '../../operator/core/desired/pod.ts';
import { ANNOTATION_PREFIX, OPERATOR_APP } from '../../operator/core/names.ts';
import { CLUSTER_RULES, LEASE_RULES, OPERATOR_RULES, type RbacRule } from '../../operator/core/rbac.ts';

export const OPERATOR_DEPLOYMENT = 'llm-operator-controller-manager';
export const INSTALLER = 'bigo-install';
export const MANAGED_BY = 'app.kubernetes.io/managed-by';
/** Which release put it there, so that an older one does not go over a newer one. */
export const VERSION_ANNOTATION = `${ANNOTATION_PREFIX}bigo-version`;
/** Namespaces that the operator was told to look after, kept by an upgrade that names none. */
export const NAMESPACES_ANNOTATION = `${ANNOTATION_PREFIX}namespaces`;

const RBAC = 'rbac.authorization.k8s.io';
const MANAGER_ROLE = 'llm-operator-manager';
const LEASE_ROLE = 'llm-operator-leader-election';
const selector = { 'app.kubernetes.io/name': OPERATOR_APP, 'app.kubernetes.io/instance': 'llm-operator' };
const replicas = 2;

export interface InstallWish {
  readonly image: string;
  readonly version: string;
  /** Empty = the whole cluster. */
  readonly namespaces: readonly string[];
}

/** In the order in which they are made. */
export function installation(wish: InstallWish): KubeObject[] {
  return [
    operatorNamespace(),
    customResourceDefinition(),
    admissionPolicy(),
    admissionBinding(),
    serviceAccount(),
    ...personRoles(),
    ...operatorRoles(wish.namespaces),
    disruptionBudget(),
    networkPolicy(),
    deployment(wish),
  ].map(object => marked(object as unknown as KubeObject, wish.version));
}

function marked(object: KubeObject, version: string): KubeObject {
  const { labels, annotations } = object.metadata;
  return {
    ...object,
    metadata: {
      ...object.metadata,
      labels: { ...labels, 'app.kubernetes.io/part-of': 'bigo', [MANAGED_BY]: INSTALLER },
      annotations: { ...annotations, [VERSION_ANNOTATION]: version },
    },
  };
}

function made(apiVersion: string, kind: string, name: string, namespace?: string): KubeObject {
  const metadata = namespace === undefined ? { name } : { name, namespace };
  return { apiVersion, kind, metadata };
}

function operatorNamespace(): KubeObject {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name: OPERATOR_NAMESPACE, labels } };
}

function serviceAccount(): KubeObject {
  return made('v1', 'ServiceAccount', OPERATOR_DEPLOYMENT, OPERATOR_NAMESPACE);
}

/** Whoever may edit or view a namespace may do so with its fleets. */
function personRoles(): KubeObject[] {
  const rule = (verbs: readonly string[], resources: readonly string[]): RbacRule => ({
    apiGroups: [GROUP],
    resources,
    verbs,
  });
  const read = rule(['get', 'list', 'watch'], [PLURAL, `${PLURAL}/status`]);
  const write = rule(['create', 'update', 'patch', 'delete', 'deletecollection'], [PLURAL]);
  const scale = rule(['get', 'update', 'patch'], [`${PLURAL}/scale`]);
  const role = (name: string, levels: readonly string[], rules: readonly RbacRule[]): KubeObject => {
    const object = made(`${RBAC}/v1`, 'ClusterRole', `llm-operator-ollamadeployment-${name}`);
    const labels = Object.fromEntries(levels.map(level => [`${RBAC}/aggregate-to-${level}`, 'true']));
    return { ...object, metadata: { ...object.metadata, labels }, rules };
  };
  return [role('editor', ['admin', 'edit'], [read, write, scale]), role('viewer', ['view'], [read])];
}

function operatorRoles(namespaces: readonly string[]): KubeObject[] {
  const lease = granted(LEASE_ROLE, OPERATOR_NAMESPACE, LEASE_RULES);
  if (namespaces.length === 0) {
    return [...granted(MANAGER_ROLE, undefined, [...OPERATOR_RULES, ...CLUSTER_RULES]), ...lease];
  }
  return [...namespaces.flatMap(namespace => granted(MANAGER_ROLE, namespace, OPERATOR_RULES)), ...lease];
}

function granted(name: string, namespace: string | undefined, rules: readonly RbacRule[]): KubeObject[] {
  const kind = namespace === undefined ? 'ClusterRole' : 'Role';
  return [
    { ...made(`${RBAC}/v1`, kind, name, namespace), rules },
    {
      ...made(`${RBAC}/v1`, `${kind}Binding`, name, namespace),
      roleRef: { apiGroup: RBAC, kind, name },
      subjects: [{ kind: 'ServiceAccount', name: OPERATOR_DEPLOYMENT, namespace: OPERATOR_NAMESPACE }],
    },
  ];
}

function disruptionBudget(): KubeObject {
  return {
    ...made('policy/v1', 'PodDisruptionBudget', OPERATOR_DEPLOYMENT, OPERATOR_NAMESPACE),
    spec: { maxUnavailable: 1, selector: { matchLabels: selector } },
  };
}

/** Nobody calls the operator but Prometheus, and the node that asks after its health, which no policy keeps out. */
function networkPolicy(): KubeObject {
  const prometheus = {
    namespaceSelector: {},
    podSelector: { matchLabels: { 'app.kubernetes.io/name': 'prometheus' } },
  };
  return {
    ...made('networking.k8s.io/v1', 'NetworkPolicy', OPERATOR_DEPLOYMENT, OPERATOR_NAMESPACE),
    spec: {
      podSelector: { matchLabels: selector },
      policyTypes: ['Ingress'],
      ingress: [{ ports: [{ port: OPERATOR_PORT, protocol: 'TCP' }], from: [prometheus] }],
    },
  };
}

function deployment({ image, version, namespaces }: InstallWish): KubeObject {
  const object = made('apps/v1', 'Deployment', OPERATOR_DEPLOYMENT, OPERATOR_NAMESPACE);
  const labels = {
    ...selector,
    'app.kubernetes.io/part-of': 'bigo',
    'control-plane': 'controller-manager',
  };
  return {
    ...object,
    metadata: {
      ...object.metadata,
      labels,
      annotations: { [NAMESPACES_ANNOTATION]: namespaces.join(',') },
    },
    spec: {
      replicas,
      revisionHistoryLimit: 5,
      selector: { matchLabels: selector },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: { labels: { ...labels, 'app.kubernetes.io/version': labelText(version) } },
        spec: {
          enableServiceLinks: false,
          serviceAccountName: OPERATOR_DEPLOYMENT,
          terminationGracePeriodSeconds: 30,
          securityContext: podSecurity(),
          topologySpreadConstraints: spread(selector),
          containers: [container(image, namespaces)],
          volumes: [emptyDir('tmp')],
        },
      },
    },
  };
}

/** A label may not hold every sign that a version may. */
const labelText = (version: string): string => version.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 63);

/**
 * Node keeps room for bursts of garbage and the C library keeps what other threads freed, which the operator, slow and steady, never
 * uses again. `npm run scale` says what comes of it; how far the heap grows before it is collected is said in operator/heap.ts.
 */
export const OPERATOR_MEMORY = {
  NODE_OPTIONS: '--max-semi-space-size=4 --max-old-space-size=384',
  MALLOC_ARENA_MAX: '2',
} as const;

function container(image: string, namespaces: readonly string[]): Record<string, unknown> {
  const scope = namespaces.length === 0 ? [] : ['--namespaces', namespaces.join(',')];
  return {
    name: 'manager',
    image,
    imagePullPolicy: 'IfNotPresent',
    args: ['operator', '--admin', `0.0.0.0:${OPERATOR_PORT}`, ...scope],
    env: [
      // Agents and gateways run the same program.
      { name: 'BIGO_IMAGE', value: image },
      { name: 'HOME', value: '/tmp' },
      ...Object.entries(OPERATOR_MEMORY).map(([name, value]) => ({ name, value })),
    ],
    ports: [{ name: 'health', containerPort: OPERATOR_PORT, protocol: 'TCP' }],
    startupProbe: httpProbe('/healthz', 'health', { periodSeconds: 2, failureThreshold: 60 }),
    readinessProbe: httpProbe('/readyz', 'health', { periodSeconds: 5, failureThreshold: 3 }),
    livenessProbe: httpProbe('/healthz', 'health', { periodSeconds: 20, failureThreshold: 3 }),
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '512Mi' } },
    securityContext: containerSecurity,
    volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
  };
}
