// A control plane with raised limits, nodes and agents that are played, and one operator as a process of its own, for long runs.
// Never part of `npm test`: these runs take minutes and both cores.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { KubeObject } from '../../src/api/kube-object.ts';
import { CLUSTER_RULES, LEASE_RULES, OPERATOR_RULES } from '../../src/operator/core/rbac.ts';
import { Reflector } from '../../src/platform/kube/reflector.ts';
import { createKubeClient } from '../../src/platform/kube/client.ts';
import { silentLog } from '../../src/platform/log.ts';
import { OPERATOR_MEMORY } from '../../src/profiles/core/installation.ts';
import { type AuditEntry, writeVerbs } from '../cluster/tools/audit.ts';
import { type ControlPlane, startControlPlane } from '../cluster/tools/cluster.ts';
import { addNode, finishPod, reportPod } from '../cluster/tools/pretend.ts';
import { podAddress } from './own-network.ts';

/** The release, as clusters run it: `npm run scale` and `npm run soak` build it first. */
const main = fileURLToPath(new URL('../../dist/bigo.mjs', import.meta.url));
const crdFile = new URL('../../deploy/crds/ollamadeployments.yaml', import.meta.url);
const system = 'bigo-system';
const account = 'bigo-operator';
const agentPort = 11_435;
const startMsMax = 60_000;
const reportsAtOnce = 16;
const clockTicksPerSecond = 100;

/** Kubernetes' own defaults are for small masters: with them its controllers, not the operator, would be measured. */
export const RAISED = {
  'kube-apiserver': ['--max-requests-inflight=4000', '--max-mutating-requests-inflight=2000'],
  'kube-controller-manager': [
    '--kube-api-qps=2000',
    '--kube-api-burst=4000',
    '--concurrent-statefulset-syncs=20',
    '--concurrent-deployment-syncs=20',
    '--concurrent-replicaset-syncs=20',
    '--concurrent-endpoint-syncs=20',
    '--concurrent-service-endpoint-syncs=20',
  ],
  'kube-scheduler': ['--kube-api-qps=2000', '--kube-api-burst=4000'],
} as const;

export class World {
  readonly cluster: ControlPlane;
  operator!: OperatorProcess;
  readonly #agents: Server;
  readonly #nodes: PlayedNodes;

  private constructor(cluster: ControlPlane, agents: Server) {
    this.cluster = cluster;
    this.#agents = agents;
    this.#nodes = new PlayedNodes(cluster);
  }

  static async start(model: string): Promise<World> {
    const agents = await playedAgents(model);
    const cluster = await startControlPlane({ flags: RAISED }).catch((error: unknown) => {
      agents.close();
      throw error;
    });
    const world = new World(cluster, agents);
    // Servers that nobody ends would go on for ever.
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => void world.stop().finally(() => process.exit(1)));
    try {
      await world.#prepare();
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  async stop(): Promise<void> {
    await (this.operator as OperatorProcess | undefined)?.end('SIGKILL');
    await this.#nodes.stop();
    await this.cluster.stop();
    this.#agents.close();
  }

  async startOperator(): Promise<void> {
    const kubeconfig = await this.cluster.kubeconfig({ namespace: system, serviceAccount: account });
    this.operator = await OperatorProcess.start(['--kubeconfig', kubeconfig, '--lease-namespace', system]);
  }

  /** Writes of the operator, but for those of its lease. */
  async operatorWrites(since: number): Promise<AuditEntry[]> {
    const user = `system:serviceaccount:${system}:${account}`;
    const entries = await this.cluster.audit({ since, user, verbs: writeVerbs });
    return entries.filter(({ objectRef }) => objectRef?.resource !== 'leases');
  }

  async #prepare(): Promise<void> {
    const { admin } = this.cluster;
    await admin.applyYaml(await readFile(crdFile, 'utf8'));
    await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: system } });
    const metadata = { name: account, namespace: system };
    await admin.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata });
    await this.#grant({ name: account }, [...OPERATOR_RULES, ...CLUSTER_RULES]);
    await this.#grant(metadata, LEASE_RULES);
    for (const name of ['node-1', 'node-2', 'node-3'])
      await addNode(admin, { name, cpu: '10000', memory: '64Ti', pods: '5000' });
    this.#nodes.start();
    await this.startOperator();
  }

  async #grant(
    metadata: { readonly name: string; readonly namespace?: string },
    rules: readonly object[],
  ): Promise<void> {
    const kind = metadata.namespace === undefined ? 'ClusterRole' : 'Role';
    const apiGroup = 'rbac.authorization.k8s.io';
    const apiVersion = `${apiGroup}/v1`;
    const { admin } = this.cluster;
    await admin.create({ apiVersion, kind, metadata, rules });
    const subjects = [{ kind: 'ServiceAccount', name: account, namespace: system }];
    const roleRef = { apiGroup, kind, name: metadata.name };
    await admin.create({ apiVersion, kind: `${kind}Binding`, metadata, roleRef, subjects });
  }
}

