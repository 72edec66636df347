// How far a Deployment is, and what is wrong with a pod, in words. Never asks the cluster.
import type { KubeObject } from '../../api/kube-object.ts';

export interface RolloutStatus {
  readonly metadata: { readonly generation?: number };
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
  };
}

export function rolloutState({ metadata, spec, status = {} }: RolloutStatus): {
  isDone: boolean;
  text: string;
} {
  const wanted = spec?.replicas ?? 1;
  const { observedGeneration = 0, replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  const isSeen = observedGeneration >= (metadata.generation ?? 0);
  const isNew = updatedReplicas === wanted && replicas === wanted;
  return {
    isDone: isSeen && isNew && availableReplicas >= wanted,
    text: `${availableReplicas} of ${wanted} pods run, ${updatedReplicas} of the new kind`,
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
