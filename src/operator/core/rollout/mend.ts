// Pods that only their deletion can help: which, since when, and in what words it is told.
// Never a pod that serves: it is broken, or its node does not answer.
import type { KubeObject } from '../../../api/kube-object.ts';
import type { ResolvedOllama } from '../../../api/ollama-deployment/resolve.ts';
import type { EventWish } from '../events.ts';
import { isReady, nodeOf, type Observed, podsOf, podStatus, workload } from '../status/observed.ts';
import { claimsOf, podProblem } from '../status/problems.ts';

export interface Mend {
  readonly pod: KubeObject;
  /** Without waiting for a kubelet that will not answer. */
  readonly isForced: boolean;
  /** Milliseconds from now; 0 = at once. */
  readonly inMs: number;
  readonly event: EventWish;
}

export interface MendInput {
  readonly nodeLost: ResolvedOllama['nodeLost'];
  readonly wallMs: number;
}

/** A broken pod may only be starting again: it gets so long. */
const brokenMsMin = 30_000;

export function mendsOf(observed: Observed, input: MendInput): Mend[] {
  const moved = strandedPods(observed, input);
  const isMoved = new Set(moved.map(({ pod }) => pod.metadata.name));
  return [...moved, ...stuckPods(observed, input).filter(({ pod }) => !isMoved.has(pod.metadata.name))];
}

/**
 * Broken pods of an old template, from the highest down to the first that serves. A set that waits for a higher pod, perhaps
 * for hours while it pulls, leaves them as they are (kubernetes #67250). Below an old pod that serves, a new one would be made
 * from the old template again: those wait for their turn.
 */
function stuckPods(observed: Observed, { wallMs }: MendInput): Mend[] {
  const set = workload(observed, 'ollama');
  const revision = set?.status.updateRevision;
  if (set === undefined || revision === undefined) return [];
  if (set.status.observedGeneration !== set.object.metadata.generation) return [];
  const pods = podsOf(observed, 'ollama').filter(pod => ordinalOf(pod) < set.wanted);
  const mends: Mend[] = [];
  for (const pod of pods.toSorted((a, b) => ordinalOf(b) - ordinalOf(a))) {
    const { labels, deletionTimestamp } = pod.metadata;
    if (deletionTimestamp !== undefined || labels?.['controller-revision-hash'] === revision) continue;
    const problem = isReady(pod) ? undefined : podProblem(pod);
    if (problem === undefined) break;
    const note = `${problem.message}; it is of an old template and was deleted, to start with the present one`;
    const inMs = Math.max(0, brokenMsMin - (wallMs - brokenSinceMs(pod)));
    mends.push({ pod, isForced: false, inMs, event: { type: 'Normal', reason: 'PodReplaced', note } });
  }
  return mends;
}

/** Only a set keeps the name of a lost pod for it; pods of Deployments are made anew elsewhere by themselves. */
function strandedPods(observed: Observed, { nodeLost, wallMs }: MendInput): Mend[] {
  if (nodeLost.policy === 'Wait') return [];
  return observed.pods.filter(isOfSet).flatMap(pod => {
    const node = nodeOf(pod) ?? '';
    const sinceMs = Date.parse(observed.nodeLostSince?.get(node) ?? '');
    if (observed.nodeReady.get(node) !== false || Number.isNaN(sinceMs)) return [];
    const claims = claimsOf(pod);
    const held = claims.length === 0 ? '' : `, which held claim ${claims.join(', ')},`;
    const note = `pod ${pod.metadata.name}${held} was deleted: node ${node} has not answered for ${nodeLost.afterSeconds} s`;
    const inMs = Math.max(0, sinceMs + nodeLost.afterSeconds * 1000 - wallMs);
    return [{ pod, isForced: true, inMs, event: { type: 'Warning', reason: 'PodMoved', note } }];
  });
}

function isOfSet({ metadata }: KubeObject): boolean {
  return metadata.ownerReferences?.some(({ kind }) => kind === 'StatefulSet') ?? false;
}

function brokenSinceMs(pod: KubeObject): number {
  const ready = podStatus(pod).conditions?.find(({ type }) => type === 'Ready');
  const sinceMs = Date.parse(ready?.lastTransitionTime ?? pod.metadata.creationTimestamp ?? '');
  return Number.isNaN(sinceMs) ? Number.POSITIVE_INFINITY : sinceMs;
}

function ordinalOf({ metadata }: KubeObject): number {
  return Number(/\d+$/.exec(metadata.name)?.[0] ?? 0);
}
