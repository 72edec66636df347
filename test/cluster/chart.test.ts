// The chart on a real API server, as a person types Helm: onto nothing, twice, over an older definition, away again, and to and fro
// between Helm and `bigo install`. Pods are objects only; Pod Security and a quota are enforced by the real server.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { customResourceDefinition } from '../../src/api/ollama-deployment/crd.ts';
import { aHome } from '../cli/bigo.ts';
import { endAll } from '../tools/end-all.ts';
import { skipUnless } from '../tools/parts.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import { chart, helm, type HelmResult } from './tools/helm.ts';
import { definition, operator, system } from './tools/installed.ts';
import type { KubeObject } from './tools/kube-client.ts';
import { addNode, PretendKubelet, type PodReport } from './tools/pretend.ts';

const untilMsMax = 60_000;
const keys = { apiVersion: 'v1', kind: 'Secret', namespace: system, name: 'bigo-gateway-keys' };
const fleet = {
  apiVersion: 'llm.geeper.io/v1alpha1',
  kind: 'OllamaDeployment',
  namespace: 'default',
  name: 'kept',
};
const everything = ['--set', 'gateway.enabled=true,manager.enabled=true,monitoring.dashboards.enabled=true'];
const takeOver = ['--take-ownership', '--force-conflicts'];

type Outcome = Readonly<{ code: number | null; stdout: string; stderr: string }>;

const skip = (await skipWithoutCluster()) || (await skipUnless('helm'));

