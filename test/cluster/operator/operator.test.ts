// The operator on a real API server: same rules as beside the fake one, judged by the audit log and by what the cluster looks like.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import type { KubeObject as LiveObject } from '../../../src/api/kube-object.ts';
import { isSameQuantity } from '../../../src/operator/core/quantity.ts';
import { CHILD_KINDS, SECRET } from '../../../src/operator/kinds.ts';
import type { RunningOperator } from '../../../src/operator/operator.ts';
import { casesFolder, runCase } from '../../golden/desired-case.ts';
import { endAll } from '../../tools/end-all.ts';
import { find } from '../../tools/parts.ts';
import { skipWithoutCluster } from '../tools/cluster.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import { nowhere, od, type OperatorGiven, OperatorRig } from './rig.ts';

/** Two dozen fleets at once are much for a busy machine. */
const slow = { timeout: 400_000 };
const odKind = { apiVersion: 'llm.geeper.io/v1alpha1', kind: 'OllamaDeployment' };
const madeKinds = [...CHILD_KINDS, SECRET].map(({ apiVersion, kind }) => [apiVersion, kind] as const);

const setOf = (namespace: string) => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  namespace,
  name: 'chat-ollama',
});

/** Keys and tokens are others each time: only that they are there can be compared. */
function withoutRandom(object: LiveObject): LiveObject {
  if (object.kind !== 'Secret') return object;
  const keys = Object.keys(object['data'] ?? {});
  return { ...object, data: Object.fromEntries(keys.map(key => [key, anything])) };
}

const anything = Symbol('anything');

/** The first path where the live object lacks what is wanted; defaults that the server adds do not count. */
function whatLacks(wanted: unknown, live: unknown, at = ''): string | undefined {
  if (wanted === anything) return typeof live === 'string' && live !== '' ? undefined : at;
  if (wanted === undefined || wanted === live || isSameQuantity(wanted, live)) return undefined;
  if (Array.isArray(wanted)) {
    const found: readonly unknown[] = Array.isArray(live) ? live : [];
    if (found.length !== wanted.length) return `${at} (${found.length} instead of ${wanted.length})`;
    return firstLack(
      wanted.map((item: unknown, index) => [String(index), item, found[index]]),
      at,
    );
  }
  if (typeof wanted !== 'object' || wanted === null)
    return isEmpty(wanted) && live === undefined ? undefined : at;
  const fields = Object.entries(wanted);
  if (live === undefined && fields.length === 0) return undefined;
  const there = (live ?? {}) as Record<string, unknown>;
  return firstLack(
    fields.map(([field, value]) => [field, value, there[field]]),
    at,
  );
}

