// A whole BigO on a node where pods really run: the resource, the operator as a pod of its own image, and fleets by `OllamaDeployment`.
// Never speaks for a pod or an agent: all that a test sees here, the cluster did.
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT_PORT } from '../../../src/api/agent-settings.ts';
import type { AgentStatus } from '../../../src/api/agent-status.ts';
import { OPERATOR_NAMESPACE } from '../../../src/api/operator-settings.ts';
import { installation } from '../../../src/profiles/core/installation.ts';
import { bigoImage, imageNames, type Image } from '../tools/images.ts';
import type { KubeClient, KubeObject } from '../tools/kube-client.ts';
import { startNode, type RunningNode } from '../tools/node.ts';

/** For anything that a cluster comes to by itself, on a machine that is much slower than it should be. */
export const stateMsMax = 300_000;
const odKind = { apiVersion: 'llm.geeper.io/v1alpha1', kind: 'OllamaDeployment' };

export interface FleetWish {
  readonly name: string;
  readonly ollama: Record<string, unknown>;
  readonly gateway?: Record<string, unknown>;
  readonly openwebui?: Record<string, unknown>;
  readonly tabby?: Record<string, unknown>;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

export class Cluster {
  readonly node: RunningNode;
  readonly admin: KubeClient;

  constructor(node: RunningNode) {
    this.node = node;
    this.admin = node.plane.admin;
  }

  static async start(images: (node: RunningNode) => Promise<readonly Image[]>): Promise<Cluster> {
    const node = await startNode();
    const cluster = new Cluster(node);
    try {
      await node.addImages([...(await images(node)), await bigoImage(node.plane.folder)]);
      await cluster.#install();
      return cluster;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.node.stop();
  }

  async #install(): Promise<void> {
    const wish = { image: imageNames.bigo, version: '0.0.0-test', namespaces: [] };
    for (const object of installation(wish)) await this.admin.apply(object as KubeObject);
    await this.#untilServed();
  }

  /** The API server knows a new kind a moment after it was told of it. */
  async #untilServed(): Promise<void> {
    for (const deadline = Date.now() + stateMsMax; ; await sleep(100)) {
      const { status } = await this.admin.send('GET', `/apis/${odKind.apiVersion}/ollamadeployments`);
      if (status === 200) return;
      if (Date.now() > deadline) throw new Error('The resource is not served.');
    }
  }

  /** As by a node that loses power: nothing of the old process is left to finish. */
  async killOperator(): Promise<void> {
    const pods = await this.admin.list({ apiVersion: 'v1', kind: 'Pod', namespace: OPERATOR_NAMESPACE });
    for (const { metadata } of pods) {
      const path = `/api/v1/namespaces/${OPERATOR_NAMESPACE}/pods/${metadata.name}`;
      await this.admin.send('DELETE', path, { gracePeriodSeconds: 0 });
    }
  }

  /** What the agent beside an Ollama says of itself. */
  async podAgent(fleet: Fleet, ordinal: number): Promise<AgentStatus> {
    const pod = await this.admin.get(fleet.pod(ordinal));
    return (await (await fetch(`http://${pod['status'].podIP}:${AGENT_PORT}/status`)).json()) as AgentStatus;
  }

  async untilAgent(fleet: Fleet, ordinal: number, holds: (status: AgentStatus) => boolean): Promise<void> {
    for (const deadline = Date.now() + stateMsMax; ; await sleep(100)) {
      const status = await this.podAgent(fleet, ordinal);
      if (holds(status)) return;
      if (Date.now() > deadline) throw new Error(`The agent never said so: ${JSON.stringify(status)}`);
    }
  }

  /** In a namespace of its own, where pods must be as the restricted level wants them. */
  async fleet({ name, ...spec }: FleetWish): Promise<Fleet> {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const namespace = await this.node.plane.namespace({ after: () => undefined }, labels);
    await this.admin.create({ ...odKind, metadata: { name, namespace }, spec });
    return new Fleet(this, namespace, name);
  }
}

export function conditionOf(object: KubeObject | undefined, type: string): Condition | undefined {
  const conditions = (object?.['status']?.conditions ?? []) as Condition[];
  return conditions.find(one => one.type === type);
}

export class Fleet {
  readonly namespace: string;
  readonly name: string;
  readonly #cluster: Cluster;

  constructor(cluster: Cluster, namespace: string, name: string) {
    this.#cluster = cluster;
    this.namespace = namespace;
    this.name = name;
  }

  ref(apiVersion: string, kind: string, name: string) {
    return { apiVersion, kind, namespace: this.namespace, name };
  }

