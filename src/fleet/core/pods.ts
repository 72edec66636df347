// Pods as backends: what a pod says of itself, which of them may be sent to, and how many slots this gateway may use of each.
// Never looks at Ready: a pod that fetches one model serves the others, and its own list of models says which.
import type { BackendSpec } from '../../api/fleet.ts';
import type { KubeObject } from '../../api/kube-object.ts';
import { makeBackendSpec } from '../../api/backend-spec.ts';
import type { KubernetesDiscovery } from '../../api/settings.ts';

/** RFC 3339: nothing new is sent to the pod until then. On the pod, so that a gateway that starts again sees it. */
export const DRAIN_UNTIL = 'llm.geeper.io/drain-until';

export interface PodView {
  readonly name: string;
  readonly uid: string;
  readonly address: string;
  readonly isEnding: boolean;
  readonly isReady: boolean;
  /** Time of day; undefined = no drain is planned. */
  readonly drainUntilMs: number | undefined;
}

interface PodStatus {
  readonly phase?: string;
  readonly podIP?: string;
  readonly conditions?: readonly { readonly type?: string; readonly status?: string }[];
}

/** Undefined: it has no address yet, or has run to its end. */
export function podView({ metadata, status }: KubeObject): PodView | undefined {
  const { phase, podIP = '', conditions = [] } = (status ?? {}) as PodStatus;
  if (podIP === '' || phase === 'Succeeded' || phase === 'Failed') return undefined;
  const drainUntilMs = Date.parse(metadata.annotations?.[DRAIN_UNTIL] ?? '');
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    address: podIP,
    isEnding: metadata.deletionTimestamp !== undefined,
    isReady: conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    drainUntilMs: Number.isNaN(drainUntilMs) ? undefined : drainUntilMs,
  };
}

export function urlOf(address: string, port: number): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

export interface FoundPods {
  readonly pods: readonly PodView[];
  /** Undefined = each of the others may write into its models folder. */
  readonly writers?: readonly PodView[] | undefined;
}

/** Named like their pods, in the order of their names; writers last. */
export function backendsOf(
  { pods, writers }: FoundPods,
  wish: Pick<KubernetesDiscovery, 'port' | 'slots' | 'store'>,
  gateways: number,
): BackendSpec[] {
  const { port, slots, store } = wish;
  const shared = store === undefined ? {} : { store };
  const share = slots === undefined ? {} : { slots: shareOf(slots, gateways) };
  const specOf = ({ name, address }: PodView) =>
    makeBackendSpec(urlOf(address, port), { name, ...shared, ...share });
  const access = writers === undefined ? {} : { access: 'read' as const };
  return [
    ...byName(pods).map(pod => ({ ...specOf(pod), ...access })),
    ...byName(writers ?? []).map(pod => ({ ...specOf(pod), access: 'write' as const })),
  ];
}

function byName(pods: readonly PodView[]): PodView[] {
  return [...pods].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Gateways know nothing of each other's requests: together they use all slots, and at most one too many each. */
export function shareOf(slots: number, gateways: number): number {
  return Math.ceil(slots / Math.max(1, gateways));
}

export function readyGateways(pods: readonly PodView[]): number {
  return Math.max(1, pods.filter(pod => pod.isReady && !pod.isEnding).length);
}

export interface Draining {
  readonly names: ReadonlySet<string>;
  /** Time of day at which a planned drain ends; undefined = none is planned. */
  readonly changesAtMs: number | undefined;
}

export function drainingOf(pods: readonly PodView[], wallMs: number): Draining {
  const planned = pods.filter(pod => (pod.drainUntilMs ?? 0) > wallMs);
  const names = new Set([...pods.filter(pod => pod.isEnding), ...planned].map(pod => pod.name));
  const ends = planned.map(pod => pod.drainUntilMs ?? 0);
  return { names, changesAtMs: ends.length === 0 ? undefined : Math.min(...ends) };
}

/** Pods of these names are others now: a StatefulSet gives a new pod the name of the old one, and sometimes its address. */
export function replacedNames(before: readonly PodView[], after: readonly PodView[]): Set<string> {
  const uids = new Map(before.map(pod => [pod.name, pod.uid]));
  const replaced = after.filter(pod => uids.has(pod.name) && uids.get(pod.name) !== pod.uid);
  return new Set(replaced.map(pod => pod.name));
}
