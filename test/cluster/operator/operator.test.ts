// The operator on a real API server: same rules as beside the fake one, judged by the audit log and by what the cluster looks like.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { skipWithoutCluster } from '../tools/cluster.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import type { RunningOperator } from '../../../src/operator/operator.ts';
import { od, OperatorRig } from './rig.ts';

const goldenFolder = new URL('../../golden/operator/', import.meta.url);
const CHILDREN: readonly (readonly [apiVersion: string, kind: string])[] = [
  ['v1', 'ServiceAccount'],
  ['v1', 'ConfigMap'],
  ['v1', 'Service'],
  ['apps/v1', 'StatefulSet'],
  ['apps/v1', 'Deployment'],
  ['policy/v1', 'PodDisruptionBudget'],
  ['networking.k8s.io/v1', 'NetworkPolicy'],
  ['rbac.authorization.k8s.io/v1', 'Role'],
  ['rbac.authorization.k8s.io/v1', 'RoleBinding'],
];

describe('the operator on a real API server', { skip: await skipWithoutCluster() }, () => {
  let rig: OperatorRig;
  let operator: RunningOperator;
  const restart = async (): Promise<void> => {
    await operator?.close();
    operator = await rig.operator([], { reflector: { backoffMsMax: 1_000 } });
    // As a Deployment would: whoever lost the lease is started again.
    operator.failed.catch(() => void restart());
    await operator.leading;
  };
  before(async () => {
    rig = await OperatorRig.start();
    await restart();
  });
  after(async () => {
    await operator?.close();
    await rig?.stop();
  });

  const create = (namespace: string, name: string, spec: object) =>
    rig.cluster.admin.create({ ...od(namespace, name), metadata: { name, namespace }, spec });
  const small = (more: object = {}) => ({
    ollama: { models: ['llama3.2:1b'], storage: { storageClassName: 'local' } },
    ...more,
  });
  const seen = (namespace: string, name: string) => rig.cluster.admin.get(od(namespace, name));
  const until = async (what: string, isSo: () => Promise<boolean>, msMax = 120_000): Promise<void> => {
    const endMs = performance.now() + msMax;
    while (!(await isSo())) {
      if (performance.now() > endMs) assert.fail(`not in ${msMax} ms: ${what}`);
      await sleep(100);
    }
  };
  const conditionIs = (namespace: string, name: string, type: string, reason: string) => async () =>
    rig.condition(await seen(namespace, name), type)?.reason === reason;
  const labelled = (namespace: string, apiVersion: string, kind: string) =>
    rig.cluster.admin.list({ apiVersion, kind, namespace }, 'ollama-deployment');

  it('writes nothing in a second pass over every sample, nor after a restart', async t => {
    const namespace = await rig.cluster.namespace(t);
    const samples = await readdir(goldenFolder);
    for (const sample of samples) {
      const resource = parse(
        await readFile(new URL(`${sample}/in.yaml`, goldenFolder), 'utf8'),
      ) as KubeObject;
      await rig.cluster.admin.create({ ...resource, metadata: { name: sample.slice(0, 40), namespace } });
    }
    await until('every sample has a status', async () => {
      const all = await rig.cluster.admin.list({
        apiVersion: 'llm.geeper.io/v1alpha1',
        kind: 'OllamaDeployment',
        namespace,
      });
      return (
        all.length === samples.length && all.every(resource => resource['status']?.observedGeneration === 1)
      );
    });
    await rig.quiet(3_000);
    const mark = await rig.cluster.auditMark();
    for (const sample of samples) {
      await rig.cluster.admin.patch(
        od(namespace, sample.slice(0, 40)),
        { metadata: { annotations: { look: 'again' } } },
        'merge',
      );
    }
    await sleep(3_000);
    const again = await rig.writes(mark);
    assert.deepEqual(
      again.map(entry => `${entry.verb} ${entry.requestURI}`),
      [],
    );
    const statuses = async () =>
      (
        await rig.cluster.admin.list({
          apiVersion: 'llm.geeper.io/v1alpha1',
          kind: 'OllamaDeployment',
          namespace,
        })
      ).map(found => found['status']);
    const before = await statuses();
    await restart();
    await sleep(4_000);
    assert.deepEqual(await statuses(), before);
    const writes = await rig.writes(mark);
    assert.deepEqual(
      writes.map(entry => `${entry.verb} ${entry.requestURI}`),
      [],
    );
  });

  it('puts right every kind of child that is deleted or edited', async t => {
    const namespace = await rig.cluster.namespace(t);
    await create(namespace, 'chat', small());
    await until('a status', async () => (await seen(namespace, 'chat'))['status'] !== undefined);
    await rig.quiet();
    for (const [apiVersion, kind] of CHILDREN) {
      const [child] = await labelled(namespace, apiVersion, kind);
      assert.ok(child, `there is a ${kind}`);
      const ref = { apiVersion, kind, namespace, name: child.metadata.name };
      await rig.cluster.admin.delete(ref);
      await until(`${kind} is back`, async () => {
        const found = await rig.cluster.admin.find(ref);
        return (
          found !== undefined &&
          found.metadata.uid !== child.metadata.uid &&
          found.metadata.deletionTimestamp === undefined
        );
      });
      await rig.cluster.admin.patch(
        ref,
        { metadata: { labels: { 'app.kubernetes.io/managed-by': 'me' } } },
        'merge',
      );
      await until(`${kind} is as it was`, async () => {
        return (
          (await rig.cluster.admin.get(ref)).metadata.labels?.['app.kubernetes.io/managed-by'] ===
          'bigo-operator'
        );
      });
    }
    const secret = { apiVersion: 'v1', kind: 'Secret', namespace, name: 'chat-gateway-admin' };
    await rig.cluster.admin.delete(secret);
    await until(
      'the Secret is back',
      async () => (await rig.cluster.admin.find(secret)) !== undefined,
      60_000,
    );
  });

  it('takes away what is switched off, keeps its claim, and takes it up again', async t => {
    const namespace = await rig.cluster.namespace(t);
    const openwebui = { persistence: { storageClassName: 'local' } };
    await create(namespace, 'chat', small({ openwebui: { enabled: true, ...openwebui } }));
    const web = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: 'chat-openwebui' };
    await until('OpenWebUI is there', async () => (await rig.cluster.admin.find(web)) !== undefined);
    const [claim] = (await labelled(namespace, 'v1', 'PersistentVolumeClaim')).filter(({ metadata }) =>
      metadata.name.includes('openwebui'),
    );
    await rig.cluster.admin.patch(
      od(namespace, 'chat'),
      { spec: { openwebui: { enabled: false } } },
      'merge',
    );
    await until('OpenWebUI is gone', async () => (await rig.cluster.admin.find(web)) === undefined);
    await rig.quiet();
    await rig.cluster.admin.patch(od(namespace, 'chat'), { spec: { openwebui: { enabled: true } } }, 'merge');
    await until('OpenWebUI is back', async () => (await rig.cluster.admin.find(web)) !== undefined);
    await rig.quiet();
    const claims = await labelled(namespace, 'v1', 'PersistentVolumeClaim');
    assert.ok(claims.some(({ metadata }) => metadata.uid === claim?.metadata.uid));
    assert.notEqual(rig.condition(await seen(namespace, 'chat'), 'Degraded')?.reason, 'NameConflict');
  });

  it('leaves an object of another owner alone, and says so', async t => {
    const namespace = await rig.cluster.namespace(t);
    const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'chat-models' };
    await rig.cluster.admin.create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: ref.name, namespace },
      data: { mine: 'yes' },
    });
    await create(namespace, 'chat', small());
    await until('the conflict is named', conditionIs(namespace, 'chat', 'Degraded', 'NameConflict'));
    assert.deepEqual((await rig.cluster.admin.get(ref))['data'], { mine: 'yes' });
    await rig.cluster.admin.delete(ref);
    await rig.cluster.admin.patch(
      od(namespace, 'chat'),
      { metadata: { annotations: { look: 'again' } } },
      'merge',
    );
    await until(
      'the conflict is over',
      async () => rig.condition(await seen(namespace, 'chat'), 'Degraded')?.status === 'False',
    );
  });

  it('goes on after the API server was killed and after history was compacted', async t => {
    const namespace = await rig.cluster.namespace(t);
    await create(namespace, 'chat', small());
    await until('a status', async () => (await seen(namespace, 'chat'))['status'] !== undefined);
    await rig.cluster.stopApiServer('SIGKILL');
    await rig.cluster.startApiServer();
    await rig.cluster.compact();
    const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace, name: 'chat-ollama' };
    await rig.cluster.admin.patch(od(namespace, 'chat'), { spec: { ollama: { replicas: 2 } } }, 'merge');
    await until(
      'two are wanted',
      async () => (await rig.cluster.admin.get(set))['spec'].replicas === 2,
      60_000,
    );
  });

  it('names what is wrong with the pods of a resource, and clears it when it is mended', async t => {
    const namespace = await rig.cluster.namespace(t);
    await create(namespace, 'nowhere', {
      ollama: {
        models: ['llama3.2:1b'],
        storage: { mode: 'ephemeral' },
        scheduling: { nodeSelector: { disk: 'gold' } },
      },
    });
    await until('no node', conditionIs(namespace, 'nowhere', 'Degraded', 'Unschedulable'));
    await create(namespace, 'classless', {
      ollama: { models: ['llama3.2:1b'], storage: { storageClassName: 'platinum' } },
    });
    await until('no class', conditionIs(namespace, 'classless', 'Degraded', 'Unschedulable'));
    const quota = {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'small', namespace },
      spec: { hard: { pods: '0' } },
    };
    await rig.cluster.admin.create(quota);
    await create(namespace, 'many', { ollama: { models: ['llama3.2:1b'], storage: { mode: 'ephemeral' } } });
    await until('a quota', conditionIs(namespace, 'many', 'Degraded', 'QuotaExceeded'));
    const message = rig.condition(await seen(namespace, 'many'), 'Degraded')?.message ?? '';
    assert.match(message, /exceeded quota: small/);
    await rig.cluster.admin.patch(
      od(namespace, 'nowhere'),
      { spec: { ollama: { scheduling: null } } },
      'merge',
    );
    await rig.cluster.admin.delete({ apiVersion: 'v1', kind: 'ResourceQuota', namespace, name: 'small' });
    await until(
      'mended',
      async () => rig.condition(await seen(namespace, 'nowhere'), 'Degraded')?.status === 'False',
      60_000,
    );
  });

  it('does nothing that its rules do not allow', async () => {
    const refused = await rig.refusals();
    assert.deepEqual(
      refused.map(entry => `${entry.verb} ${entry.requestURI}`),
      [],
    );
  });
});
