// `bigo install`, `upgrade` and `uninstall` as a person types them, against a real API server; pods are spoken for by the test.
// Never starts an operator: what it does with its rights is tested elsewhere.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { customResourceDefinition } from '../../src/api/ollama-deployment/crd.ts';
import { CLUSTER_RULES, OPERATOR_RULES } from '../../src/operator/core/rbac.ts';
import { aHome, type RunResult } from '../cli/bigo.ts';
import { endAll } from '../tools/end-all.ts';
import { writeVerbs } from './tools/audit.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import { definition, operator, system } from './tools/installed.ts';
import type { KubeObject } from './tools/kube-client.ts';
import { addNode, PretendKubelet, type PodReport } from './tools/pretend.ts';

const fleet = {
  apiVersion: 'llm.geeper.io/v1alpha1',
  kind: 'OllamaDeployment',
  namespace: 'default',
  name: 'kept',
};
const rbac = 'rbac.authorization.k8s.io/v1';

/** A whole suite of programs that are started one after another. */
const allMsMax = 900_000;

describe(
  'bringing the operator into a cluster',
  { skip: await skipWithoutCluster(), timeout: allMsMax },
  () => {
    let cluster: ControlPlane;
    let kubelet: PretendKubelet;
    let report: PodReport = {};
    before(async () => {
      cluster = await startControlPlane();
      await addNode(cluster.admin, { name: 'node-1' });
      kubelet = new PretendKubelet({ client: cluster.admin, starting: () => report });
      kubelet.start();
    });
    after(() =>
      endAll(
        () => kubelet?.stop(),
        () => cluster?.stop(),
      ),
    );

    const bigo = (t: TestContext, ...args: readonly string[]): Promise<RunResult> =>
      bigoAs(t, cluster.adminKubeconfig, args);
    const bigoAs = (t: TestContext, kubeconfig: string, args: readonly string[]): Promise<RunResult> =>
      aHome(t).run(args, { env: { KUBECONFIG: kubeconfig }, timeMsMax: 150_000 });
    const done = (result: RunResult): string => {
      assert.equal(result.code, 0, result.stdout + result.stderr);
      return result.stdout;
    };
    const purge = async (t: TestContext): Promise<void> =>
      void done(await bigo(t, 'uninstall', '--purge', '--yes'));
    const live = (ref: Parameters<ControlPlane['admin']['find']>[0]): Promise<KubeObject | undefined> =>
      cluster.admin.find(ref);

    it('installs on an empty cluster, waits for the operator, and the second time writes nothing', async t => {
      const first = done(await bigo(t, 'install'));
      assert.match(first, /created +Deployment llm-operator-system\/llm-operator-controller-manager/);
      assert.match(first, /looks after every namespace/);
      const role = await live({ apiVersion: rbac, kind: 'ClusterRole', name: 'llm-operator-manager' });
      assert.deepEqual(role?.['rules'], [...OPERATOR_RULES, ...CLUSTER_RULES]);
      assert.equal((await live(operator))?.['status'].availableReplicas, 2);
      const mark = await cluster.auditMark();
      const second = done(await bigo(t, 'install'));
      assert.match(second, /nothing was changed/);
      assert.doesNotMatch(second, /^(created|changed|removed)/m);
      const entries = await cluster.audit({ since: mark, user: 'admin', verbs: writeVerbs });
      const ofTheCommand = entries.filter(entry => entry.userAgent?.startsWith('bigo/'));
      assert.deepEqual(
        ofTheCommand.map(entry => entry.requestURI),
        [],
      );
      await purge(t);
      assert.equal(await live(definition), undefined);
      assert.equal(await live({ apiVersion: 'v1', kind: 'Namespace', name: system }), undefined);
    });

    it('an upgrade says what changed, and keeps the namespaces that were chosen', async t => {
      for (const name of ['team-a', 'team-b']) {
        await cluster.admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
      }
      done(await bigo(t, 'install', '--namespaces', 'team-b,team-a', '--no-wait'));
      assert.equal(
        await live({ apiVersion: rbac, kind: 'ClusterRole', name: 'llm-operator-manager' }),
        undefined,
      );
      const upgraded = done(await bigo(t, 'upgrade', '--image', 'example.test/bigo:9', '--no-wait'));
      assert.match(
        upgraded,
        /changed +Deployment \S+ +\(spec\.template\.spec\.containers\[manager\]\.image\)/,
      );
      assert.match(upgraded, /unchanged +Role team-a\/llm-operator-manager/);
      const container = (await live(operator))?.['spec'].template.spec.containers[0];
      assert.equal(container.image, 'example.test/bigo:9');
      assert.deepEqual(container.args.slice(-2), ['--namespaces', 'team-a,team-b']);
      const everywhere = done(await bigo(t, 'upgrade', '--namespaces', '', '--no-wait'));
      assert.match(everywhere, /created +ClusterRole llm-operator-manager/);
      assert.match(everywhere, /removed +Role team-a\/llm-operator-manager/);
      await purge(t);
    });

    it('a namespace that is not there is named together with the command that makes it', async t => {
      const result = await bigo(t, 'install', '--namespaces', 'nowhere', '--no-wait');
      assert.equal(result.code, 1);
      assert.match(
        result.stderr,
        /nothing was changed, for there is no namespace nowhere\nkubectl create namespace nowhere/,
      );
      assert.equal(await live(definition), undefined);
    });

    it('without rights nothing is changed, and the missing ones are listed (exit 2)', async t => {
      await cluster.admin.apply({
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: 'guest', namespace: 'default' },
      });
      await cluster.admin.create({
        apiVersion: rbac,
        kind: 'ClusterRole',
        metadata: { name: 'reader' },
        rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['get', 'list'] }],
      });
      await cluster.admin.create({
        apiVersion: rbac,
        kind: 'ClusterRoleBinding',
        metadata: { name: 'guest-reads' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' },
        subjects: [{ kind: 'ServiceAccount', name: 'guest', namespace: 'default' }],
      });
      const kubeconfig = await cluster.kubeconfig({ namespace: 'default', serviceAccount: 'guest' });
      const result = await bigoAs(t, kubeconfig, ['install']);
      assert.equal(result.code, 2, result.stderr);
      assert.match(result.stderr, /create customresourcedefinitions/);
      assert.match(result.stderr, new RegExp(`patch deployments ${system}`));
      assert.match(result.stderr, /cluster-admin/);
      assert.equal(await live(definition), undefined);
    });

    it('a cluster that does not answer is named (exit 1)', async t => {
      const home = aHome(t);
      const file = path.join(home.dir, 'config');
      const config = {
        'current-context': 'gone',
        contexts: [{ name: 'gone', context: { cluster: 'gone', user: 'me' } }],
        clusters: [{ name: 'gone', cluster: { server: 'https://127.0.0.1:1' } }],
        users: [{ name: 'me', user: { token: 'x' } }],
      };
      await writeFile(file, JSON.stringify(config));
      const result = await home.run(['install', '--kubeconfig', file]);
      assert.equal(result.code, 1);
      assert.match(result.stderr, /no answer from the API server https:\/\/127\.0\.0\.1:1/);
      assert.match(result.stderr, /--context/);
      const other = await home.run(['install', '--kubeconfig', file, '--context', 'typo']);
      assert.match(other.stderr, /it has no context "typo"/);
    });

    it('an object of somebody else is refused before the first write (exit 3), and taken with --force', async t => {
      await cluster.admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: system } });
      const labels = { 'app.kubernetes.io/managed-by': 'Helm' };
      const annotations = { 'meta.helm.sh/release-name': 'theirs' };
      await cluster.admin.create({
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: operator.name, namespace: system, labels, annotations },
      });
      const refused = await bigo(t, 'install', '--no-wait');
      assert.equal(refused.code, 3, refused.stderr);
      assert.match(refused.stderr, /ServiceAccount \S+ belongs to the Helm release theirs/);
      assert.equal(await live(definition), undefined);
      done(await bigo(t, 'install', '--no-wait', '--force'));
      assert.notEqual(await live(definition), undefined);
      await purge(t);
      // It was there before us, so it stays.
      const namespace = { apiVersion: 'v1', kind: 'Namespace', name: system };
      assert.notEqual(await live(namespace), undefined);
      await cluster.admin.delete(namespace);
      await cluster.admin.until(namespace, object => object === undefined, 60_000);
    });

    it('an older definition is brought up to date, a newer one is not gone behind (exit 3)', async t => {
      const older = structuredClone(customResourceDefinition()) as unknown as KubeObject;
      const schema = older['spec'].versions[0].schema.openAPIV3Schema;
      delete schema.properties.spec.properties.autoscaling;
      schema.properties.spec['x-kubernetes-validations'] = [];
      await cluster.admin.create(older);
      const upgraded = done(await bigo(t, 'install', '--no-wait'));
      assert.match(upgraded, /changed +CustomResourceDefinition/);
      const now = (await live(definition))?.['spec'].versions[0].schema.openAPIV3Schema;
      assert.notEqual(now.properties.spec.properties.autoscaling, undefined);
      const annotations = { 'llm.geeper.io/bigo-version': '99.0.0' };
      await cluster.admin.patch(definition, { metadata: { annotations } }, 'merge');
      const refused = await bigo(t, 'upgrade', '--no-wait');
      assert.equal(refused.code, 3, refused.stderr);
      assert.match(refused.stderr, /put there by the newer version 99\.0\.0/);
      await purge(t);
    });

    it('an image that cannot be pulled is named when the time is over (exit 4), and all is installed', async t => {
      const waiting = { reason: 'ImagePullBackOff', message: 'Back-off pulling image "example.test/none:1"' };
      report = { ready: false, phase: 'Pending', states: { manager: { waiting } } };
      t.after(() => (report = {}));
      const result = await bigo(t, 'install', '--image', 'example.test/none:1', '--wait-seconds', '3');
      assert.equal(result.code, 4, result.stderr);
      assert.match(result.stderr, /ImagePullBackOff: Back-off pulling image "example\.test\/none:1"/);
      assert.notEqual(await live(operator), undefined);
      await purge(t);
    });

    it('uninstall leaves fleets as they are; only --purge, asked for twice, takes them', async t => {
      done(await bigo(t, 'install', '--no-wait'));
      const { apiVersion, kind, namespace, name } = fleet;
      const spec = { ollama: { models: ['a:1'] } };
      // A definition that was just made anew is served a moment later.
      for (let triesLeft = 60; triesLeft > 0; triesLeft--) {
        const made = await cluster.admin
          .create({ apiVersion, kind, metadata: { name, namespace }, spec })
          .catch((error: { readonly status?: number }) => error);
        if (!('status' in made && made.status === 404)) break;
        await sleep(500);
      }
      const gone = done(await bigo(t, 'uninstall'));
      assert.match(gone, /removed +Deployment/);
      assert.match(gone, /go on serving[^]*OllamaDeployment default\/kept/);
      assert.equal(await live(operator), undefined);
      assert.notEqual(await live(fleet), undefined);
      assert.match(done(await bigo(t, 'install', '--no-wait')), /unchanged +CustomResourceDefinition/);
      const unasked = await bigo(t, 'uninstall', '--purge');
      assert.equal(unasked.code, 64);
      assert.match(unasked.stderr, /default\/kept[^]*--yes/);
      assert.notEqual(await live(operator), undefined);
      await purge(t);
      assert.equal(await live(definition), undefined);
      assert.match(done(await bigo(t, 'uninstall')), /no installation of ours/);
    });

    it('prints what it would apply, without a cluster', async t => {
      const text = done(await aHome(t).run(['install', '--print', '--image', 'example.test/bigo:9']));
      const documents = parseAllDocuments(text).map(document => document.toJS() as KubeObject);
      assert.equal(documents[0]?.kind, 'Namespace');
      assert.equal(documents.at(-1)?.kind, 'Deployment');
    });
  },
);
