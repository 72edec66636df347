// `bigo doctor -n NAMESPACE`: looks at what is installed in a cluster and says how to mend it. Never changes anything.
import type { KubeObject } from '../../api/kube-object.ts';
import { API_VERSION, GROUP, KIND, PLURAL } from '../../api/ollama-deployment/resource.ts';
import { OPERATOR_NAMESPACE } from '../../api/operator-settings.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import { kubeCode } from '../../platform/kube/kube-error.ts';
import type { KubeAccess } from '../../platform/kube/kubeconfig.ts';
import { clusterKind, namespacedKind, type KubeKind, type KubeRef } from '../../platform/kube/paths.ts';
import { OPERATOR_DEPLOYMENT } from '../../profiles/core/installation.ts';
import type { App } from '../app.ts';
import { clusterDoctorExit, clusterFindings } from '../core/doctor-cluster.ts';
import type { ClusterFacts, ClusterFinding, Right } from '../core/doctor-facts.ts';
import { versionInfo } from '../version.ts';
import { type ClusterFlags, listAll, namespaceOf, withCluster } from './access.ts';
import { serverTime } from './doctor-time.ts';
import { ACCESS_REVIEW, CLAIM, DEFINITION, DEPLOYMENT, FLEET, POD, STATEFUL_SET } from './kinds.ts';

export interface ClusterDoctorFlags extends ClusterFlags {
  readonly namespace?: string;
  readonly json?: boolean;
}

const LISTED = {
  fleets: FLEET,
  pods: POD,
  claims: CLAIM,
  quotas: namespacedKind('v1', 'ResourceQuota', 'resourcequotas'),
  limitRanges: namespacedKind('v1', 'LimitRange', 'limitranges'),
  ingresses: namespacedKind('networking.k8s.io/v1', 'Ingress', 'ingresses'),
  services: namespacedKind('v1', 'Service', 'services'),
  deployments: DEPLOYMENT,
  statefulSets: STATEFUL_SET,
  autoscalers: namespacedKind('autoscaling/v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers'),
  nodes: clusterKind('v1', 'Node', 'nodes'),
  storageClasses: clusterKind('storage.k8s.io/v1', 'StorageClass', 'storageclasses'),
} as const;
type ListName = keyof typeof LISTED;
const LEASE = namespacedKind('coordination.k8s.io/v1', 'Lease', 'leases');

export async function clusterDoctor(app: App, flags: ClusterDoctorFlags): Promise<number> {
  return withCluster(app, flags, async ({ client, access }) => {
    const facts = await gather(app, client, { access, namespace: namespaceOf(flags, access) });
    const findings = clusterFindings(facts);
    print(app, findings, { facts, flags });
    return clusterDoctorExit(findings, facts);
  });
}

async function gather(
  app: App,
  client: KubeClient,
  { access, namespace }: { access: KubeAccess; namespace: string },
): Promise<ClusterFacts> {
  const time = await serverTime(access);
  // Also the first question whether anybody is there at all.
  const groups = await groupNames(client);
  const look = new Look(client);
  const names = Object.keys(LISTED) as ListName[];
  const lists = await Promise.all(names.map(name => look.list(LISTED[name], namespace)));
  const [definition, operator, lease, rights, externalMetrics] = await Promise.all([
    look.one({ kind: DEFINITION, name: `${PLURAL}.${GROUP}` }, DEFINITION.plural),
    look.one(
      { kind: DEPLOYMENT, namespace: OPERATOR_NAMESPACE, name: OPERATOR_DEPLOYMENT },
      'deployments of the operator',
    ),
    look.one({ kind: LEASE, namespace: OPERATOR_NAMESPACE, name: 'bigo-operator' }, 'leases of the operator'),
    Promise.all(NEEDED.map(need => ask(client, need, namespace))),
    metricNames(client, groups),
  ]);
  return {
    namespace,
    cliVersion: versionInfo(app.env).version,
    serverNowMs: time?.serverMs ?? Date.now(),
    clockAheadMs: time?.aheadMs,
    groups,
    externalMetrics,
    rights,
    definition,
    operator,
    lease,
    unread: look.unread,
    ...(Object.fromEntries(names.map((name, index) => [name, lists[index]])) as Record<
      ListName,
      KubeObject[] | undefined
    >),
  };
}