describe('the Helm chart on a cluster', { skip }, () => {
  let cluster: ControlPlane;
  let kubelet: PretendKubelet;
  let folder = '';
  let testPod: KubeObject | undefined;
  /** What a kubelet would report; that of `helm test` has found everything well. */
  const starting = (pod: KubeObject): PodReport => {
    if (pod.metadata.name !== 'bigo-test') return {};
    testPod = pod;
    const terminated = { exitCode: 0, reason: 'Completed' };
    return { phase: 'Succeeded', ready: false, states: { test: { terminated } } };
  };
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bigo-chart-'));
    cluster = await startControlPlane({ audit: false });
    await addNode(cluster.admin, { name: 'node-1' });
    kubelet = new PretendKubelet({ client: cluster.admin, starting });
    kubelet.start();
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await cluster.admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: system, labels } });
    const hard = { pods: '20', 'requests.cpu': '4', 'requests.memory': '8Gi', 'limits.memory': '16Gi' };
    const metadata = { name: 'quota', namespace: system };
    await cluster.admin.create({ apiVersion: 'v1', kind: 'ResourceQuota', metadata, spec: { hard } });
  });
  after(() =>
    endAll(
      () => kubelet?.stop(),
      () => cluster?.stop(),
      () => rm(folder, { recursive: true, force: true }),
    ),
  );

  const call = (...args: readonly string[]): Promise<HelmResult> =>
    helm(folder, [...args, '--namespace', system], { KUBECONFIG: cluster.adminKubeconfig });
  const done = ({ code, stdout, stderr }: Outcome): string => {
    assert.equal(code, 0, stdout + stderr);
    return stdout + stderr;
  };
  const bigo = (t: TestContext, ...args: readonly string[]) =>
    aHome(t).run(args, { env: { KUBECONFIG: cluster.adminKubeconfig }, timeMsMax: 100_000 });
  const live = (ref: Parameters<ControlPlane['admin']['find']>[0]): Promise<KubeObject | undefined> =>
    cluster.admin.find(ref);
  /** What people and controllers see of an object changes with its generation; Secrets and ConfigMaps have their data. */
  const specs = async (): Promise<unknown[]> => {
    const kinds = [
      ['apps/v1', 'Deployment'],
      ['v1', 'Service'],
      ['v1', 'Secret'],
      ['v1', 'ConfigMap'],
      ['networking.k8s.io/v1', 'NetworkPolicy'],
      ['policy/v1', 'PodDisruptionBudget'],
    ] as const;
    const lists = await Promise.all(
      kinds.map(([apiVersion, kind]) =>
        cluster.admin.list({ apiVersion, kind, namespace: system }, 'app.kubernetes.io/managed-by=Helm'),
      ),
    );
    const crd = await cluster.admin.get(definition);
    return [...lists.flat(), crd].map(({ kind, metadata, spec, data }) => [
      kind,
      metadata.name,
      metadata.generation,
      spec,
      data,
    ]);
  };
  const owner = async (ref: Parameters<ControlPlane['admin']['find']>[0]): Promise<string | undefined> =>
    (await live(ref))?.metadata.labels?.['app.kubernetes.io/managed-by'];

  it('installs everything on an empty cluster, lets all pods in under quota and Pod Security, and says what is next', async () => {
    const text = done(await call('install', 'bigo', chart, ...everything));
    const [, first = ''] = /<<EOF\n([^]*?)\nEOF\n/.exec(text) ?? [];
    const [chat] = await cluster.admin.applyYaml(first, 'default');
    assert.equal(chat?.metadata.name, 'chat');
    await cluster.admin.delete({ ...fleet, name: 'chat' });
    assert.match(text, /helm test bigo/);
    assert.match(text, /helm uninstall bigo[^]*every fleet goes on serving/);
    for (const [name, count] of [
      [operator.name, 2],
      ['bigo-gateway', 2],
      ['model-manager', 1],
    ] as const) {
      await cluster.admin.until(
        { ...operator, name },
        object => object?.['status']?.availableReplicas === count,
        untilMsMax,
      );
    }
  });

  it('changes nothing by an upgrade to the same: no spec, no key', async () => {
    const before = await specs();
    done(await call('upgrade', 'bigo', chart, ...everything));
    done(await call('upgrade', 'bigo', chart, ...everything));
    assert.deepEqual(await specs(), before);
  });

  it('asks every part by `helm test`, in a pod that is let in', async () => {
    assert.match(done(await call('test', 'bigo', '--timeout', '60s')), /Phase: +Succeeded/);
    assert.equal(testPod?.['spec'].containers[0].args.length, 4);
  });

  it('names the field of a wrong value before anything is changed', async () => {
    const before = await specs();
    const result = await call('upgrade', 'bigo', chart, ...everything, '--set', 'operator.replica=3');
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /'\/operator'.*'replica' not allowed/);
    assert.deepEqual(await specs(), before);
  });

  it('is refused to `bigo install`, which names the release', async t => {
    const refused = await bigo(t, 'install', '--no-wait');
    assert.equal(refused.code, 3, refused.stderr);
    assert.match(refused.stderr, /Deployment \S+ belongs to the Helm release bigo/);
  });

  it('leaves definition, resources and keys when it goes, and says so', async () => {
    const { apiVersion, kind, namespace, name } = fleet;
    await cluster.admin.create({
      apiVersion,
      kind,
      metadata: { name, namespace },
      spec: { ollama: { models: ['a:1'] } },
    });
    const uid = (await live(fleet))?.metadata.uid;
    const text = done(await call('uninstall', 'bigo'));
    assert.match(
      text,
      /kept due to the resource policy[^]*CustomResourceDefinition\S* ollamadeployments\.llm\.geeper\.io/,
    );
    await cluster.admin.until(operator, object => object === undefined, untilMsMax);
    assert.equal((await live(fleet))?.metadata.uid, uid);
    assert.notEqual(await live(keys), undefined);
  });

  it('`bigo install --force` takes over what Helm left, without touching a fleet', async t => {
    const unasked = await bigo(t, 'install', '--no-wait');
    assert.equal(unasked.code, 3, unasked.stderr);
    done(await bigo(t, 'install', '--no-wait', '--force'));
    assert.equal(await owner(definition), 'bigo-install');
    assert.equal(await owner(operator), 'bigo-install');
    assert.notEqual(await live(fleet), undefined);
  });

  it('Helm takes over what `bigo install` made when told to, and restarts no pod', async t => {
    const { data } = await cluster.admin.get(keys);
    const unasked = await call('install', 'bigo', chart);
    assert.notEqual(unasked.code, 0);
    assert.match(unasked.stderr, /invalid ownership metadata|exists and cannot be imported/);
    const { metadata, spec } = await cluster.admin.get(operator);
    done(await call('install', 'bigo', chart, ...takeOver));
    const taken = await cluster.admin.get(operator);
    assert.equal(taken.metadata.uid, metadata.uid);
    assert.deepEqual(taken['spec'], spec);
    assert.equal(await owner(definition), 'Helm');
    assert.match((await bigo(t, 'uninstall')).stdout, /no installation of ours/);
    done(await call('upgrade', 'bigo', chart, ...everything, ...takeOver));
    assert.deepEqual((await cluster.admin.get(keys))['data'], data);
    done(await call('upgrade', 'bigo', chart, ...everything));
  });

  it('brings an older definition up to date, and does not go behind a newer one', async () => {
    const older = structuredClone(customResourceDefinition()) as unknown as KubeObject;
    const { properties } = older['spec'].versions[0].schema.openAPIV3Schema.properties.spec;
    delete properties.autoscaling;
    older['spec'].versions[0].schema.openAPIV3Schema.properties.spec['x-kubernetes-validations'] = [];
    await cluster.admin.patch(definition, { spec: older['spec'] });
    done(await call('upgrade', 'bigo', chart, ...everything, '--force-conflicts'));
    const { spec } = await cluster.admin.get(definition);
    assert.ok(spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.autoscaling);
    assert.notEqual(await live(fleet), undefined);
    const mark = (version: string | null) =>
      cluster.admin.patch(definition, {
        metadata: { annotations: { 'llm.geeper.io/bigo-version': version } },
      });
    await mark('99.0.0');
    const refused = await call('upgrade', 'bigo', chart, ...everything);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /newer version 99\.0\.0/);
    await mark(null);
  });

  it('goes back by `helm rollback`', async () => {
    const image = async (): Promise<string> =>
      (await cluster.admin.get(operator))['spec'].template.spec.containers[0].image;
    const before = await image();
    done(
      await call('upgrade', 'bigo', chart, ...everything, '--set', 'image.tag=9.9.9', '--force-conflicts'),
    );
    assert.match(await image(), /:9\.9\.9$/);
    done(await call('rollback', 'bigo'));
    assert.equal(await image(), before);
  });
});
