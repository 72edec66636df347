// What is wrong with pods, claims and workloads, in our reasons and in sentences that name the object.
// Never guesses a cause: each comes from a field that Kubernetes wrote.
import type { ConditionReason } from '../../../api/condition-reasons.ts';
import type { KubeObject } from '../../../api/kube-object.ts';
import {
  type Component,
  COMPONENTS,
  type ContainerStatus,
  isEnabled,
  nodeOf,
  type Observed,
  podsOf,
  podStatus,
  type Problem,
  type StorageClassView,
  workload,
  workloadName,
} from './observed.ts';

export function problemsOf(observed: Observed): Problem[] {
  const components = COMPONENTS.filter(component => isEnabled(observed, component));
  const claims = claimProblems(observed);
  // Its pod has no node because of it, so it is named first: the first problem gives the condition its reason.
  const isCause = ({ reason }: Problem): boolean => reason === 'NoStorageClass';
  return [
    ...observed.problems,
    ...components.flatMap(component => workloadProblems(observed, component)),
    ...claims.filter(isCause),
    ...components.flatMap(component => {
      return podsOf(observed, component).flatMap(pod => {
        const found = isLeftOver(observed, component, pod) ? undefined : podProblem(pod);
        return found === undefined ? [] : [{ ...found, component }];
      });
    }),
    ...claims.filter(problem => !isCause(problem)),
  ];
}

/** A Deployment makes another pod for one that was evicted and lets that one lie, perhaps for weeks. */
function isLeftOver(observed: Observed, component: Component, pod: KubeObject): boolean {
  if (component === 'ollama' || podStatus(pod).phase !== 'Failed') return false;
  const found = workload(observed, component);
  return found !== undefined && (found.status.readyReplicas ?? 0) >= found.wanted;
}

/** Nodes that do not answer, with the pods and claims that are there. */
export function lostPods(observed: Observed): string[] {
  return observed.pods.flatMap(pod => {
    const node = nodeOf(pod);
    if (node === undefined || observed.nodeReady.get(node) !== false) return [];
    const claims = claimsOf(pod);
    const held = claims.length === 0 ? '' : ` (claim ${claims.join(', ')})`;
    const since = observed.nodeLostSince?.get(node);
    const when = since === undefined ? '' : ` since ${since}`;
    return [`pod ${pod.metadata.name}${held} is on node ${node}, which does not answer${when}`];
  });
}

export function podProblem(pod: KubeObject): Problem | undefined {
  if (pod.metadata.deletionTimestamp !== undefined) return undefined;
  const status = podStatus(pod);
  const name = `pod ${pod.metadata.name}`;
  const scheduled = status.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    return {
      reason: 'Unschedulable',
      message: `${name} has no node: ${scheduled.message ?? 'no reason is given'}`,
    };
  }
  if (status.phase === 'Failed') {
    const why = status.message ?? status.reason ?? 'no reason is given';
    return { reason: 'ContainerCrashing', message: `${name} failed: ${why}` };
  }
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  for (const container of containers) {
    const found = containerProblem(container);
    if (found === undefined) continue;
    return { reason: found.reason, message: `${name}, container ${container.name}: ${found.message}` };
  }
  return undefined;
}

const WAITING: Readonly<Record<string, ConditionReason>> = {
  ErrImagePull: 'ImagePullFailed',
  ImagePullBackOff: 'ImagePullFailed',
  InvalidImageName: 'ImagePullFailed',
  ErrImageNeverPull: 'ImagePullFailed',
  ImageInspectError: 'ImagePullFailed',
  RegistryUnavailable: 'ImagePullFailed',
  CreateContainerConfigError: 'ContainerConfigError',
  CreateContainerError: 'ContainerConfigError',
  RunContainerError: 'ContainerCrashing',
  CrashLoopBackOff: 'ContainerCrashing',
};

function containerProblem(container: ContainerStatus): Problem | undefined {
  const { state, lastState, image, ready } = container;
  const ended = state?.terminated ?? lastState?.terminated;
  if (ended?.reason === 'OOMKilled' && ready !== true) {
    return {
      reason: 'OutOfMemory',
      message: 'it used more memory than its limit: raise resources.limits.memory',
    };
  }
  const waiting = state?.waiting;
  const reason = WAITING[waiting?.reason ?? ''];
  if (reason === undefined) return undefined;
  const detail = waiting?.message ?? waiting?.reason ?? '';
  if (reason === 'ImagePullFailed') return { reason, message: `image ${image ?? ''}: ${detail}` };
  const exit = ended?.exitCode === undefined ? '' : ` (exit code ${ended.exitCode})`;
  return { reason, message: `${detail}${exit}` };
}

function workloadProblems(observed: Observed, component: Component): Problem[] {
  const found = workload(observed, component);
  const failure = observed.createFailures.get(workloadName(observed, component));
  const refused = found?.status.conditions?.find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  );
  const message = failure ?? refused?.message;
  if (found === undefined || message === undefined) return [];
  const reason = message.includes('exceeded quota') ? 'QuotaExceeded' : 'PodRefused';
  return [{ reason, message: `${found.object.kind} ${found.object.metadata.name}: ${message}`, component }];
}

/** Claims that a pod of ours wants; one that only waits for its first pod is not in trouble by itself. */
function claimProblems(observed: Observed): Problem[] {
  const claims = observed.children.filter(({ kind }) => kind === 'PersistentVolumeClaim');
  const isWanted = (claim: KubeObject) =>
    observed.pods.some(pod => claimsOf(pod).includes(claim.metadata.name));
  return claims.filter(isWanted).flatMap(claim => {
    const { phase } = (claim['status'] ?? {}) as { readonly phase?: string };
    if (phase === 'Bound' || claim.metadata.deletionTimestamp !== undefined) return [];
    const { storageClassName } = claim['spec'] as { readonly storageClassName?: string };
    return [claimProblem(claim.metadata.name, storageClassName, observed.storageClasses)];
  });
}

function claimProblem(
  name: string,
  className: string | undefined,
  classes: StorageClassView | undefined,
): Problem {
  if (classes !== undefined && className === undefined && !classes.hasDefault) {
    const message = `claim ${name} names no StorageClass and the cluster has no default one: set storageClassName`;
    return { reason: 'NoStorageClass', message };
  }
  if (classes !== undefined && className !== undefined && className !== '' && !classes.names.has(className)) {
    return {
      reason: 'NoStorageClass',
      message: `claim ${name} wants StorageClass ${className}, which is not there`,
    };
  }
  return { reason: 'ClaimPending', message: `claim ${name} is not bound yet` };
}

export function claimsOf(pod: KubeObject): string[] {
  interface Volume {
    readonly persistentVolumeClaim?: { readonly claimName?: string };
  }
  const { volumes = [] } = (pod['spec'] ?? {}) as { readonly volumes?: readonly Volume[] };
  return volumes.flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? []);
}
