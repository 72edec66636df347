// Every kind of object that a resource becomes, deleted and edited by hand, switched off, and taken away with its namespace;
// at the end, what the accounts asked for is compared with what they may. Never asserts how fast: the seconds are printed.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { PodDiscovery } from '../../../src/fleet/kubernetes.ts';
import {
  CLUSTER_RULES,
  LEASE_RULES,
  OPERATOR_RULES,
  type RbacRule,
} from '../../../src/operator/core/rbac.ts';
import { CHILD_KINDS, OPTIONAL_KINDS, SECRET } from '../../../src/operator/kinds.ts';
import type { RunningOperator } from '../../../src/operator/operator.ts';
import { createKubeClient } from '../../../src/platform/kube/client.ts';
import { kubeAccess } from '../../../src/platform/kube/kubeconfig.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { endAll } from '../../tools/end-all.ts';
import { anyContent } from '../tools/any-content.ts';
import { skipWithoutCluster } from '../tools/cluster.ts';
import type { KubeObject, ObjectRef } from '../tools/kube-client.ts';
import { granted, used } from './rights.ts';
import { od, OperatorRig, operatorUser } from './rig.ts';
import { gatewayUnused, operatorUnused } from './rules-unused.ts';

const kinds = [...CHILD_KINDS, ...OPTIONAL_KINDS, SECRET];
const ollama = { models: ['llama3.2:1b'], storage: { storageClassName: 'local', size: '10Gi' } };

/** With every object that there is, but for the one below. */
const chat = {
  ollama,
  gateway: { ingress: { enabled: true, host: 'chat.example' }, auth: { mode: 'keys' } },
  openwebui: {
    enabled: true,
    ingress: { enabled: true, host: 'web.example' },
    persistence: { storageClassName: 'local' },
  },
  tabby: { enabled: true, persistence: { storageClassName: 'local', retention: 'Delete' } },
  autoscaling: { enabled: true, engine: 'hpa', signal: 'gpu', target: 80 },
  monitoring: { serviceMonitor: { enabled: true }, alerts: { enabled: true }, dashboards: { enabled: true } },
};
const code = {
  ollama,
  autoscaling: { enabled: true, engine: 'keda', prometheusAddress: 'http://prometheus.monitoring:9090' },
};

/** What a hand may do to each kind, beside taking off a label. */
const edits: Readonly<Record<string, object>> = {
  ServiceAccount: { automountServiceAccountToken: true },
  Service: { spec: { selector: { 'app.kubernetes.io/instance': 'another' } } },
  Role: { rules: [] },
  RoleBinding: { subjects: [] },
  NetworkPolicy: { spec: { ingress: [] } },
  Ingress: { spec: { rules: [{ host: 'another.example' }] } },
  PodDisruptionBudget: { spec: { maxUnavailable: 3 } },
  HorizontalPodAutoscaler: { spec: { maxReplicas: 9 } },
  StatefulSet: { spec: { template: { metadata: { labels: { app: 'another' } } } } },
  Deployment: { spec: { replicas: 4 } },
  ServiceMonitor: { spec: { endpoints: [] } },
  PrometheusRule: { spec: { groups: [] } },
  ScaledObject: { spec: { maxReplicaCount: 99 } },
  // Deletes one key: what stands in the others is the user's to change.
  Secret: { data: { token: null, 'admin-key': null } },
};

function editOf({ kind = '', data }: KubeObject): object {
  if (kind !== 'ConfigMap') return edits[kind] ?? {};
  return { data: Object.fromEntries(Object.keys(data as object).map(key => [key, 'broken'])) };
}

