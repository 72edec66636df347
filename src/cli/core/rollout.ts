// How far a workload is, and what is wrong with a pod, in words. Never asks the cluster.
import type { KubeObject } from '../../api/kube-object.ts';

/** A Deployment or a StatefulSet, as far as it matters here. */
export interface Workload {
  readonly metadata: { readonly generation?: number };
  readonly spec?: {
    readonly replicas?: number;
    readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
  };
}

interface State {
  readonly isDone: boolean;
  readonly text: string;
}

export function rolloutState({ metadata, spec, status = {} }: Workload): State {
  const wanted = spec?.replicas ?? 1;
  const { observedGeneration = 0, replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  const isSeen = observedGeneration >= (metadata.generation ?? 0);
  const isNew = updatedReplicas === wanted && replicas === wanted;
  return {
    isDone: isSeen && isNew && availableReplicas >= wanted,
    text: `${availableReplicas} of ${wanted} pods run, ${updatedReplicas} of the new kind`,
  };
}

/** Whether it has `count` ready pods and no other; never done before its controller has seen that it should. */
export function scaleState({ metadata, spec, status = {} }: Workload, count: number): State {
  const { observedGeneration = 0, replicas = 0, readyReplicas = 0 } = status;
  const isSeen = observedGeneration >= (metadata.generation ?? Number.POSITIVE_INFINITY);
  const leaving = replicas > count ? `, ${replicas - count} are on their way out` : '';
  return {
    isDone: isSeen && spec?.replicas === count && replicas === count && readyReplicas === count,
    text: `${Math.min(readyReplicas, count)} of ${count} pods are ready${leaving}`,
  };
}

interface PodStatus {
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly message?: string;
  }[];
  readonly containerStatuses?: readonly {
    readonly name: string;
    readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
  }[];
}

/** The one thing that a person should know first. */
export function podTrouble(pod: KubeObject): string | undefined {
  const status = (pod['status'] ?? {}) as PodStatus;
  const waiting = status.containerStatuses?.find(container => container.state?.waiting !== undefined)?.state
    ?.waiting;
  const name = pod.metadata.name;
  if (waiting?.reason !== undefined)
    return `${name}: ${waiting.reason}${waiting.message === undefined ? '' : `: ${waiting.message}`}`;
  const unscheduled = status.conditions?.find(
    ({ type, status: is }) => type === 'PodScheduled' && is === 'False',
  );
  return unscheduled === undefined ? undefined : `${name}: ${unscheduled.message ?? 'no node takes it'}`;
}
