// Rules of the operator as a whole, beside a fake API server: makes, repairs, prunes, leaves alone, and then is silent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../src/api/ollama-deployment/status.ts';
import {
  change,
  declare,
  eventually,
  find,
  names,
  namespace,
  ownWrites,
  quiet,
  resources,
  startRig,
} from './rig.ts';
import type { FakeKubeApi } from '../fakes/kube-api/server.ts';

const statusOf = (api: FakeKubeApi, name: string) =>
  find(api, resources, name)?.['status'] as Status | undefined;
const replicasOf = (api: FakeKubeApi) =>
  (find(api, 'apps/v1/statefulsets', 'chat-ollama')?.['spec'] as { replicas: number } | undefined)?.replicas;
const condition = (api: FakeKubeApi, name: string, type: string) =>
  statusOf(api, name)?.conditions?.find(found => found.type === type);

test('a resource becomes its objects, each owned by it, and a status of what is there', async t => {
  const { api, start } = await startRig(t);
  declare(api, 'chat');
  await start();
  await eventually(
    'the StatefulSet is there',
    () => find(api, 'apps/v1/statefulsets', 'chat-ollama') !== undefined,
  );
  await eventually('a status is written', () => statusOf(api, 'chat')?.observedGeneration === 1);
  const set = find(api, 'apps/v1/statefulsets', 'chat-ollama');
  const owner = set?.metadata.ownerReferences?.[0];
  assert.equal(owner?.uid, find(api, resources, 'chat')?.metadata.uid);
  assert.equal(owner?.controller, true);
  assert.equal(condition(api, 'chat', 'Ready')?.status, 'False');
  assert.equal(statusOf(api, 'chat')?.phase, 'Pending');
});

test('a second pass and a restart write nothing', async t => {
  const { api, start } = await startRig(t);
  declare(api, 'chat', { openwebui: { enabled: true } });
  const first = await start();
  await eventually('a status is written', () => statusOf(api, 'chat') !== undefined);
  await quiet(api);
  const before = ownWrites(api).length;
  change(api, resources, 'chat', { metadata: { annotations: { look: 'again' } } });
  await sleep(300);
  assert.deepEqual(ownWrites(api).slice(before), []);
  await first.close();
  const second = await start();
  await second.leading;
  await sleep(500);
  assert.deepEqual(ownWrites(api).slice(before), []);
});

test('a child that is edited, deleted or stripped of its label is put right', async t => {
  const { api, start } = await startRig(t);
  declare(api, 'chat');
  await start();
  await eventually('a status is written', () => statusOf(api, 'chat') !== undefined);
  change(api, 'v1/configmaps', 'chat-models', { data: { 'models.yaml': 'broken' } });
  await eventually('the edit is undone', () => {
    const data = find(api, 'v1/configmaps', 'chat-models')?.['data'] as Record<string, string>;
    return data['models.yaml'] === '["llama3.2:1b"]';
  });
  api.store.delete({ collection: 'v1/services', namespace, name: 'chat-ollama' }, { orphans: false });
  await eventually('the Service is back', () => find(api, 'v1/services', 'chat-ollama') !== undefined);
  change(api, 'v1/services', 'chat-ollama', { metadata: { labels: { 'ollama-deployment': null } } });
  await eventually('the label is back', () => {
    return find(api, 'v1/services', 'chat-ollama')?.metadata.labels?.['ollama-deployment'] === 'chat';
  });
});

test('a Secret, which may not be watched, comes back too, and its keys stay the same while it is there', async t => {
  const { api, start } = await startRig(t);
  declare(api, 'chat');
  await start();
  await eventually('the Secret is there', () => find(api, 'v1/secrets', 'chat-gateway-admin') !== undefined);
  const token = () =>
    (find(api, 'v1/secrets', 'chat-gateway-admin')?.['data'] as Record<string, string>)?.['token'];
  const before = token();
  change(api, resources, 'chat', { spec: { ollama: { models: ['qwen3:8b'] } } });
  await quiet(api);
  assert.equal(token(), before);
  api.store.delete({ collection: 'v1/secrets', namespace, name: 'chat-gateway-admin' }, { orphans: false });
  await eventually('the Secret is back', () => token() !== undefined);
});