describe('drift on a real API server', { skip: await skipWithoutCluster() }, () => {
  let rig: OperatorRig;
  let operator: RunningOperator;
  let home = '';
  before(async () => {
    const plugins = '--enable-admission-plugins=OwnerReferencesPermissionEnforcement';
    rig = await OperatorRig.start({ flags: { 'kube-apiserver': [plugins] } });
    for (const { apiVersion, kind } of OPTIONAL_KINDS) {
      const [group = '', version = ''] = apiVersion.split('/');
      await rig.cluster.admin.create(anyContent(group, version, kind));
    }
    for (const { apiVersion, plural } of OPTIONAL_KINDS) await rig.served(`/apis/${apiVersion}/${plural}`);
    operator = await rig.operator();
    await operator.leading;
    home = await rig.cluster.namespace({ after: () => {} });
    await create(home, 'chat', chat);
    await create(home, 'code', code);
    for (const name of ['chat', 'code']) await rig.until(`${name} has a status`, hasStatus(home, name));
    await rig.quiet(1_000, home);
  });
  after(() =>
    endAll(
      () => operator?.close(),
      () => rig?.stop(),
    ),
  );

  const create = (namespace: string, name: string, spec: object) =>
    rig.cluster.admin.create({ ...od(namespace, name), metadata: { name, namespace }, spec });
  const seen = (namespace: string, name: string) => rig.cluster.admin.get(od(namespace, name));
  const hasStatus = (namespace: string, name: string) => async () =>
    (await seen(namespace, name))['status'] !== undefined;
  const children = async (namespace: string, of: string): Promise<KubeObject[]> => {
    const lists = kinds.map(({ apiVersion, kind }) =>
      rig.cluster.admin.list({ apiVersion, kind, namespace }, `ollama-deployment=${of}`),
    );
    return (await Promise.all(lists)).flat();
  };
  const refTo = ({ apiVersion = '', kind = '', metadata }: KubeObject): ObjectRef => ({
    ...{ apiVersion, kind, name: metadata.name },
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
  });
  /** One child of each kind. */
  const oneOfEach = async (): Promise<KubeObject[]> => {
    const all = [...(await children(home, 'chat')), ...(await children(home, 'code'))];
    return kinds.map(({ kind }) => {
      const found = all.find(child => child.kind === kind && child.metadata.deletionTimestamp === undefined);
      assert.ok(found, `there is a ${kind}`);
      return found;
    });
  };
  const timed = async (t: TestContext, what: string, work: () => Promise<void>): Promise<void> => {
    const fromMs = performance.now();
    await work();
    t.diagnostic(`${what}: ${((performance.now() - fromMs) / 1000).toFixed(1)} s`);
  };

  it('makes anew each kind of child that was deleted', async t => {
    const victims = (await oneOfEach()).filter(({ kind }) => kind !== 'PersistentVolumeClaim');
    for (const victim of victims) await rig.cluster.admin.delete(refTo(victim));
    const isBack = async (victim: KubeObject): Promise<boolean> => {
      const found = await rig.cluster.admin.find(refTo(victim));
      return (
        found !== undefined &&
        found.metadata.uid !== victim.metadata.uid &&
        found.metadata.deletionTimestamp === undefined
      );
    };
    await Promise.all(
      victims.map(victim =>
        timed(t, `${victim.kind} ${victim.metadata.name} is back after`, () =>
          rig.until(`${victim.kind} ${victim.metadata.name} is back`, () => isBack(victim)),
        ),
      ),
    );
    await rig.quiet(1_000, home);
  });

  it('makes a claim anew once the pod that uses it is gone', async () => {
    const ref = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: home, name: 'chat-openwebui' };
    const before = await rig.cluster.admin.get(ref);
    await rig.cluster.admin.delete(ref);
    const pods = await rig.cluster.admin.list(
      { apiVersion: 'v1', kind: 'Pod', namespace: home },
      'app.kubernetes.io/name=openwebui',
    );
    for (const pod of pods) await rig.cluster.admin.delete({ ...refTo(pod), apiVersion: 'v1', kind: 'Pod' });
    await rig.until('the claim is back', async () => {
      const found = await rig.cluster.admin.find(ref);
      return found !== undefined && found.metadata.uid !== before.metadata.uid;
    });
    await rig.quiet(1_000, home);
  });

  it('puts right each kind of child that was edited, or lost its label or its owner', async t => {
    const shown = ({
      kind,
      metadata,
      spec,
      data,
      rules,
      subjects,
      automountServiceAccountToken,
    }: KubeObject) => {
      const owners = (metadata.ownerReferences ?? []).map(({ uid }) => uid);
      // What is missing in a Secret is made, and is another text then.
      const content = kind === 'Secret' ? Object.keys((data ?? {}) as object).toSorted() : data;
      const fields = { spec, rules, subjects, automountServiceAccountToken, content };
      return JSON.parse(JSON.stringify({ labels: metadata.labels, owners, ...fields })) as unknown;
    };
    const children = await oneOfEach();
    for (const child of children) {
      // A kept claim has no owner: without the label it is released, as an object without both.
      const mark = child.metadata.ownerReferences === undefined ? {} : { 'ollama-deployment': null };
      const metadata = { labels: { ...mark, 'app.kubernetes.io/managed-by': 'me' } };
      await rig.cluster.admin.patch(refTo(child), { metadata, ...editOf(child) });
    }
    const isRight = async (child: KubeObject): Promise<boolean> =>
      isDeepStrictEqual(shown(await rig.cluster.admin.get(refTo(child))), shown(child));
    const restored = (how: string) =>
      Promise.all(
        children.map(child =>
          timed(t, `${child.kind} ${child.metadata.name} is as before its ${how} after`, () =>
            rig.until(`${child.kind} ${child.metadata.name} is as before its ${how}`, () => isRight(child)),
          ),
        ),
      );
    await restored('edit');
    const owned = children.filter(({ metadata }) => metadata.ownerReferences !== undefined);
    for (const child of owned)
      await rig.cluster.admin.patch(refTo(child), { metadata: { ownerReferences: null } });
    await restored('loss of its owner');
    await rig.quiet(1_000, home);
    assert.equal(rig.condition(await seen(home, 'chat'), 'Degraded')?.reason === 'NameConflict', false);
  });

  it('never overrules who writes replicas, and writes the resource never', async () => {
    const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace: home, name: 'chat-ollama' };
    const mark = await rig.cluster.auditMark();
    for (const replicas of [3, 2, 4, 1]) {
      await rig.cluster.admin.patch(od(home, 'chat'), { spec: { replicas } }, 'merge', 'scale');
      await rig.until(
        `${replicas} are wanted`,
        async () => (await rig.cluster.admin.get(set))['spec'].replicas === replicas,
      );
    }
    await rig.quiet(1_000, home);
    assert.equal((await seen(home, 'chat'))['spec'].ollama.replicas, 1);
    const writes = (await rig.writes(mark)).filter(
      ({ objectRef }) => objectRef?.resource === 'ollamadeployments',
    );
    assert.deepEqual([...new Set(writes.map(({ objectRef }) => objectRef?.subresource))], ['status']);
  });

  it('grows the volumes of running pods without ending one', async () => {
    const pods = async () =>
      (
        await rig.cluster.admin.list(
          { apiVersion: 'v1', kind: 'Pod', namespace: home },
          'app.kubernetes.io/name=ollama',
        )
      )
        .map(({ metadata }) => `${metadata.name} ${metadata.uid}`)
        .toSorted();
    const before = await pods();
    await rig.cluster.admin.patch(od(home, 'code'), { spec: { ollama: { storage: { size: '20Gi' } } } });
    const claim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      namespace: home,
      name: 'models-code-ollama-0',
    };
    await rig.until(
      'the claim has grown',
      async () => (await rig.cluster.admin.get(claim))['spec'].resources.requests.storage === '20Gi',
    );
    const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace: home, name: 'code-ollama' };
    await rig.until('the set asks for as much', async () => {
      const spec = (await rig.cluster.admin.find(set))?.['spec'] as KubeObject | undefined;
      return spec?.['volumeClaimTemplates'][0].spec.resources.requests.storage === '20Gi';
    });
    await rig.quiet(1_000, home);
    assert.deepEqual(await pods(), before);
  });

  it('leaves alone what somebody else has or took, says so once each time, and ends it', async t => {
    const namespace = await rig.cluster.namespace(t);
    const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'taken-models' };
    const theirs = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: ref.name, namespace },
      data: { mine: 'yes' },
    };
    const isDegraded = (status: 'True' | 'False') => async () => {
      const found = rig.condition(await seen(namespace, 'taken'), 'Degraded');
      return found?.status === status && (status === 'False' || found.reason === 'NameConflict');
    };
    await rig.cluster.admin.create(theirs);
    await create(namespace, 'taken', { ollama: { models: ['llama3.2:1b'], storage: { mode: 'ephemeral' } } });
    await rig.until('the conflict is named', isDegraded('True'));
    assert.deepEqual((await rig.cluster.admin.get(ref))['data'], { mine: 'yes' });
    await rig.cluster.admin.delete(ref);
    await rig.cluster.admin.patch(od(namespace, 'taken'), { metadata: { annotations: { look: 'again' } } });
    await rig.until('the conflict is over', isDegraded('False'));
    const taken = {
      metadata: { labels: null, ownerReferences: null, managedFields: [{}] },
      data: { mine: 'yes' },
    };
    await rig.cluster.admin.patch(ref, taken);
    await rig.until('the conflict is named again', isDegraded('True'));
    assert.equal((await rig.cluster.admin.get(ref))['data'].mine, 'yes');
    await rig.until('one Event counts both', async () => {
      const events = await rig.cluster.admin.list({
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        namespace,
      });
      const told = events.filter(event => event['reason'] === 'NameConflict' && event['type'] === 'Warning');
      return told.length === 1 && told[0]?.['series']?.count === 2;
    });
  });

  it('lets gateways look at the pods of their namespace, and agents ask for nothing', async t => {
    const file = await rig.cluster.kubeconfig({ namespace: home, serviceAccount: 'chat-gateway' });
    const client = createKubeClient(kubeAccess({ file, env: {} }), {
      userAgent: 'bigo-gateway/test',
      nowMs: () => performance.now(),
      requestMsMax: 15_000,
    });
    const selector = 'app.kubernetes.io/name=ollama,app.kubernetes.io/instance=chat';
    const discovery = new PodDiscovery(
      {
        selector,
        namespace: home,
        port: 11_434,
        slots: 4,
        gatewaySelector: 'app.kubernetes.io/name=bigo-gateway',
      },
      { client, namespace: home, wallMs: Date.now, rng: Math.random, log: silentLog(), onChange: () => {} },
    );
    t.after(() =>
      endAll(
        () => discovery.stop(),
        () => client.close(),
      ),
    );
    discovery.start();
    await discovery.looked;
    await rig.until('its pod is a backend', () => Promise.resolve(discovery.latest.specs.length === 1));
    const user = `system:serviceaccount:${home}:chat-gateway`;
    const watches = async () => used(await rig.cluster.audit({ user })).includes('watch /pods');
    await rig.until('it watches', watches);
    const role = await rig.cluster.admin.get({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      namespace: home,
      name: 'chat-gateway',
    });
    compare(await rig.cluster.audit({ user }), role['rules'] as RbacRule[], gatewayUnused);
    const bindings = await rig.cluster.admin.list({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      namespace: home,
    });
    const bound = bindings
      .flatMap(binding => binding['subjects'] as { name: string }[])
      .map(({ name }) => name);
    assert.deepEqual(bound.toSorted(), ['chat-gateway', 'code-gateway']);
    assert.deepEqual(await rig.cluster.audit({ user: `system:serviceaccount:${home}:chat-ollama` }), []);
  });

  it('takes away each component that is switched off, and keeps claims unless they are to go', async () => {
    const off = {
      openwebui: { enabled: false },
      tabby: { enabled: false },
      autoscaling: null,
      monitoring: null,
      network: { policy: { enabled: false } },
      gateway: { enabled: false, ingress: null, auth: null },
    };
    const before = await children(home, 'chat');
    assert.equal(new Set(before.map(({ kind }) => kind)).size, kinds.length - 1, 'all but the ScaledObject');
    await rig.cluster.admin.patch(od(home, 'chat'), { spec: off });
    const left = [
      'ConfigMap chat-models',
      'ConfigMap chat-settings',
      'PersistentVolumeClaim chat-openwebui',
      'PersistentVolumeClaim models-chat-ollama-0',
      'PodDisruptionBudget chat-ollama',
      'Service chat-ollama',
      'Service chat-ollama-pods',
      'ServiceAccount chat-ollama',
      'StatefulSet chat-ollama',
    ];
    const isScaledClaim = (text: string) => /^PersistentVolumeClaim models-chat-ollama-[1-9]$/.test(text);
    const names = async () =>
      (await children(home, 'chat'))
        .map(({ kind, metadata }) => `${kind} ${metadata.name}`)
        .filter(text => !isScaledClaim(text))
        .toSorted();
    await rig
      .until('only Ollama is left', async () => isDeepStrictEqual(await names(), left))
      .catch(async () => {
        assert.deepEqual(await names(), left);
      });
    await rig.cluster.admin.patch(od(home, 'code'), { spec: { autoscaling: null } });
    const scaled = {
      apiVersion: 'keda.sh/v1alpha1',
      kind: 'ScaledObject',
      namespace: home,
      name: 'code-ollama',
    };
    await rig.until(
      'the ScaledObject is gone',
      async () => (await rig.cluster.admin.find(scaled)) === undefined,
    );
    await rig.quiet(1_000, home);
    const kept = await rig.cluster.admin.get({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      namespace: home,
      name: 'chat-openwebui',
    });
    await rig.cluster.admin.patch(od(home, 'chat'), { spec: { openwebui: { enabled: true } } });
    const web = { apiVersion: 'apps/v1', kind: 'Deployment', namespace: home, name: 'chat-openwebui' };
    await rig.until('OpenWebUI is back', async () => (await rig.cluster.admin.find(web)) !== undefined);
    await rig.quiet(1_000, home);
    const again = await rig.cluster.admin.get({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      namespace: home,
      name: 'chat-openwebui',
    });
    assert.equal(again.metadata.uid, kept.metadata.uid, 'with the claim that it had');
  });

  it('is no hindrance to a namespace that is deleted while its objects are made', async () => {
    const namespace = await rig.cluster.namespace({ after: () => {} });
    for (const name of ['one', 'two', 'three'])
      await create(namespace, name, { ollama, openwebui: { enabled: true } });
    const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace, name: 'one-ollama' };
    await rig.until('some of it is there', async () => (await rig.cluster.admin.find(set)) !== undefined);
    const ref = { apiVersion: 'v1', kind: 'Namespace', name: namespace };
    await rig.cluster.admin.delete(ref);
    await rig.until('the namespace is gone', async () => (await rig.cluster.admin.find(ref)) === undefined);
    const mark = await rig.cluster.auditMark();
    await sleep(2_000);
    const late = (await rig.writes(mark)).filter(({ objectRef }) => objectRef?.namespace === namespace);
    assert.deepEqual(
      late.map(({ requestURI }) => requestURI),
      [],
    );
  });

  it('uses what its rules grant, all of it and nothing more', async () => {
    compare(
      await rig.cluster.audit({ user: operatorUser }),
      [...OPERATOR_RULES, ...CLUSTER_RULES, ...LEASE_RULES],
      operatorUnused,
    );
    const refused = await rig.refusals();
    assert.deepEqual(
      refused.map(entry => `${entry.verb} ${entry.requestURI}`),
      [],
    );
  });
});

function compare(
  entries: Parameters<typeof used>[0],
  rules: readonly RbacRule[],
  unused: Readonly<Record<string, string>>,
): void {
  const may = granted(rules);
  const did = used(entries);
  assert.deepEqual(
    did.filter(right => !may.includes(right)),
    [],
    'used and not granted',
  );
  assert.deepEqual(
    may.filter(right => !did.includes(right)),
    Object.keys(unused).toSorted(),
    'granted and not used',
  );
}
