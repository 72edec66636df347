// Nodes and pods that only exist as objects: what a kubelet would report is patched in, so that no container runs.
// Never runs anything; nobody but the test changes such a status again, since nobody else speaks for the node.
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient, KubeObject } from './kube-client.ts';

const pollMs = 100;

export interface PretendNode {
  readonly name: string;
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: string;
  /** Extended resources: `{ 'nvidia.com/gpu': '4' }`. */
  readonly extended?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

function condition(type: string, status: 'True' | 'False' | 'Unknown', reason: string): object {
  const now = new Date().toISOString();
  return { type, status, reason, message: '', lastHeartbeatTime: now, lastTransitionTime: now };
}

function nodeStatus(node: PretendNode, ready: 'True' | 'False' | 'Unknown'): object {
  const { cpu = '16', memory = '64Gi', pods = '110', extended = {} } = node;
  const capacity = { cpu, memory, pods, 'ephemeral-storage': '500Gi', ...extended };
  const conditions = [condition('Ready', ready, ready === 'True' ? 'KubeletReady' : 'NodeStatusUnknown')];
  const addresses = [{ type: 'InternalIP', address: '127.0.0.1' }];
  return { capacity, allocatable: capacity, conditions, addresses };
}

/** A node that the scheduler fills with pods that nobody runs. */
export async function addNode(admin: KubeClient, node: PretendNode): Promise<void> {
  const labels = { 'kubernetes.io/hostname': node.name, 'kubernetes.io/os': 'linux', ...node.labels };
  await admin.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: node.name, labels } });
  await setNodeReady(admin, node, 'True');
}

export async function setNodeReady(
  admin: KubeClient,
  node: PretendNode,
  ready: 'True' | 'False' | 'Unknown',
): Promise<void> {
  const ref = { apiVersion: 'v1', kind: 'Node', name: node.name };
  await admin.patch(ref, { status: nodeStatus(node, ready) }, 'merge', 'status');
}

export interface PodReport {
  readonly ready?: boolean;
  readonly podIP?: string;
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
  /** By container name: a waiting or terminated state, as the kubelet would write it. */
  readonly states?: Readonly<Record<string, object>>;
  readonly restartCount?: number;
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly restartPolicy?: string;
}

function containerStatus(container: Container, report: PodReport): object {
  const state = report.states?.[container.name] ?? { running: { startedAt: new Date().toISOString() } };
  const running = 'running' in state;
  return {
    name: container.name,
    image: container.image,
    imageID: container.image,
    ready: running && (report.ready ?? true),
    started: running,
    restartCount: report.restartCount ?? 0,
    state,
  };
}

function podStatus(pod: KubeObject, report: PodReport): object {
  const { ready = true, podIP = '127.0.0.1', phase = 'Running' } = report;
  const spec = pod['spec'] as { containers: Container[]; initContainers?: Container[] };
  const status = ready ? 'True' : 'False';
  const conditions = ['PodReadyToStartContainers', 'Initialized', 'PodScheduled'].map(type => ({
    type,
    status: 'True',
    lastTransitionTime: new Date().toISOString(),
  }));
  const readiness = ['ContainersReady', 'Ready'].map(type => ({
    type,
    status,
    lastTransitionTime: new Date().toISOString(),
  }));
  return {
    phase,
    conditions: [...conditions, ...readiness],
    hostIP: '127.0.0.1',
    podIP,
    podIPs: [{ ip: podIP }],
    startTime: new Date().toISOString(),
    containerStatuses: spec.containers.map(one => containerStatus(one, report)),
    initContainerStatuses: (spec.initContainers ?? []).map(one => containerStatus(one, report)),
  };
}

/** Says of one pod what a kubelet would say; without a report, that it runs and is ready. */
export async function reportPod(
  admin: KubeClient,
  pod: { readonly namespace: string; readonly name: string },
  report: PodReport = {},
): Promise<KubeObject> {
  const ref = { apiVersion: 'v1', kind: 'Pod', ...pod };
  return admin.patch(ref, { status: podStatus(await admin.get(ref), report) }, 'merge', 'status');
}

/** Ends a pod as its kubelet would after the grace period: a deleted pod stays until someone says it is gone. */
export async function finishPod(
  admin: KubeClient,
  pod: { readonly namespace: string; readonly name: string },
): Promise<void> {
  const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
  await admin.send('DELETE', path, { gracePeriodSeconds: 0 });
}

export interface PretendKubeletOptions {
  readonly client: KubeClient;
  readonly namespace?: string;
  /** What to say of a pod that a node was found for; undefined = nothing yet, it is asked again. */
  readonly starting?: (pod: KubeObject) => PodReport | undefined | Promise<PodReport | undefined>;
  /** Resolves when the pod's processes have ended; then the pod is gone. */
  readonly ending?: (pod: KubeObject) => void | Promise<void>;
}

/** Answers for every pod that has a node: without orders, each runs at once and is gone when it is deleted. */
export class PretendKubelet {
  readonly #options: PretendKubeletOptions;
  readonly #stopped = new AbortController();
  readonly #started = new Set<string>();
  readonly #ended = new Set<string>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: PretendKubeletOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { client, namespace } = this.#options;
    const all = { apiVersion: 'v1', kind: 'Pod' };
    while (!this.#stopped.signal.aborted) {
      // The API server may be down because a test wants it so: the next round sees what this one missed.
      const pods = await client.list(namespace === undefined ? all : { ...all, namespace }).catch(() => []);
      for (const pod of pods) {
        if (pod['spec'].nodeName !== undefined) void this.#see(pod).catch(() => this.#forget(pod));
      }
      await sleep(pollMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
    }
  }

  #forget(pod: KubeObject): void {
    this.#started.delete(uidOf(pod));
    this.#ended.delete(uidOf(pod));
  }

  async #see(pod: KubeObject): Promise<void> {
    const { client, starting, ending } = this.#options;
    const ref = { name: pod.metadata.name, namespace: pod.metadata.namespace ?? '' };
    const seen = pod.metadata.deletionTimestamp === undefined ? this.#started : this.#ended;
    if (seen.has(uidOf(pod))) return;
    seen.add(uidOf(pod));
    if (seen === this.#ended) {
      await ending?.(pod);
      return finishPod(client, ref);
    }
    const report = starting === undefined ? {} : await starting(pod);
    if (report === undefined) this.#started.delete(uidOf(pod));
    else await reportPod(client, ref, report);
  }
}

function uidOf(pod: KubeObject): string {
  return pod.metadata.uid ?? '';
}