test('a component that is switched off loses its objects, and keeps its claim', async t => {
  const { api, start } = await startRig(t);
  declare(api, 'chat', { openwebui: { enabled: true } });
  await start();
  await eventually('OpenWebUI is there', () => names(api, 'apps/v1/deployments').includes('chat-openwebui'));
  await quiet(api);
  change(api, resources, 'chat', { spec: { openwebui: { enabled: false } } });
  await eventually('OpenWebUI is gone', () => !names(api, 'apps/v1/deployments').includes('chat-openwebui'));
  await quiet(api);
  assert.deepEqual(names(api, 'v1/persistentvolumeclaims'), ['chat-openwebui']);
  change(api, resources, 'chat', { spec: { openwebui: { enabled: true } } });
  await eventually('OpenWebUI is back', () => names(api, 'apps/v1/deployments').includes('chat-openwebui'));
  await quiet(api);
  assert.notEqual(condition(api, 'chat', 'Degraded')?.reason, 'NameConflict');
});

test('an object of a name we need that belongs to somebody else is left alone and named', async t => {
  const { api, start } = await startRig(t);
  const at = { collection: 'v1/services', namespace, name: 'chat-ollama' };
  const theirs = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'chat-ollama', namespace },
    spec: { ports: [{ port: 1 }] },
  };
  api.store.create(at, theirs, { name: 'kubectl', operation: 'Update', subresource: '' });
  const before = find(api, 'v1/services', 'chat-ollama')?.metadata.resourceVersion;
  declare(api, 'chat');
  await start();
  await eventually(
    'the conflict is named',
    () => condition(api, 'chat', 'Degraded')?.reason === 'NameConflict',
  );
  assert.match(
    condition(api, 'chat', 'Degraded')?.message ?? '',
    /Service chat-ollama exists and is not ours/,
  );
  assert.equal(find(api, 'v1/services', 'chat-ollama')?.metadata.resourceVersion, before);
  assert.ok(names(api, 'apps/v1/statefulsets').includes('chat-ollama'), 'the other objects are made');
});

test('replicas that somebody writes on the resource reach the workload, and are never written back', async t => {
  const { api, start } = await startRig(t);
  declare(api, 'chat');
  await start();
  await eventually('the set is there', () => find(api, 'apps/v1/statefulsets', 'chat-ollama') !== undefined);
  for (const replicas of [2, 3, 1, 4]) {
    change(api, resources, 'chat', { spec: { ollama: { replicas } } });
    await eventually(`${replicas} are wanted`, () => {
      return replicasOf(api) === replicas;
    });
    const spec = find(api, resources, 'chat')?.['spec'] as { ollama: { replicas: number } } | undefined;
    assert.equal(spec?.ollama.replicas, replicas);
  }
});

test('one object that is refused does not keep the others away, and says why until it is accepted', async t => {
  const { api, start } = await startRig(t);
  api.fault = ({ path, isWrite }) =>
    isWrite && path.includes('/services/') ? { status: 422, reason: 'Invalid' } : undefined;
  declare(api, 'chat');
  await start();
  await eventually(
    'the refusal is named',
    () => condition(api, 'chat', 'Degraded')?.reason === 'ObjectRefused',
  );
  assert.ok(names(api, 'apps/v1/statefulsets').includes('chat-ollama'));
  assert.equal(statusOf(api, 'chat')?.observedGeneration, 1);
  api.fault = () => undefined;
  change(api, resources, 'chat', { spec: { ollama: { replicas: 2 } } });
  await eventually('the condition clears', () => condition(api, 'chat', 'Degraded')?.status === 'False');
});

/** Pauses double while it lasts, up to ten seconds: so long after its end a key may still wait. */
const stormMsMax = 5_000;
const afterStormMsMax = 45_000;
const resyncedMsMax = 30_000;

test('a storm of 429, 500, 409 and cut connections ends in the same state', async t => {
  const { api, start } = await startRig(t);
  let calls = 0;
  const endMs = performance.now() + stormMsMax;
  const faults = [
    { status: 429, retryAfterSeconds: 0 },
    { status: 500 },
    { status: 409, reason: 'Conflict' },
    'reset',
    'lost',
  ] as const;
  api.fault = ({ path }) => {
    if (path.includes('/leases') || calls > 250 || performance.now() > endMs) return undefined;
    calls += 1;
    return calls % 3 === 0 ? faults[(calls / 3) % faults.length] : undefined;
  };
  declare(api, 'chat');
  declare(api, 'code');
  await start();
  for (const name of ['chat', 'code']) {
    await eventually(
      `${name} has a status`,
      () => statusOf(api, name)?.observedGeneration === 1,
      afterStormMsMax,
    );
    for (const collection of ['apps/v1/statefulsets', 'v1/services']) {
      const isThere = () => names(api, collection).includes(`${name}-ollama`);
      await eventually(`${name} has its ${collection}`, isThere, afterStormMsMax);
    }
  }
});

