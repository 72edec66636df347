// What passes need to know of the cluster beside the objects of one resource: nodes, storage classes, optional APIs, why pods were refused.
// Never asks for what this operator may not read: with --namespaces, nodes and storage classes stay unknown.
import type { KubeObject } from '../api/kube-object.ts';
import type { OllamaDeployment } from '../api/ollama-deployment/resource.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import { kubeCode } from '../platform/kube/kube-error.ts';
import type { Cache } from './cache.ts';
import type { KubeCondition, StorageClassView } from './core/status/observed.ts';
import { CHILD_KINDS, EVENT, NODE, SECRET, STORAGE_CLASS } from './kinds.ts';
import type { KubeKind } from '../platform/kube/paths.ts';

export interface ClusterView {
  nodeReady(): ReadonlyMap<string, boolean>;
  /** RFC 3339, by node that does not answer. */
  nodeLostSince(): ReadonlyMap<string, string>;
  storageClasses(): StorageClassView | undefined;
  /** As `monitoring.coreos.com/v1/ServiceMonitor`. */
  apis(): ReadonlySet<string>;
  isServed(object: KubeObject): boolean;
  createFailures(
    resource: OllamaDeployment,
    children: readonly KubeObject[],
  ): Promise<ReadonlyMap<string, string>>;
}

export interface ClusterViewOptions {
  readonly client: Pick<KubeClient, 'list' | 'getPath'>;
  readonly cache: Cache;
  readonly isClusterWide: boolean;
  readonly optional: readonly KubeKind[];
}

const eventsMax = 50;
const defaultClass = 'storageclass.kubernetes.io/is-default-class';

export function createClusterView({
  client,
  cache,
  isClusterWide,
  optional,
}: ClusterViewOptions): ClusterView {
  const served = new Set([...CHILD_KINDS, ...optional, SECRET].map(apiOf));
  const apis = new Set(optional.map(apiOf));
  return {
    nodeReady: () => new Map(cache.all(NODE).map(node => [node.metadata.name, isNodeReady(node)])),
    nodeLostSince: () => new Map(cache.all(NODE).flatMap(lostSince)),
    storageClasses: () => (isClusterWide ? classView(cache.all(STORAGE_CLASS)) : undefined),
    apis: () => apis,
    isServed: object => served.has(apiOf(object)),
    createFailures: (resource, children) => createFailures(client, resource, children),
  };
}

/** By discovery: whether this cluster has the kind. */
export async function isServed(client: Pick<KubeClient, 'getPath'>, kind: KubeKind): Promise<boolean> {
  try {
    const list = (await client.getPath(`/apis/${kind.apiVersion}`)) as {
      readonly resources?: readonly { readonly kind?: string }[];
    };
    return list.resources?.some(resource => resource.kind === kind.kind) ?? false;
  } catch (error) {
    if (kubeCode(error) === 404) return false;
    throw error;
  }
}

function apiOf({ apiVersion, kind }: Pick<KubeKind, 'apiVersion' | 'kind'>): string {
  return `${apiVersion}/${kind}`;
}

function readyCondition(node: KubeObject): KubeCondition | undefined {
  const { conditions = [] } = (node['status'] ?? {}) as { readonly conditions?: readonly KubeCondition[] };
  return conditions.find(({ type }) => type === 'Ready');
}

function isNodeReady(node: KubeObject): boolean {
  return readyCondition(node)?.status === 'True';
}

function lostSince(node: KubeObject): [name: string, since: string][] {
  const { status, lastTransitionTime } = readyCondition(node) ?? { status: 'True' };
  return status === 'True' || lastTransitionTime === undefined
    ? []
    : [[node.metadata.name, lastTransitionTime]];
}

function classView(classes: readonly KubeObject[]): StorageClassView {
  return {
    names: new Set(classes.map(({ metadata }) => metadata.name)),
    hasDefault: classes.some(({ metadata }) => metadata.annotations?.[defaultClass] === 'true'),
  };
}

/** A StatefulSet tells only by Events that it may not make a pod; they are read when it has too few. */
async function createFailures(
  client: Pick<KubeClient, 'list'>,
  { metadata }: OllamaDeployment,
  children: readonly KubeObject[],
): Promise<ReadonlyMap<string, string>> {
  const short = children.filter(isShort);
  const found = new Map<string, string>();
  for (const set of short) {
    const fieldSelector = `regarding.uid=${set.metadata.uid ?? ''},reason=FailedCreate`;
    const page = await client.list(
      { kind: EVENT, namespace: metadata.namespace, fieldSelector },
      { limit: eventsMax },
    );
    const note = newestNote(page.items);
    if (note !== undefined) found.set(set.metadata.name, note);
  }
  return found;
}

function isShort(child: KubeObject): boolean {
  if (child.kind !== 'StatefulSet') return false;
  const { replicas: wanted = 1 } = (child['spec'] ?? {}) as { readonly replicas?: number };
  const { replicas = 0 } = (child['status'] ?? {}) as { readonly replicas?: number };
  return replicas < wanted;
}

function newestNote(events: readonly KubeObject[]): string | undefined {
  const newest = events.toSorted((a, b) => (timeOf(a) < timeOf(b) ? 1 : -1))[0];
  return newest === undefined ? undefined : (newest['note'] as string | undefined);
}

function timeOf(event: KubeObject): string {
  const series = event['series'] as { readonly lastObservedTime?: string } | undefined;
  const old = event['deprecatedLastTimestamp'] as string | undefined;
  return (
    series?.lastObservedTime ??
    old ??
    (event['eventTime'] as string | null) ??
    event.metadata.creationTimestamp ??
    ''
  );
}
