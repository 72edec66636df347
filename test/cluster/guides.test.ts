// The guides for clusters, followed command by command as they are printed, on a real API server with a real operator.
// Pods are objects: those of the operator stand for one that runs in this process, agents are spoken for. What needs pods that run
// is in pods/guides.test.ts. Never a command of its own: they are read from the pages.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { AgentStatus } from '../../src/api/agent-status.ts';
import type { KubeObject as OperatorObject } from '../../src/api/kube-object.ts';
import { OPERATOR_NAMESPACE } from '../../src/api/operator-settings.ts';
import { desired } from '../../src/operator/core/desired/desired.ts';
import { startOperator, type RunningOperator } from '../../src/operator/operator.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { guideCommands } from '../cli/guides/commands.ts';
import { Follower } from '../cli/guides/follow.ts';
import { printedBlock, type Guide } from '../cli/guides/printed.ts';
import { endAll } from '../tools/end-all.ts';
import { find, skipUnless } from '../tools/parts.ts';
import { anyContent } from './tools/any-content.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import type { KubeObject } from './tools/kube-client.ts';
import { addNode, PretendKubelet, type PodReport } from './tools/pretend.ts';
import { Provisioner } from './tools/provisioner.ts';

/** A whole suite of programs that are started one after another. */
const allMsMax = 900_000;
/** In this order: a later one goes on with what an earlier one made. */
const order = [
  'docs/guides/k3s.md',
  'docs/guides/upgrade-and-rollback.md',
  'docs/guides/backup-and-restore.md',
  'docs/guides/storage.md',
  'docs/guides/gpu-cluster.md',
  'docs/guides/gpu-time-slicing.md',
  'docs/guides/air-gapped.md',
  'docs/guides/security.md',
] as const satisfies readonly Guide[];

const skip = (await skipWithoutCluster()) || (await skipUnless('kubectl'));

describe('the guides on a real API server', { skip, timeout: allMsMax }, () => {
  let cluster: ControlPlane;
  let folder = '';
  let provisioner: Provisioner;
  let kubelet: PretendKubelet;
  let operators: Operators;
  let person: Follower;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bigo-guides-'));
    cluster = await startControlPlane({ audit: false });
    const { admin } = cluster;
    await addNode(admin, { name: 'node-1', extended: { 'nvidia.com/gpu': '8' } });
    await addNode(admin, { name: 'node-2' });
    provisioner = new Provisioner({ client: admin, folder });
    await provisioner.start();
    operators = await Operators.open(cluster);
    kubelet = new PretendKubelet({
      client: admin,
      starting: pod => operators.starting(pod),
      ending: pod => operators.ending(pod),
    });
    kubelet.start();
    await givenFiles(folder);
    await admin.create(anyContent('llm.geeper.io', 'v1alpha1', 'LMDeployment'));
    person = await Follower.at({
      folder,
      programs: [path.dirname((await find('kubectl')) ?? '')],
      env: { KUBECONFIG: cluster.adminKubeconfig },
      standIns: { '/etc/rancher/k3s/k3s.yaml': cluster.adminKubeconfig },
    });
  });
  after(() =>
    endAll(
      () => person?.stop(),
      () => kubelet?.stop(),
      () => operators?.close(),
      () => provisioner?.stop(),
      () => cluster?.stop(),
      () => rm(folder, { recursive: true, force: true }),
    ),
  );

  for (const guide of order) {
    describe(guide, () => {
      for (const step of guideCommands[guide].filter(({ on }) => on === 'cluster')) {
        it(step.command.split('\n')[0] ?? '', async () => {
          await person.follow(step);
        });
      }
    });
  }

  it('every guide with such commands is among them', () => {
    const withSome = Object.entries(guideCommands).filter(([, steps]) =>
      steps.some(({ on }) => on === 'cluster'),
    );
    assert.deepEqual(withSome.map(([guide]) => guide).toSorted(), order.toSorted());
  });
});

