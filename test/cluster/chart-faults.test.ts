// What goes wrong with the chart on a real API server, and that what Helm says and docs/helm.md advises mends it: too few rights,
// names that are taken, a Helm that is killed. Pods are objects only.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { customResourceDefinition } from '../../src/api/ollama-deployment/crd.ts';
import { endAll } from '../tools/end-all.ts';
import { find, skipUnless } from '../tools/parts.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import { chart, helm, type HelmResult } from './tools/helm.ts';
import { definition, operator, system } from './tools/installed.ts';
import type { KubeObject } from './tools/kube-client.ts';
import { addNode, PretendKubelet } from './tools/pretend.ts';

const rbac = 'rbac.authorization.k8s.io/v1';
const untilMsMax = 150_000;
/** A whole suite of programs that are started one after another. */
const allMsMax = 900_000;
const gatewayAlone = ['--set', 'operator.enabled=false,gateway.enabled=true'];

const skip = (await skipWithoutCluster()) || (await skipUnless('helm'));

describe('the Helm chart in trouble', { skip, timeout: allMsMax }, () => {
  let cluster: ControlPlane;
  let kubelet: PretendKubelet;
  let folder = '';
  /** False: pods are made and never become ready, as with an image that nobody has. */
  let isStarting = true;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bigo-chart-'));
    cluster = await startControlPlane({ audit: false });
    await addNode(cluster.admin, { name: 'node-1' });
    kubelet = new PretendKubelet({
      client: cluster.admin,
      starting: () => (isStarting ? {} : { phase: 'Pending', ready: false }),
    });
    kubelet.start();
    await newNamespace(system);
    // The controller-manager fills the roles for people a moment after its start.
    const rules = (role: KubeObject | undefined): unknown[] => (role?.['rules'] ?? []) as unknown[];
    const admin = { apiVersion: rbac, kind: 'ClusterRole', name: 'admin' };
    await cluster.admin.until(admin, role => rules(role).length > 0, untilMsMax);
  });
  after(() =>
    endAll(
      () => kubelet?.stop(),
      () => cluster?.stop(),
      () => rm(folder, { recursive: true, force: true }),
    ),
  );

  const newNamespace = (name: string): Promise<KubeObject> =>
    cluster.admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  const helmAs = (kubeconfig: string, ...args: readonly string[]): Promise<HelmResult> =>
    helm(folder, args, { KUBECONFIG: kubeconfig });
  const call = (...args: readonly string[]): Promise<HelmResult> =>
    helmAs(cluster.adminKubeconfig, ...args, '-n', system);
  const done = ({ code, stdout, stderr }: HelmResult): string => {
    assert.equal(code, 0, stdout + stderr);
    return stdout + stderr;
  };
  const live = (ref: Parameters<ControlPlane['admin']['find']>[0]): Promise<KubeObject | undefined> =>
    cluster.admin.find(ref);
  /** A service account with these roles in its own namespace, and in the whole cluster. */
  const userWith = async (
    name: string,
    roles: { readonly own: readonly string[]; readonly everywhere: readonly string[] },
  ): Promise<string> => {
    await cluster.admin.apply({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name, namespace: name },
    });
    const binding = (kind: string, role: string, namespace?: string): KubeObject => ({
      apiVersion: rbac,
      kind,
      metadata: { name: `${name}-${role}`, ...(namespace === undefined ? {} : { namespace }) },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name, namespace: name }],
    });
    for (const role of roles.own) await cluster.admin.apply(binding('RoleBinding', role, name));
    for (const role of roles.everywhere) await cluster.admin.apply(binding('ClusterRoleBinding', role));
    return cluster.kubeconfig({ namespace: name, serviceAccount: name });
  };
  /** What a release made in a namespace, whether or not it came to its end. */
  const madeIn = async (namespace: string): Promise<string[]> => {
    const kinds = [
      ['apps/v1', 'Deployment'],
      ['v1', 'Service'],
      ['v1', 'ServiceAccount'],
      ['v1', 'Secret'],
      ['v1', 'ConfigMap'],
      [rbac, 'Role'],
      [rbac, 'RoleBinding'],
      ['networking.k8s.io/v1', 'NetworkPolicy'],
      ['policy/v1', 'PodDisruptionBudget'],
    ] as const;
    const lists = await Promise.all(
      kinds.map(([apiVersion, kind]) =>
        cluster.admin.list({ apiVersion, kind, namespace }, 'app.kubernetes.io/managed-by=Helm'),
      ),
    );
    return lists.flat().map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  };
  /** What the definition's version is asked of is a right too, and what Helm kept is taken away by hand. */
  const clear = async (): Promise<void> => {
    await call('uninstall', 'bigo', '--ignore-not-found');
    await cluster.admin.delete(definition);
    await cluster.admin.until(definition, object => object === undefined, untilMsMax);
  };

  it('says to a user of one namespace which right is missing, and makes nothing', async () => {
    await newNamespace('team-a');
    const user = await userWith('team-a', { own: ['admin'], everywhere: [] });
    const { code, stderr } = await helmAs(user, 'install', 'bigo', chart, '-n', 'team-a');
    assert.notEqual(code, 0);
    assert.match(stderr, /cannot get resource "customresourcedefinitions"[^]*at the cluster scope/);
    assert.deepEqual(await madeIn('team-a'), []);
    assert.equal(await live(definition), undefined);
  });

  it('gives such a user a gateway alone', async () => {
    const user = await userWith('team-a', { own: ['admin'], everywhere: [] });
    done(await helmAs(user, 'install', 'bigo', chart, '-n', 'team-a', ...gatewayAlone));
    assert.ok((await madeIn('team-a')).includes('Deployment bigo-gateway'));
    done(await helmAs(user, 'uninstall', 'bigo', '-n', 'team-a'));
  });

  it('who may look and not make: the error names the right, and `--rollback-on-failure` leaves nothing half-made', async () => {
    await newNamespace('team-b');
    const rules = [{ apiGroups: ['*'], resources: ['*'], verbs: ['get', 'list', 'watch'] }];
    await cluster.admin.apply({ apiVersion: rbac, kind: 'ClusterRole', metadata: { name: 'looks' }, rules });
    const user = await userWith('team-b', { own: ['admin'], everywhere: ['looks'] });
    const { code, stderr } = await helmAs(
      user,
      'install',
      'bigo',
      chart,
      '-n',
      'team-b',
      '--rollback-on-failure',
      '--timeout',
      '30s',
    );
    assert.notEqual(code, 0);
    assert.match(stderr, /cannot patch resource "customresourcedefinitions"[^]*at the cluster scope/);
    assert.match(stderr, /cannot patch resource "clusterroles"/);
    assert.deepEqual(await madeIn('team-b'), []);
    assert.equal(await live(definition), undefined);
    // Helm could not ask whether cluster roles are gone, so it keeps its record: the user deletes that as docs/helm.md says.
    const client = await cluster.client({ namespace: 'team-b', serviceAccount: 'team-b' });
    const records = '/api/v1/namespaces/team-b/secrets?labelSelector=owner%3Dhelm%2Cname%3Dbigo';
    assert.equal((await client.send('DELETE', records)).status, 200);
    done(await helmAs(user, 'install', 'bigo', chart, '-n', 'team-b', ...gatewayAlone));
  });

  it('objects of the same name that another release has are named, before anything is made', async () => {
    const metadata = {
      name: 'llm-operator-manager',
      labels: { 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'meta.helm.sh/release-name': 'theirs', 'meta.helm.sh/release-namespace': 'elsewhere' },
    };
    const theirs = { apiVersion: rbac, kind: 'ClusterRole', name: metadata.name };
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];
    await cluster.admin.create({ apiVersion: rbac, kind: 'ClusterRole', metadata, rules });
    const { code, stderr } = await call('install', 'bigo', chart);
    assert.notEqual(code, 0);
    assert.match(stderr, /ClusterRole "llm-operator-manager"[^]*current value is "theirs"/);
    assert.deepEqual(await madeIn(system), []);
    assert.equal(await live(definition), undefined);
    assert.deepEqual((await live(theirs))?.['rules'], rules);
    await cluster.admin.delete(theirs);
  });

  it('an older definition that somebody applied by hand is named, and brought up to date when told to', async () => {
    const older = structuredClone(customResourceDefinition()) as unknown as KubeObject;
    const { properties } = older['spec'].versions[0].schema.openAPIV3Schema.properties.spec;
    delete properties.autoscaling;
    older['spec'].versions[0].schema.openAPIV3Schema.properties.spec['x-kubernetes-validations'] = [];
    await cluster.admin.create(older);
    const refused = await call('install', 'bigo', chart);
    assert.match(refused.stderr, /CustomResourceDefinition "ollamadeployments\.llm\.geeper\.io"/);
    assert.deepEqual(await madeIn(system), []);
    done(await call('install', 'bigo', chart, '--take-ownership', '--force-conflicts'));
    const { spec } = await cluster.admin.get(definition);
    assert.ok(spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.autoscaling);
    await clear();
  });

  /** Helm waits for pods that never become ready; then it is gone as by `kill -9`. */
  const killedWhile = async (
    args: readonly string[],
    isUnderWay: (deployment: KubeObject) => boolean,
  ): Promise<void> => {
    const program = (await find('helm')) ?? 'helm';
    const env = { ...process.env, KUBECONFIG: cluster.adminKubeconfig, HOME: folder };
    const child = spawn(program, [...args, '-n', system, '--wait'], {
      env,
      stdio: 'ignore',
      timeout: untilMsMax,
    });
    const ended = new Promise<unknown>(resolve => child.once('exit', (_, signal) => resolve(signal)));
    await cluster.admin.until(operator, object => object !== undefined && isUnderWay(object), untilMsMax);
    child.kill('SIGKILL');
    assert.equal(await ended, 'SIGKILL');
  };
  const state = async (): Promise<string> =>
    (JSON.parse(done(await call('status', 'bigo', '-o', 'json'))) as { info: { status: string } }).info
      .status;

  it('an install that was killed is taken away and made again, with the keys that it had made', async t => {
    isStarting = false;
    t.after(() => (isStarting = true));
    const wish = ['bigo', chart, '--set', 'gateway.enabled=true'];
    await killedWhile(['install', ...wish], () => true);
    isStarting = true;
    assert.equal(await state(), 'pending-install');
    const keys = { apiVersion: 'v1', kind: 'Secret', namespace: system, name: 'bigo-gateway-keys' };
    const { data } = await cluster.admin.get(keys);
    const again = await call('install', ...wish);
    assert.match(again.stderr, /cannot re-?use a name that is still in use/);
    done(await call('uninstall', 'bigo'));
    done(await call('install', ...wish));
    assert.deepEqual((await cluster.admin.get(keys))['data'], data);
  });

  it('an upgrade that was killed is gone back from, and made again', async t => {
    isStarting = false;
    t.after(() => (isStarting = true));
    const image = (object: KubeObject): string => object['spec'].template.spec.containers[0].image;
    const before = image(await cluster.admin.get(operator));
    const values = ['--reuse-values', '--set', 'image.tag=9.9.9'];
    await killedWhile(['upgrade', 'bigo', chart, ...values], object => image(object).endsWith(':9.9.9'));
    isStarting = true;
    assert.equal(await state(), 'pending-upgrade');
    const refused = await call('upgrade', 'bigo', chart, ...values);
    assert.match(refused.stderr, /another operation \(install\/upgrade\/rollback\) is in progress/);
    done(await call('rollback', 'bigo'));
    assert.equal(image(await cluster.admin.get(operator)), before);
    done(await call('upgrade', 'bigo', chart, ...values));
    assert.equal(await state(), 'deployed');
    await clear();
  });
});
