// The operator on a real API server, as its own service account with exactly its own rules; pods are spoken for by the test.
// Never as admin: what the account may not do must show.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject as LiveObject } from '../../../src/api/kube-object.ts';
import { OPERATOR_NAMESPACE } from '../../../src/api/operator-settings.ts';
import { desired } from '../../../src/operator/core/desired/desired.ts';
import {
  CLUSTER_RULES,
  LEASE_RULES,
  OPERATOR_RULES,
  type RbacRule,
} from '../../../src/operator/core/rbac.ts';
import { podStatus } from '../../../src/operator/core/status/observed.ts';
import { type OperatorLimits, type RunningOperator, startOperator } from '../../../src/operator/operator.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { createLog, silentLog } from '../../../src/platform/log.ts';
import { writeVerbs, type AuditEntry } from '../tools/audit.ts';
import { startControlPlane, type ControlPlane, type ControlPlaneOptions } from '../tools/cluster.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import { addNode, PretendKubelet, type PodReport, type PretendKubeletOptions } from '../tools/pretend.ts';
import { Provisioner } from '../tools/provisioner.ts';
import { endAll } from '../../tools/end-all.ts';

export const operatorNamespace = OPERATOR_NAMESPACE;
const account = 'bigo-operator';
const crdFile = new URL('../../../deploy/crds/ollamadeployments.yaml', import.meta.url);

export const od = (namespace: string, name: string) => ({
  apiVersion: 'llm.geeper.io/v1alpha1',
  kind: 'OllamaDeployment',
  namespace,
  name,
});

/** What the golden cases were written with. */
const image = 'ghcr.io/bigo/bigo:0.1.0';

export interface OperatorGiven {
  /** Made by `account()`; default: the one with the rules of the whole cluster. */
  readonly account?: string;
  readonly namespaces?: readonly string[];
  readonly limits?: OperatorLimits;
  readonly version?: string;
  readonly image?: string;
  readonly ollamaTag?: string;
}

/** What nodes say of their pods. */
export type PodAnswers = Pick<PretendKubeletOptions, 'starting' | 'ending'>;

export class OperatorRig {
  readonly cluster: ControlPlane;
  private readonly kubelet: PretendKubelet;
  private readonly provisioner: Provisioner;
  private readonly folder: string;

  constructor(cluster: ControlPlane, folder: string, pods: PodAnswers = { starting }) {
    this.cluster = cluster;
    this.folder = folder;
    this.kubelet = new PretendKubelet({ client: cluster.admin, ...pods });
    this.provisioner = new Provisioner({ client: cluster.admin, folder });
  }