/** What a person has at hand: the file that the guide prints, a resource of an earlier operator, the vendor's DaemonSet. */
async function givenFiles(folder: string): Promise<void> {
  const older = {
    apiVersion: 'llm.geeper.io/v1alpha1',
    kind: 'LMDeployment',
    metadata: { name: 'older', namespace: 'ml' },
    spec: { ollama: { models: ['llama3.2:1b'] } },
  };
  const labels = { app: 'nvidia-device-plugin' };
  const plugin = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'nvidia-device-plugin-daemonset' },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'plugin', image: 'nvcr.io/nvidia/k8s-device-plugin:v0.17.4' }] },
      },
    },
  };
  await writeFile(path.join(folder, 'fleet.yaml'), printedBlock('docs/guides/gpu-cluster.md', 'yaml'));
  await writeFile(path.join(folder, 'older.yaml'), JSON.stringify(older));
  await writeFile(path.join(folder, 'plugin.yaml'), JSON.stringify(plugin));
}

/** Runs an operator for each of its pods that is started, with the pod's own account, and ends it with the pod. */
class Operators {
  readonly #cluster: ControlPlane;
  readonly #agents: Server;
  readonly #running = new Map<string, RunningOperator>();

  constructor(cluster: ControlPlane, agents: Server) {
    this.#cluster = cluster;
    this.#agents = agents;
  }

  static async open(cluster: ControlPlane): Promise<Operators> {
    const agents = createServer((_, response) => response.end(JSON.stringify(wellStatus())));
    await new Promise<void>(resolve => agents.listen(0, '127.0.0.1', resolve));
    return new Operators(cluster, agents);
  }

  async starting(pod: KubeObject): Promise<PodReport> {
    if (isOperator(pod)) this.#running.set(pod.metadata.uid ?? '', await this.#start());
    return { podIP: '127.0.0.1' };
  }

  async ending(pod: KubeObject): Promise<void> {
    const operator = this.#running.get(pod.metadata.uid ?? '');
    this.#running.delete(pod.metadata.uid ?? '');
    await operator?.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    for (const operator of this.#running.values()) await operator.close().catch(() => undefined);
    this.#agents.closeAllConnections();
    await new Promise(resolve => this.#agents.close(resolve));
  }

  async #start(): Promise<RunningOperator> {
    const who = { namespace: OPERATOR_NAMESPACE, serviceAccount: 'llm-operator-controller-manager' };
    const { url: server, token, ca } = await this.#cluster.credentials(who);
    const { port } = this.#agents.address() as AddressInfo;
    const agentUrl = (pod: OperatorObject): string | undefined =>
      pod.metadata.labels?.['app.kubernetes.io/name'] === 'ollama' ? `http://127.0.0.1:${port}` : undefined;
    const access = { server, token, skipsVerification: ca === undefined, namespace: OPERATOR_NAMESPACE };
    const operator = await startOperator({
      access: ca === undefined ? access : { ...access, ca },
      namespaces: [],
      leaseNamespace: OPERATOR_NAMESPACE,
      admin: { host: '127.0.0.1', port: 0 },
      version: '0.1.0-test',
      desired,
      settings: { image: 'ghcr.io/bigo/bigo:0.1.0', clusterDomain: 'cluster.local', ollamaTag: '0.24.0' },
      clock: systemClock,
      rng: Math.random,
      log: silentLog(),
      limits: { secretRoundMs: 1_000, agentUrl },
    });
    // With its account taken away it fails, as its pod would; nobody waits for it.
    operator.failed.catch(() => undefined);
    return operator;
  }
}

function isOperator({ metadata }: KubeObject): boolean {
  const name = metadata.labels?.['app.kubernetes.io/name'];
  return metadata.namespace === OPERATOR_NAMESPACE && name === 'bigo-operator';
}

/** An agent whose pod has all that the guides' fleets want. */
function wellStatus(): AgentStatus {
  const models = ['llama3.2:1b', 'qwen3:8b'];
  return {
    pod: 'any',
    version: '0.1.0',
    at: new Date().toISOString(),
    ollama: { up: true, version: '0.24.0' },
    ready: true,
    settled: true,
    draining: false,
    models: models.map(name => ({ name, declared: true, state: 'present' })),
    blobs: { count: 2, hashed: 2, wrong: [], repaired: 0 },
    errors: [],
  };
}