/** Reads what it may, and remembers what it may not. */
class Look {
  readonly unread: string[] = [];
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  async list(of: KubeKind, namespace: string): Promise<readonly KubeObject[] | undefined> {
    const scope = of.isNamespaced ? { kind: of, namespace } : { kind: of };
    return this.#unlessRefused(() => listAll(this.#client, scope), { absent: [], what: of.plural });
  }

  one(ref: KubeRef, what: string): Promise<KubeObject | undefined> {
    return this.#unlessRefused(() => this.#client.get(ref), { absent: undefined, what });
  }

  async #unlessRefused<Value>(
    question: () => Promise<Value>,
    { absent, what }: { absent: Value; what: string },
  ): Promise<Value | undefined> {
    try {
      return await question();
    } catch (error) {
      if (kubeCode(error) === 404) return absent;
      if (kubeCode(error) !== 403) throw error;
      this.unread.push(what);
      return undefined;
    }
  }
}

async function groupNames(client: KubeClient): Promise<ReadonlySet<string>> {
  const { groups = [] } = (await client.getPath('/apis')) as { groups?: readonly { name: string }[] };
  return new Set(groups.map(({ name }) => name));
}

const EXTERNAL = 'external.metrics.k8s.io';

/** An adapter that is registered but does not answer has none. */
async function metricNames(client: KubeClient, groups: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  if (!groups.has(EXTERNAL)) return new Set();
  try {
    const { resources = [] } = (await client.getPath(`/apis/${EXTERNAL}/v1beta1`)) as {
      resources?: readonly { name: string }[];
    };
    return new Set(resources.map(({ name }) => name));
  } catch (error) {
    if (kubeCode(error) === undefined) throw error;
    return new Set();
  }
}

interface Need {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly for: string;
}

const [GROUP_NAME = ''] = API_VERSION.split('/');
const fleet = (verb: string, why: string): Need => ({
  verb,
  group: GROUP_NAME,
  resource: PLURAL,
  for: why,
});

/** Of a person who runs fleets in this namespace. */
const NEEDED: readonly Need[] = [
  fleet('list', `kubectl get od, bigo status -n`),
  fleet('create', `kubectl apply of an ${KIND}`),
  fleet('patch', 'kubectl apply and edit'),
  fleet('delete', 'kubectl delete od'),
  { ...fleet('patch', 'bigo scale'), subresource: 'scale' },
  { verb: 'patch', group: '', resource: 'pods', for: 'bigo drain -n' },
  { verb: 'get', group: '', resource: 'pods', subresource: 'log', for: 'bigo logs' },
  { verb: 'list', group: '', resource: 'events', for: 'bigo events' },
  { verb: 'get', group: '', resource: 'secrets', for: 'reading the keys of a gateway' },
];

async function ask(client: KubeClient, need: Need, namespace: string): Promise<Right> {
  const { for: why, ...attributes } = need;
  const spec = { resourceAttributes: { ...attributes, namespace } };
  const review = { apiVersion: ACCESS_REVIEW.apiVersion, kind: ACCESS_REVIEW.kind, metadata: {}, spec };
  const answer = await client.create(ACCESS_REVIEW, review as unknown as KubeObject);
  const { allowed } = (answer['status'] ?? {}) as { allowed?: boolean };
  const resource = need.subresource === undefined ? need.resource : `${need.resource}/${need.subresource}`;
  return { verb: need.verb, resource, for: why, isGranted: allowed === true };
}

interface Printing {
  readonly facts: ClusterFacts;
  readonly flags: ClusterDoctorFlags;
}

function print(app: App, findings: readonly ClusterFinding[], { facts, flags }: Printing): void {
  if (flags.json === true)
    return app.terminal.print(JSON.stringify({ namespace: facts.namespace, findings }));
  const { paint } = app.terminal;
  const styles = { ok: 'green', warn: 'yellow', fail: 'red' } as const;
  for (const { check, where, result, message, next } of findings) {
    app.terminal.print(
      `${paint(styles[result], result.padEnd(4))}  ${check.padEnd(10)}  ${where}: ${message}`,
    );
    if (next !== undefined) app.terminal.print(`${' '.repeat(18)}${next}`);
  }
}
