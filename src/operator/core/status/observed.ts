// What status is made of: the resource, its live objects, and what their agents say. Reads fields, judges nothing.
import type { AgentStatus } from '../../../api/agent-status.ts';
import type { ConditionReason } from '../../../api/condition-reasons.ts';
import type { KubeObject } from '../../../api/kube-object.ts';
import type { OllamaDeployment } from '../../../api/ollama-deployment/resource.ts';

export const COMPONENTS = ['ollama', 'gateway', 'openwebui', 'tabby'] as const;
export type Component = (typeof COMPONENTS)[number];

/** One thing that is wrong, in the words of a condition. */
export interface Problem {
  readonly reason: ConditionReason;
  readonly message: string;
  readonly component?: Component;
}

export type AgentView =
  { readonly status: AgentStatus } | { readonly unreachable: string } | { readonly isAsked: false };

export interface StorageClassView {
  readonly names: ReadonlySet<string>;
  readonly hasDefault: boolean;
}

export interface Observed {
  readonly resource: OllamaDeployment;
  /** Ours, but for pods. */
  readonly children: readonly KubeObject[];
  readonly pods: readonly KubeObject[];
  /** False = does not answer; absent = not known. */
  readonly nodeReady: ReadonlyMap<string, boolean>;
  /** RFC 3339, by node that does not answer. */
  readonly nodeLostSince?: ReadonlyMap<string, string>;
  readonly agents: ReadonlyMap<string, AgentView>;
  /** By workload: why its controller could not make a pod. */
  readonly createFailures: ReadonlyMap<string, string>;
  /** Undefined where the operator may not look. */
  readonly storageClasses: StorageClassView | undefined;
  /** Of this pass: what was refused, and what the resource says wrongly. */
  readonly problems: readonly Problem[];
  /** Served as asked, but a person should know. */
  readonly warnings: readonly Problem[];
  /** Of this pass: work that goes on by itself. */
  readonly waiting: readonly string[];
}

export interface ContainerStatus {
  readonly name: string;
  readonly image?: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}
interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: { readonly reason?: string; readonly exitCode?: number; readonly message?: string };
}

export interface KubeCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export interface PodStatus {
  readonly phase?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly podIP?: string;
  readonly conditions?: readonly KubeCondition[];
  readonly containerStatuses?: readonly ContainerStatus[];
  readonly initContainerStatuses?: readonly ContainerStatus[];
}

export interface WorkloadStatus {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
  readonly updatedReplicas?: number;
  readonly currentRevision?: string;
  readonly updateRevision?: string;
  readonly conditions?: readonly KubeCondition[];
}

export interface Workload {
  readonly object: KubeObject;
  readonly wanted: number;
  readonly status: WorkloadStatus;
}

export function podStatus(pod: KubeObject): PodStatus {
  return pod['status'] ?? {};
}

export function nodeOf(pod: KubeObject): string | undefined {
  return (pod['spec'] as { readonly nodeName?: string } | undefined)?.nodeName;
}

export function isReady(pod: KubeObject): boolean {
  return (
    podStatus(pod).conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
  );
}

export function workloadName(observed: Observed, component: Component): string {
  return `${observed.resource.metadata.name}-${component}`;
}

export function workload(observed: Observed, component: Component): Workload | undefined {
  const name = workloadName(observed, component);
  const kind = component === 'ollama' ? 'StatefulSet' : 'Deployment';
  const object = observed.children.find(child => child.kind === kind && child.metadata.name === name);
  if (object === undefined) return undefined;
  const spec = object['spec'] as { readonly replicas?: number };
  return { object, wanted: spec.replicas ?? 1, status: object['status'] ?? {} };
}

/** Pods are told apart by the names that their controllers give them. */
export function podsOf(observed: Observed, component: Component): KubeObject[] {
  const prefix = `${workloadName(observed, component)}-`;
  return observed.pods.filter(({ metadata }) => {
    if (!metadata.name.startsWith(prefix)) return false;
    const rest = metadata.name.slice(prefix.length);
    return component === 'ollama' ? /^\d+$/.test(rest) : /^[a-z0-9]+-[a-z0-9]+$/.test(rest);
  });
}

export function isEnabled({ resource }: Observed, component: Component): boolean {
  if (component === 'ollama') return true;
  if (component === 'gateway') return resource.spec.gateway?.enabled ?? true;
  return resource.spec[component]?.enabled ?? false;
}

/** What the resource asks for, where there is no workload to ask. */
export function declaredReplicas({ resource }: Observed, component: Component): number {
  const { spec } = resource;
  if (component === 'ollama') return spec.ollama.replicas;
  if (component === 'gateway') return spec.gateway?.replicas ?? 2;
  return component === 'tabby' ? 1 : (spec.openwebui?.replicas ?? 1);
}
