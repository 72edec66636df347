// The operator on a real API server, as its own service account with exactly its own rules; pods are spoken for by the test.
// Never as admin: what the account may not do must show.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OPERATOR_NAMESPACE } from '../../../src/api/operator-settings.ts';
import { desired } from '../../../src/operator/core/desired/desired.ts';
import { CLUSTER_RULES, LEASE_RULES, OPERATOR_RULES } from '../../../src/operator/core/rbac.ts';
import { type OperatorLimits, type RunningOperator, startOperator } from '../../../src/operator/operator.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { createLog, silentLog } from '../../../src/platform/log.ts';
import { writeVerbs, type AuditEntry } from '../tools/audit.ts';
import { startControlPlane, type ControlPlane } from '../tools/cluster.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import { addNode, PretendKubelet } from '../tools/pretend.ts';
import { Provisioner } from '../tools/provisioner.ts';

const system = OPERATOR_NAMESPACE;
const account = 'bigo-operator';
const crdFile = new URL('../../../deploy/crds/ollamadeployments.yaml', import.meta.url);

export const od = (namespace: string, name: string) => ({
  apiVersion: 'llm.geeper.io/v1alpha1',
  kind: 'OllamaDeployment',
  namespace,
  name,
});

export class OperatorRig {
  readonly cluster: ControlPlane;
  private readonly kubelet: PretendKubelet;
  private readonly provisioner: Provisioner;
  private readonly folder: string;

  constructor(cluster: ControlPlane, folder: string) {
    this.cluster = cluster;
    this.folder = folder;
    this.kubelet = new PretendKubelet({ client: cluster.admin, starting: () => ({ podIP: '127.0.0.1' }) });
    this.provisioner = new Provisioner({ client: cluster.admin, folder });
  }

  static async start(): Promise<OperatorRig> {
    const cluster = await startControlPlane();
    const folder = await mkdtemp(path.join(tmpdir(), 'bigo-operator-'));
    const rig = new OperatorRig(cluster, folder);
    const { admin } = cluster;
    await admin.applyYaml(await readFile(crdFile, 'utf8'));
    await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: system } });
    await admin.create({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: account, namespace: system },
    });
    await grant(admin, 'ClusterRole', 'bigo-operator', [...OPERATOR_RULES, ...CLUSTER_RULES]);
    await grant(admin, 'Role', 'bigo-operator-lease', LEASE_RULES);
    await addNode(admin, { name: 'node-1' });
    await rig.provisioner.start();
    rig.kubelet.start();
    await rig.established();
    return rig;
  }

  async stop(): Promise<void> {
    await this.kubelet.stop();
    await this.provisioner.stop();
    await this.cluster.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  async operator(namespaces: readonly string[], limits: OperatorLimits = {}): Promise<RunningOperator> {
    const who = { namespace: system, serviceAccount: account };
    const { url, token, ca } = await this.cluster.credentials(who);
    const log = process.env['BIGO_TEST_LOG'] === undefined ? silentLog() : createLog({ level: 'debug' }).log;
    return startOperator({
      access: {
        server: url,
        token,
        skipsVerification: ca === undefined,
        namespace: system,
        ...(ca === undefined ? {} : { ca }),
      },
      namespaces,
      leaseNamespace: system,
      admin: { host: '127.0.0.1', port: 0 },
      version: '0.0.0-test',
      desired,
      settings: { image: 'ghcr.io/bigo/bigo:0.0.0', clusterDomain: 'cluster.local', ollamaTag: '0.24.0' },
      clock: systemClock,
      rng: Math.random,
      log,
      limits: { secretRoundMs: 1_000, ...limits },
    });
  }

  /** Writes of the operator's account, but for those of its lease. */
  async writes(since: number): Promise<AuditEntry[]> {
    const user = `system:serviceaccount:${system}:${account}`;
    const entries = await this.cluster.audit({ since, user, verbs: writeVerbs });
    return entries.filter(entry => entry.objectRef?.resource !== 'leases');
  }

  async refusals(since = 0): Promise<AuditEntry[]> {
    const entries = await this.cluster.audit({ since, user: `system:serviceaccount:${system}:${account}` });
    const isEnding = ({ responseStatus }: AuditEntry) =>
      /being terminated/.test((responseStatus as { message?: string } | undefined)?.message ?? '');
    return entries.filter(
      entry => entry.responseStatus?.code === 403 && !isEnding(entry) && !this.cluster.wasStarting(entry),
    );
  }

  /** Resolves when the operator has written nothing for so long. */
  async quiet(msMin = 2_000): Promise<void> {
    for (let turn = 0; turn < 20; turn++) {
      const mark = await this.cluster.auditMark();
      await sleep(msMin);
      if ((await this.writes(mark)).length === 0) return;
    }
    assert.fail('the operator goes on writing');
  }

  condition(
    object: KubeObject | undefined,
    type: string,
  ): { status: string; reason: string; message: string } | undefined {
    return object?.['status']?.conditions?.find((found: { type: string }) => found.type === type);
  }

  private async established(): Promise<void> {
    for (let turn = 0; turn < 100; turn++) {
      const answer = await this.cluster.admin.send('GET', '/apis/llm.geeper.io/v1alpha1/ollamadeployments');
      if (answer.status === 200) return;
      await sleep(100);
    }
    assert.fail('the resource is not served');
  }
}

async function grant(
  admin: ControlPlane['admin'],
  kind: 'ClusterRole' | 'Role',
  name: string,
  rules: readonly object[],
): Promise<void> {
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const metadata = kind === 'Role' ? { name, namespace: system } : { name };
  await admin.create({ apiVersion, kind, metadata, rules });
  await admin.create({
    apiVersion,
    kind: `${kind}Binding`,
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
    subjects: [{ kind: 'ServiceAccount', name: account, namespace: system }],
  });
}