  static async start(options: ControlPlaneOptions = {}, pods?: PodAnswers): Promise<OperatorRig> {
    const cluster = await startControlPlane(options);
    const folder = await mkdtemp(path.join(tmpdir(), 'bigo-operator-'));
    const rig = new OperatorRig(cluster, folder, pods);
    const { admin } = cluster;
    await admin.applyYaml(await readFile(crdFile, 'utf8'));
    await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: operatorNamespace } });
    await rig.account(account);
    await addNode(admin, { name: 'node-1' });
    await rig.provisioner.start();
    rig.kubelet.start();
    await rig.served('/apis/llm.geeper.io/v1alpha1/ollamadeployments');
    return rig;
  }

  async stop(): Promise<void> {
    await endAll(
      () => this.kubelet.stop(),
      () => this.provisioner.stop(),
      () => this.cluster.stop(),
      () => rm(this.folder, { recursive: true, force: true }),
    );
  }

  /** A service account of an operator: for the whole cluster, or with --namespaces for a few. */
  async account(name: string, namespaces: readonly string[] = []): Promise<void> {
    const { admin } = this.cluster;
    const metadata = { name, namespace: operatorNamespace };
    await admin.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata });
    await grant(admin, { name: `${name}-lease`, account: name, namespace: operatorNamespace }, LEASE_RULES);
    for (const namespace of namespaces) {
      await grant(admin, { name, account: name, namespace }, OPERATOR_RULES);
    }
    if (namespaces.length === 0) {
      await grant(admin, { name, account: name }, [...OPERATOR_RULES, ...CLUSTER_RULES]);
    }
  }

  async operator(given: OperatorGiven = {}): Promise<RunningOperator> {
    const { namespaces = [], limits = {}, version = '0.1.0-test', ollamaTag = '0.24.0' } = given;
    const who = { namespace: operatorNamespace, serviceAccount: given.account ?? account };
    const { url, token, ca } = await this.cluster.credentials(who);
    const log = process.env['BIGO_TEST_LOG'] === undefined ? silentLog() : createLog({ level: 'debug' }).log;
    return startOperator({
      access: {
        server: url,
        token,
        skipsVerification: ca === undefined,
        namespace: operatorNamespace,
        ...(ca === undefined ? {} : { ca }),
      },
      namespaces,
      leaseNamespace: operatorNamespace,
      admin: { host: '127.0.0.1', port: 0 },
      version,
      desired,
      settings: { image: given.image ?? image, clusterDomain: 'cluster.local', ollamaTag },
      clock: systemClock,
      rng: Math.random,
      log,
      limits: { secretRoundMs: 1_000, agentUrl: nobody, ...limits },
    });
  }

  /** Writes of an operator's account, but for those of its lease. */
  async writes(since: number, by = account): Promise<AuditEntry[]> {
    const entries = await this.cluster.audit({ since, user: userOf(by), verbs: writeVerbs });
    return entries.filter(entry => entry.objectRef?.resource !== 'leases');
  }

  async refusals(by = account): Promise<AuditEntry[]> {
    const entries = await this.cluster.audit({ user: userOf(by) });
    const isEnding = ({ responseStatus }: AuditEntry) =>
      /being terminated/.test((responseStatus as { message?: string } | undefined)?.message ?? '');
    return entries.filter(
      entry => entry.responseStatus?.code === 403 && !isEnding(entry) && !this.cluster.wasStarting(entry),
    );
  }

  /** Resolves when the operator has written nothing for so long: in one namespace, where others may be on their way out. */
  async quiet(msMin = 2_000, namespace?: string): Promise<void> {
    for (let turn = 0; turn < 60; turn++) {
      const mark = await this.cluster.auditMark();
      await sleep(msMin);
      const written = await this.writes(mark);
      const meant = written.filter(
        ({ objectRef }) => namespace === undefined || objectRef?.namespace === namespace,
      );
      if (meant.length === 0) return;
    }
    assert.fail('the operator goes on writing');
  }

  condition(
    object: KubeObject | undefined,
    type: string,
  ): { status: string; reason: string; message: string } | undefined {
    return object?.['status']?.conditions?.find((found: { type: string }) => found.type === type);
  }

  /** Polls, and fails with what it waited for. */
  async until(what: string, isSo: () => Promise<boolean>, msMax = 120_000): Promise<void> {
    const endMs = performance.now() + msMax;
    while (!(await isSo())) {
      if (performance.now() > endMs) assert.fail(`not in ${msMax} ms: ${what}`);
      await sleep(100);
    }
  }

  /** A kind that was just defined is not there at once. */
  async served(collection: string): Promise<void> {
    const isServed = async () => (await this.cluster.admin.send('GET', collection)).status === 200;
    await this.until(`${collection} is served`, isServed);
  }
}

export const userOf = (name: string): string => `system:serviceaccount:${operatorNamespace}:${name}`;
export const operatorUser = userOf(account);

/** Binds rules to an operator's account: in one namespace, else in all. */
async function grant(
  admin: ControlPlane['admin'],
  to: { readonly name: string; readonly account: string; readonly namespace?: string },
  rules: readonly RbacRule[],
): Promise<void> {
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const { name, namespace } = to;
  const kind = namespace === undefined ? 'ClusterRole' : 'Role';
  const metadata = namespace === undefined ? { name } : { name, namespace };
  await admin.create({ apiVersion, kind, metadata, rules });
  await admin.create({
    apiVersion,
    kind: `${kind}Binding`,
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
    subjects: [{ kind: 'ServiceAccount', name: to.account, namespace: operatorNamespace }],
  });
}

/** Pods here have the address of this machine, and so may agents of other tests: nobody listens at the first port. */
function nobody(pod: LiveObject): string | undefined {
  const isOllama = pod.metadata.labels?.['app.kubernetes.io/name'] === 'ollama';
  return isOllama && podStatus(pod).podIP !== undefined ? 'http://127.0.0.1:1' : undefined;
}

/** An image of this repository is never there; everything else runs at once. */
export const nowhere = 'nowhere.example/';
const backOff = {
  waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image: name unknown' },
};

function starting(pod: KubeObject): PodReport {
  const containers = pod['spec'].containers as { name: string; image: string }[];
  const missing = containers.filter(({ image: wanted }) => wanted.startsWith(nowhere));
  if (missing.length === 0) return { podIP: '127.0.0.1' };
  const states = Object.fromEntries(missing.map(({ name }) => [name, backOff]));
  return { podIP: '127.0.0.1', ready: false, phase: 'Pending', states };
}