function firstLack(
  pairs: readonly (readonly [field: string, wanted: unknown, live: unknown])[],
  at: string,
): string | undefined {
  for (const [field, wanted, live] of pairs) {
    const found = whatLacks(wanted, live, `${at}.${field}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The server leaves out what is empty. */
const isEmpty = (value: unknown): boolean => value === '' || value === 0 || value === false;

describe('the operator on a real API server', { skip: await skipWithoutCluster() }, () => {
  let rig: OperatorRig;
  let operator: RunningOperator;
  const restart = async (as: OperatorGiven = {}): Promise<void> => {
    await operator?.close();
    operator = await rig.operator({ limits: { reflector: { backoffMsMax: 1_000 } }, ...as });
    // As a Deployment would: whoever lost the lease is started again.
    operator.failed.catch(() => void restart(as));
    await operator.leading;
  };
  before(async () => {
    rig = await OperatorRig.start();
    await restart();
  });
  after(() =>
    endAll(
      () => operator?.close(),
      () => rig?.stop(),
    ),
  );

  const create = (namespace: string, name: string, spec: object) =>
    rig.cluster.admin.create({ ...od(namespace, name), metadata: { name, namespace }, spec });
  const small = (more: object = {}) => ({
    ollama: { models: ['llama3.2:1b'], storage: { storageClassName: 'local' } },
    ...more,
  });
  const seen = (namespace: string, name: string) => rig.cluster.admin.get(od(namespace, name));
  const until: OperatorRig['until'] = (...about) => rig.until(...about);
  const conditionIs = (namespace: string, name: string, type: string, reason: string) => async () =>
    rig.condition(await seen(namespace, name), type)?.reason === reason;
  const every = (namespace: string) => rig.cluster.admin.list({ ...odKind, namespace });
  const statuses = async (namespace: string) => (await every(namespace)).map(found => found['status']);
  const podUids = async (namespace: string) =>
    (await rig.cluster.admin.list({ apiVersion: 'v1', kind: 'Pod', namespace }))
      .map(({ metadata }) => `${metadata.name} ${metadata.uid}`)
      .toSorted();
  /** Kubernetes' own controllers have done their part too: nothing is left that could still tell the operator something new. */
  const isSettled = async (namespace: string): Promise<boolean> => {
    const { admin } = rig.cluster;
    const sets = await admin.list({ apiVersion: 'apps/v1', kind: 'StatefulSet', namespace });
    const deployments = await admin.list({ apiVersion: 'apps/v1', kind: 'Deployment', namespace });
    const pods = await admin.list({ apiVersion: 'v1', kind: 'Pod', namespace });
    // None: this cluster lacks what one sample's pods ask for, so that they are refused.
    const isSeen = ({ metadata, spec, status }: KubeObject): boolean =>
      status?.observedGeneration === metadata.generation &&
      [0, spec.replicas].includes(status?.replicas ?? 0);
    const isPlaced = (pod: KubeObject): boolean =>
      ((pod['status'].conditions ?? []) as { type: string; status: string }[]).some(
        ({ type, status }) =>
          (type === 'Ready' && status === 'True') || (type === 'PodScheduled' && status === 'False'),
      );
    return [...sets, ...deployments].every(isSeen) && pods.every(isPlaced);
  };
  /** Passes of the operator that runs now. */
  const passes = async (): Promise<number> => {
    const text = await (await fetch(`${operator.adminUrl}/metrics`)).text();
    const counts = text.matchAll(/^controller_runtime_reconcile_total\{.*\} (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const wroteSince = async (mark: number) =>
    (await rig.writes(mark)).map(entry => `${entry.verb} ${entry.requestURI}`);

  it(
    'writes nothing in a second pass over every sample, nor after a restart, nor as a new version',
    slow,
    async t => {
      const namespace = await rig.cluster.namespace(t);
      const samples = await readdir(casesFolder);
      for (const sample of samples) {
        const text = await readFile(path.join(casesFolder, sample, 'in.yaml'), 'utf8');
        const metadata = { name: sample.slice(0, 40), namespace };
        await rig.cluster.admin.create({ ...(parse(text) as KubeObject), metadata });
      }
      await until(
        'every sample has a status',
        async () => {
          const all = await statuses(namespace);
          return all.length === samples.length && all.every(status => status?.observedGeneration === 1);
        },
        slow.timeout,
      );
      await until('every pod runs, or has no node', () => isSettled(namespace), slow.timeout);
      await rig.quiet(3_000, namespace);
      const mark = await rig.cluster.auditMark();
      const passed = await passes();
      for (const sample of samples) {
        const look = { metadata: { annotations: { look: 'again' } } };
        await rig.cluster.admin.patch(od(namespace, sample.slice(0, 40)), look);
      }
      await until('all were looked at', async () => (await passes()) >= passed + samples.length);
      assert.deepEqual(await wroteSince(mark), []);
      const before = await statuses(namespace);
      const pods = await podUids(namespace);
      assert.ok(pods.length >= samples.length);
      const newer = { version: '9.9.9', image: 'ghcr.io/bigo/bigo:9.9.9', ollamaTag: '0.99.0' };
      for (const as of [{}, newer]) {
        await restart(as);
        await until('all were looked at', async () => (await passes()) >= samples.length);
        // The agents do not answer, and that is found out only when they were asked twice.
        await sleep(3_000);
        assert.deepEqual(await statuses(namespace), before);
        assert.deepEqual(await podUids(namespace), pods);
        assert.deepEqual(await wroteSince(mark), []);
      }
      const audit = await rig.cluster.audit({ since: mark });
      assert.ok(audit.some(({ userAgent }) => userAgent === 'bigo-operator/9.9.9'));
      await restart();
    },
  );

  for (const seed of ['minimal', 'full', 'tabby-basic', 'tabby-advanced']) {
    it(`makes of the example “${seed}” of the first reference exactly what is written`, async t => {
      const sample = `seed-${seed}`;
      const text = await readFile(path.join(casesFolder, sample, 'in.yaml'), 'utf8');
      const given = parse(text) as KubeObject;
      const { name, namespace = 'default' } = given.metadata;
      await rig.cluster.admin.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
      await rig.cluster.admin.create({ ...given, metadata: { name, namespace } });
      t.after(() => rig.cluster.admin.delete(od(namespace, name)));
      await until('a status', async () => (await seen(namespace, name))['status'] !== undefined);
      await rig.quiet(1_000, namespace);
      const { files, notes } = await runCase(sample);
      const expected = [...files.values()];
      for (const object of expected) {
        const { apiVersion, kind, metadata } = object;
        const live = await rig.cluster.admin.find({ apiVersion, kind, namespace, name: metadata.name });
        assert.equal(whatLacks(withoutRandom(object), live ?? {}), undefined, `${kind} ${metadata.name}`);
        assert.equal(live?.metadata.ownerReferences?.[0]?.name ?? name, name);
      }
      const made = await Promise.all(
        madeKinds.map(([apiVersion, kind]) => {
          return rig.cluster.admin.list({ apiVersion, kind, namespace }, `ollama-deployment=${name}`);
        }),
      );
      const names = (objects: readonly { kind?: string; metadata: { name: string } }[]) =>
        objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).toSorted();
      const ours = made.flat().filter(({ metadata }) => !/^models-.*-\d+$/.test(metadata.name));
      assert.deepEqual(names(ours), names(expected), 'nothing more and nothing less');
      const status = (await seen(namespace, name))['status'];
      const degraded = rig.condition({ metadata: { name }, status }, 'Degraded');
      for (const { message } of seed === 'tabby-advanced' ? [] : notes)
        assert.ok(degraded?.message.includes(message), `${message} is not in ${degraded?.message}`);
      if (seed === 'tabby-advanced') assert.equal(degraded?.reason, 'ServiceNotFound');
    });
  }

  it('says in kubectl describe and in an Event why an image does not come, and for how many models in kubectl get', async t => {
    const kubectl = await find('kubectl');
    if (kubectl === undefined) return t.skip('needs kubectl: npm run tools -- kubectl');
    const namespace = await rig.cluster.namespace(t);
    await create(namespace, 'lost', {
      ollama: {
        models: ['llama3.2:1b', 'qwen3:8b'],
        image: `${nowhere}ollama`,
        imageTag: '0.24.0',
        storage: { mode: 'ephemeral' },
      },
    });
    await until('the cause is named', conditionIs(namespace, 'lost', 'Degraded', 'ImagePullFailed'));
    await rig.quiet(1_000, namespace);
    const ask = async (...args: string[]): Promise<string> => {
      const options = ['--kubeconfig', rig.cluster.adminKubeconfig, '--namespace', namespace];
      return (await promisify(execFile)(kubectl, [...options, ...args])).stdout.replaceAll(/\s+/g, ' ');
    };
    const described = await ask('describe', 'od', 'lost');
    assert.match(described, /Reason: ImagePullFailed/);
    assert.match(described, /image nowhere\.example\/ollama:0\.24\.0: Back-off pulling image/);
    assert.match(described, /Warning ImagePullFailed/, 'among the Events too');
    const [row = ''] = /lost .*/.exec(await ask('get', 'od')) ?? [];
    assert.match(row, /^lost False (Pending|Progressing) 1 0\/2 /);
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
    await rig.cluster.admin.patch(od(namespace, 'chat'), { spec: { ollama: { replicas: 2 } } }, 'merge');
    await until(
      'two are wanted',
      async () => (await rig.cluster.admin.get(setOf(namespace)))['spec'].replicas === 2,
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
    await until('no class', conditionIs(namespace, 'classless', 'Degraded', 'NoStorageClass'));
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