test('an Event tells a change once', async t => {
  const { api, start } = await startRig(t);
  api.fault = ({ path, isWrite }) =>
    isWrite && path.includes('/services/') ? { status: 422, reason: 'Invalid' } : undefined;
  declare(api, 'chat');
  await start();
  await eventually('the Event is there', () => names(api, 'events.k8s.io/v1/events').length === 1);
  for (const turn of ['1', '2', '3']) change(api, resources, 'chat', { metadata: { annotations: { turn } } });
  await sleep(400);
  const events = api.store.list('events.k8s.io/v1/events', namespace);
  assert.deepEqual(
    events.map(event => [event['type'], event['reason']]),
    [['Warning', 'ObjectRefused']],
  );
});

test('of two operators one acts; the other takes over when the first ends', async t => {
  const { api, start } = await startRig(t);
  const first = await start();
  await first.leading;
  const second = await start();
  let isSecondLeading = false;
  void second.leading.then(() => (isSecondLeading = true));
  declare(api, 'chat');
  await eventually('the first acts', () => find(api, 'apps/v1/statefulsets', 'chat-ollama') !== undefined);
  assert.equal(isSecondLeading, false);
  await quiet(api);
  const before = ownWrites(api).length;
  await first.close();
  await eventually('the second leads', () => isSecondLeading);
  await sleep(300);
  assert.deepEqual(ownWrites(api).slice(before), []);
  change(api, resources, 'chat', { spec: { ollama: { replicas: 3 } } });
  await eventually('the second acts', () => {
    return replicasOf(api) === 3;
  });
});

test('an operator that cannot renew its lease fails, and writes nothing more', async t => {
  const { api, start } = await startRig(t);
  const operator = await start();
  await operator.leading;
  api.fault = ({ path, isWrite }) => (isWrite && path.includes('/leases') ? { status: 500 } : undefined);
  await assert.rejects(operator.failed, { code: 'lease_lost' });
  declare(api, 'chat');
  await sleep(300);
  assert.deepEqual(ownWrites(api), []);
});

test('before every cache is filled nothing is written', async t => {
  const { api, start } = await startRig(t);
  let isBlocked = true;
  api.fault = ({ path }) => (isBlocked && path.endsWith('/networkpolicies') ? { status: 500 } : undefined);
  declare(api, 'chat');
  const operator = await start();
  await sleep(400);
  assert.deepEqual(ownWrites(api), []);
  assert.equal((await fetch(`${operator.adminUrl}/readyz`)).status, 503);
  isBlocked = false;
  await eventually('it goes on', () => find(api, 'apps/v1/statefulsets', 'chat-ollama') !== undefined);
  assert.equal((await fetch(`${operator.adminUrl}/readyz`)).status, 200);
});

test('everything is looked at again from time to time, although nothing was heard of, and nothing is written for it', async t => {
  const { api, start } = await startRig(t);
  declare(api, 'chat');
  declare(api, 'code');
  const { adminUrl } = await start({ limits: { resyncMs: 200 } });
  for (const name of ['chat', 'code'])
    await eventually(`${name} has a status`, () => statusOf(api, name) !== undefined);
  await quiet(api);
  const before = ownWrites(api).length;
  const passes = async () => {
    const text = await (await fetch(`${adminUrl}/metrics`)).text();
    const counts = text.matchAll(/^controller_runtime_reconcile_total\{.*\} (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const seen = await passes();
  const endMs = performance.now() + resyncedMsMax;
  // Both resources, three times over.
  while ((await passes()) < seen + 6) {
    assert.ok(performance.now() < endMs, 'nobody looks again');
    await sleep(50);
  }
  assert.deepEqual(ownWrites(api).slice(before), []);
});

test('metrics count passes, and a resource that is gone leaves no series', async t => {
  const { api, start } = await startRig(t);
  const { adminUrl } = await start();
  declare(api, 'chat');
  await eventually('a status is written', () => statusOf(api, 'chat') !== undefined);
  const metrics = async () => (await fetch(`${adminUrl}/metrics`)).text();
  const text = await metrics();
  assert.match(
    text,
    /controller_runtime_reconcile_total\{controller="ollamadeployment",result="success"\} \d/,
  );
  assert.match(text, /bigo_operator_ready\{namespace="default",fleet="chat"\} 0/);
  assert.match(text, /leader_election_master_status\{name="bigo-operator"\} 1/);
  api.store.delete({ collection: resources, namespace, name: 'chat' }, { orphans: false });
  await eventually('its objects went with it', () => names(api, 'apps/v1/statefulsets').length === 0);
  await sleep(100);
  assert.doesNotMatch(await metrics(), /fleet="chat"/);
});
