// What `bigo doctor -n` looked at in a cluster, and what a finding is. Never asks the cluster.
import type { KubeObject } from '../../api/kube-object.ts';

/** Undefined = this person may not read it, so nothing is said about it. */
type Read<Value> = Value | undefined;
type Objects = Read<readonly KubeObject[]>;

export interface ClusterFacts {
  readonly namespace: string;
  readonly cliVersion: string;
  /** By the clock of the API server. */
  readonly serverNowMs: number;
  /** How far this machine's clock is ahead of it; undefined = the server told no time. */
  readonly clockAheadMs: number | undefined;
  /** Names of API groups. */
  readonly groups: ReadonlySet<string>;
  readonly externalMetrics: ReadonlySet<string>;
  readonly rights: readonly Right[];
  /** Undefined = not there, or not readable: `unread` tells which. */
  readonly definition: KubeObject | undefined;
  readonly operator: KubeObject | undefined;
  readonly lease: KubeObject | undefined;
  readonly unread: readonly string[];
  readonly nodes: Objects;
  readonly storageClasses: Objects;
  /** Of the namespace. */
  readonly fleets: Objects;
  readonly pods: Objects;
  readonly claims: Objects;
  readonly quotas: Objects;
  readonly limitRanges: Objects;
  readonly ingresses: Objects;
  readonly services: Objects;
  readonly deployments: Objects;
  readonly statefulSets: Objects;
  readonly autoscalers: Objects;
}

export interface Right {
  readonly verb: string;
  readonly resource: string;
  /** What a person cannot do without it. */
  readonly for: string;
  readonly isGranted: boolean;
}

export interface ClusterFinding {
  readonly check: string;
  /** Kind and name, or the part of the cluster. */
  readonly where: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly message: string;
  /** How to mend it. */
  readonly next?: string;
}

export type ClusterCheck = (facts: ClusterFacts) => readonly ClusterFinding[];

export const nameOf = ({ kind, metadata }: KubeObject): string => `${kind} ${metadata.name}`;

/** One line that says so when there is nothing to say. */
export function orFine(
  findings: readonly ClusterFinding[],
  check: string,
  message: string,
): readonly ClusterFinding[] {
  return findings.length > 0 ? findings : [{ check, where: 'cluster', result: 'ok', message }];
}

interface PodTemplate {
  readonly spec?: PodSpec;
}
export interface PodSpec {
  readonly nodeName?: string;
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly { readonly persistentVolumeClaim?: { readonly claimName: string } }[];
}
export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly resources?: {
    readonly requests?: Readonly<Record<string, unknown>>;
    readonly limits?: Readonly<Record<string, unknown>>;
  };
}

export interface Workload {
  readonly object: KubeObject;
  readonly replicas: number;
  readonly pod: PodSpec;
}

export function workloads({ deployments = [], statefulSets = [] }: ClusterFacts): Workload[] {
  return [...deployments, ...statefulSets].map(object => {
    const spec = (object['spec'] ?? {}) as { replicas?: number; template?: PodTemplate };
    return { object, replicas: spec.replicas ?? 1, pod: spec.template?.spec ?? {} };
  });
}

export const containersOf = (pod: PodSpec): readonly Container[] => [
  ...(pod.initContainers ?? []),
  ...(pod.containers ?? []),
];

export const claimsOf = (pod: PodSpec): string[] =>
  (pod.volumes ?? []).flatMap(volume => volume.persistentVolumeClaim?.claimName ?? []);