/** What the agents of all pods answer: everything is there. They share one port on every address. */
async function playedAgents(model: string): Promise<Server> {
  const status = {
    pod: 'played',
    version: 'played',
    at: new Date(0).toISOString(),
    ollama: { up: true, version: '0.24.0' },
    ready: true,
    settled: true,
    draining: false,
    models: [{ name: model, declared: true, state: 'present', digest: 'a'.repeat(64), sizeBytes: 1 }],
    blobs: { count: 1, hashed: 1, wrong: [], repaired: 0 },
    errors: [],
  };
  const server = createServer((_req, res) => res.end(JSON.stringify(status)));
  server.listen(agentPort, '0.0.0.0');
  await once(server, 'listening');
  return server;
}

/** Reports each pod as ready as soon as it has a node, and as gone as soon as it is deleted; by a watch, as kubelets do. */
class PlayedNodes {
  readonly #cluster: ControlPlane;
  readonly #stopped = new AbortController();
  readonly #waiting: KubeObject[] = [];
  readonly #seen = new Set<string>();
  #running: Promise<unknown> = Promise.resolve();
  #pods = 0;

  constructor(cluster: ControlPlane) {
    this.#cluster = cluster;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { url, token, ca } = await this.#cluster.credentials('admin');
    const access = {
      server: url,
      token,
      skipsVerification: ca === undefined,
      namespace: 'default',
      ...(ca === undefined ? {} : { ca }),
    };
    const nowMs = () => performance.now();
    const client = createKubeClient(access, { userAgent: 'played-nodes', nowMs, requestMsMax: 60_000 });
    const kind = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', isNamespaced: true };
    const see = (pod: KubeObject) => void this.#waiting.push(pod);
    const reflector = new Reflector({
      client,
      scope: { kind },
      cache: {
        replace: (_kind, _namespace, pods) => pods.forEach(see),
        set: (_kind, pod) => see(pod),
        delete: () => {},
      },
      trim: pod => pod,
      rng: Math.random,
      log: silentLog(),
    });
    const workers = Array.from({ length: reportsAtOnce }, () => this.#work());
    await Promise.all([reflector.run(this.#stopped.signal), ...workers]);
    await client.close();
  }

  async #work(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const pod = this.#waiting.shift();
      if (pod === undefined) await sleep(20);
      else await this.#see(pod);
    }
  }

  async #see(pod: KubeObject): Promise<void> {
    const { uid = '', deletionTimestamp } = pod.metadata;
    const key = `${uid} ${deletionTimestamp === undefined ? 'starts' : 'ends'}`;
    const { nodeName } = pod['spec'] as { readonly nodeName?: string };
    if (nodeName === undefined || this.#seen.has(key)) return;
    this.#seen.add(key);
    try {
      await this.#report(pod);
    } catch (error) {
      // Gone in the meantime; else the server is away, and will be asked again.
      if ((error as { status?: number }).status === 404) return;
      this.#seen.delete(key);
      await sleep(200);
      this.#waiting.push(pod);
    }
  }

  async #report({ metadata }: KubeObject): Promise<void> {
    const pod = { namespace: metadata.namespace ?? '', name: metadata.name };
    if (metadata.deletionTimestamp !== undefined) return finishPod(this.#cluster.admin, pod);
    await reportPod(this.#cluster.admin, pod, { podIP: podAddress(this.#pods++) });
  }
}

export class OperatorProcess {
  readonly admin: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess, admin: string) {
    this.#child = child;
    this.admin = admin;
    this.#exited = once(child, 'exit');
  }

  static async start(flags: readonly string[]): Promise<OperatorProcess> {
    const args = [main, 'operator', ...flags, '--admin', '127.0.0.1:0', '--log-level', 'error'];
    const env = { ...process.env, ...OPERATOR_MEMORY };
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), startMsMax);
    for await (const line of createInterface({ input: child.stdout })) {
      clearTimeout(timer);
      child.stdout.resume();
      return new OperatorProcess(child, (JSON.parse(line) as { admin: string }).admin);
    }
    throw new Error('the operator ended before it was ready');
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill(signal);
    await this.#exited;
  }

  async cpuSeconds(): Promise<number> {
    const stat = await readFile(`/proc/${this.#child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond;
  }

  /** Resident now, and at most so far. */
  async memoryMib(): Promise<{ readonly now: number; readonly most: number }> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8');
    const mib = (name: string) =>
      Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
    return { now: mib('VmRSS'), most: mib('VmHWM') };
  }

  /** Sum over all labels of a metric. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.admin}/metrics`)).text();
    const lines = text.split('\n').filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }
}