  get resource() {
    return this.ref(odKind.apiVersion, odKind.kind, this.name);
  }

  pod(ordinal: number) {
    return this.ref('v1', 'Pod', `${this.name}-ollama-${ordinal}`);
  }

  patch(spec: Record<string, unknown>): Promise<KubeObject> {
    return this.#cluster.admin.patch(this.resource, { spec });
  }

  until(holds: (resource: KubeObject | undefined) => boolean): Promise<KubeObject> {
    return this.#cluster.admin.until(this.resource, holds, stateMsMax);
  }

  /** Resolves when the status says, of the newest spec, that everything is ready. */
  async ready(): Promise<KubeObject> {
    return this.until(resource => {
      const ready = conditionOf(resource, 'Ready');
      const isCurrent = resource?.['status']?.observedGeneration === resource?.metadata.generation;
      return isCurrent && ready?.status === 'True';
    });
  }

  async untilCondition(type: string, reason: string): Promise<Condition> {
    const resource = await this.until(one => conditionOf(one, type)?.reason === reason);
    return conditionOf(resource, type) as Condition;
  }

  pods(app: string): Promise<KubeObject[]> {
    const { namespace } = this;
    const labels = `app.kubernetes.io/name=${app},app.kubernetes.io/instance=${this.name}`;
    return this.#cluster.admin.list({ apiVersion: 'v1', kind: 'Pod', namespace }, labels);
  }

  /** Resolves when exactly these pods are there, each ready and none of them ending. */
  async settled(app: string, count: number, holds: (pod: KubeObject) => boolean = () => true): Promise<void> {
    const deadline = Date.now() + stateMsMax;
    for (;;) {
      const pods = await this.pods(app);
      const isGood = (pod: KubeObject) =>
        pod.metadata.deletionTimestamp === undefined &&
        conditionOf(pod, 'Ready')?.status === 'True' &&
        holds(pod);
      if (pods.length === count && pods.every(isGood)) return;
      if (Date.now() > deadline) {
        const seen = pods.map(pod => [pod.metadata, pod['status'].conditions]);
        throw new Error(`${app} never came to ${count} ready pods: ${JSON.stringify(seen).slice(0, 3_000)}`);
      }
      await sleep(200);
    }
  }

  /** Deletes as a person does, or asks for the eviction as `kubectl drain` does; resolves when another pod is ready. */
  async replace(ordinal: number, how: 'delete' | 'evict', count: number): Promise<void> {
    const { admin } = this.#cluster;
    const ref = this.pod(ordinal);
    const { uid } = (await admin.get(ref)).metadata;
    if (how === 'delete') await admin.delete(ref);
    else {
      const { namespace, name } = ref;
      const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace, name } };
      const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
      // The budget is counted a moment after the last pod became ready; until then it says 429.
      for (const deadline = Date.now() + stateMsMax; ; await sleep(500)) {
        const { status, text } = await admin.send('POST', path, body);
        if (status === 201) break;
        if (status !== 429 || Date.now() > deadline) throw new Error(`The eviction was refused: ${text}`);
      }
    }
    await admin.until(ref, pod => pod !== undefined && pod.metadata.uid !== uid, stateMsMax);
    await this.settled('ollama', count);
  }

  /** The address of the Service that people call, once it leads to somebody who answers `target`. */
  async url(service = 'ollama', target = '/api/version'): Promise<string> {
    const found = await this.#cluster.admin.get(this.ref('v1', 'Service', `${this.name}-${service}`));
    const { clusterIP, ports } = found['spec'] as { clusterIP: string; ports: { port: number }[] };
    const url = `http://${clusterIP}:${ports[0]?.port}`;
    for (const deadline = Date.now() + stateMsMax; ;) {
      const isServed = await fetch(url + target).then(
        answer => answer.ok,
        () => false,
      );
      if (isServed) return url;
      if (Date.now() > deadline) throw new Error(`${url} was never served.`);
      await sleep(100);
    }
  }

  /** Resolves when an Event about the resource says so. */
  async untilEvent(reason: string, note: RegExp): Promise<void> {
    const all = { apiVersion: 'events.k8s.io/v1', kind: 'Event', namespace: this.namespace };
    for (const deadline = Date.now() + stateMsMax; ; await sleep(200)) {
      const events = await this.#cluster.admin.list(all);
      if (events.some(event => event['reason'] === reason && note.test(String(event['note'])))) return;
      const seen = events.map(event => `${event['reason']}: ${event['note']}`).join('\n');
      if (Date.now() > deadline) throw new Error(`No Event ${reason} ${String(note)}, only:\n${seen}`);
    }
  }
}
