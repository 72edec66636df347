// Single things that go wrong beside a fake API server: overload, faults of our own, references into nothing, lost marks.
// Never a storm of everything at once: that is in operator.test.ts and property.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../src/api/ollama-deployment/status.ts';
import type { FakeKubeApi } from '../fakes/kube-api/server.ts';
import {
  change,
  declare,
  eventually,
  find,
  names,
  namespace,
  panicModel,
  quiet,
  resources,
  startRig,
} from './rig.ts';

const person = { name: 'kubectl', operation: 'Update', subresource: '' } as const;
const statusOf = (api: FakeKubeApi, name: string) =>
  find(api, resources, name)?.['status'] as Status | undefined;
const condition = (api: FakeKubeApi, name: string, type: string) =>
  statusOf(api, name)?.conditions?.find(found => found.type === type);
const hasStatus = (api: FakeKubeApi, name: string) => () => statusOf(api, name) !== undefined;

test('a server that answers 429 is left alone for as long as it asks, by the whole pass', async t => {
  const { api, start } = await startRig(t);
  const refusedAtMs: number[] = [];
  api.fault = ({ isWrite, path }) => {
    if (!isWrite || path.includes('/leases') || refusedAtMs.length >= 2) return undefined;
    refusedAtMs.push(performance.now());
    return { status: 429, retryAfterSeconds: 1 };
  };
  declare(api, 'chat');
  await start();
  await eventually('it goes on', hasStatus(api, 'chat'), 20_000);
  const [first = 0, second = 0] = refusedAtMs;
  assert.ok(second - first >= 950, `asked again after ${Math.round(second - first)} ms`);
});

test('a fault of the operator with one resource is counted and tried again, and the others do not suffer', async t => {
  const { api, start } = await startRig(t);
  const { adminUrl } = await start();
  declare(api, 'bad', { ollama: { models: [panicModel] } });
  declare(api, 'chat');
  await eventually('the other one is served', hasStatus(api, 'chat'));
  const panics = async () =>
    Number(
      /controller_runtime_reconcile_panics_total\{[^}]*\} (\d+)/.exec(
        await (await fetch(`${adminUrl}/metrics`)).text(),
      )?.[1] ?? 0,
    );
  for (const endMs = performance.now() + 8_000; (await panics()) < 2;) {
    assert.ok(performance.now() < endMs, 'it is tried again, and counted');
    await sleep(20);
  }
  change(api, resources, 'bad', { spec: { ollama: { models: ['llama3.2:1b'] } } });
  await eventually('it is served once the cause is gone', hasStatus(api, 'bad'));
});

test('a resource that cannot be read says which field is wrong, is not tried again, and recovers', async t => {
  const { api, start } = await startRig(t);
  const { adminUrl } = await start();
  declare(api, 'chat');
  await eventually('a status is written', hasStatus(api, 'chat'));
  await quiet(api);
  change(api, resources, 'chat', { spec: { ollama: { replicas: 'many' } } });
  await eventually('the field is named', () => condition(api, 'chat', 'Degraded')?.reason === 'InvalidSpec');
  assert.match(condition(api, 'chat', 'Degraded')?.message ?? '', /spec\.ollama\.replicas/);
  assert.equal(condition(api, 'chat', 'Ready')?.status, 'False');
  assert.equal(statusOf(api, 'chat')?.observedGeneration, find(api, resources, 'chat')?.metadata.generation);
  assert.ok(names(api, 'apps/v1/statefulsets').includes('chat-ollama'), 'what runs stays');
  const passes = async () =>
    /controller_runtime_terminal_reconcile_errors_total\{[^}]*\} (\d+)/.exec(
      await (await fetch(`${adminUrl}/metrics`)).text(),
    )?.[1];
  await quiet(api);
  const before = await passes();
  await sleep(300);
  assert.equal(await passes(), before, 'it is not tried again until it changes');
  change(api, resources, 'chat', { spec: { ollama: { replicas: 2 } } });
  await eventually('it recovers', () => condition(api, 'chat', 'Degraded')?.status === 'False');
});

test('an object whose owner was taken off by hand gets it back, and one that was orphaned is taken up again', async t => {
  const { api, start } = await startRig(t);
  await start();
  declare(api, 'chat');
  await eventually('a status is written', hasStatus(api, 'chat'));
  await quiet(api);
  const owner = () => find(api, 'v1/services', 'chat-ollama')?.metadata.ownerReferences?.[0]?.uid;
  change(api, 'v1/services', 'chat-ollama', { metadata: { ownerReferences: null } });
  await eventually('the owner is back', () => owner() === find(api, resources, 'chat')?.metadata.uid);
  api.store.delete({ collection: resources, namespace, name: 'chat' }, { orphans: true });
  for (const collection of ['v1/services', 'apps/v1/statefulsets']) {
    change(api, collection, 'chat-ollama', { metadata: { ownerReferences: null } });
  }
  declare(api, 'chat');
  await eventually('the new one owns it', () => owner() === find(api, resources, 'chat')?.metadata.uid);
});

test('a Service that Tabby is to use and a claim that does not exist are named, until they are there', async t => {
  const { api, start } = await startRig(t);
  await start();
  declare(api, 'code', {
    ollama: { storage: { mode: 'shared', existingClaim: 'models' } },
    tabby: { enabled: true, ollamaServiceName: 'elsewhere' },
  });
  await eventually('the claim is named', () =>
    /there is no claim models/.test(condition(api, 'code', 'Degraded')?.message ?? ''),
  );
  assert.equal(condition(api, 'code', 'TabbyReady')?.reason, 'ServiceNotFound');
  assert.match(condition(api, 'code', 'TabbyReady')?.message ?? '', /tabby\.ollamaServiceName.*elsewhere/);
  const make = (kind: string, collection: string, name: string) =>
    api.store.create(
      { collection, namespace, name },
      { apiVersion: 'v1', kind, metadata: { name, namespace }, spec: {} },
      person,
    );
  make('Service', 'v1/services', 'elsewhere');
  make('PersistentVolumeClaim', 'v1/persistentvolumeclaims', 'models');
  change(api, resources, 'code', { metadata: { annotations: { look: 'again' } } });
  await eventually('nothing is missing', () => condition(api, 'code', 'Degraded')?.status === 'False');
});

test('a Secret that is not wanted any more goes, also when no operator saw the change', async t => {
  const { api, start } = await startRig(t);
  const first = await start();
  declare(api, 'chat', { openwebui: { enabled: true } });
  await eventually('the Secret is there', () => names(api, 'v1/secrets').includes('chat-openwebui'));
  await quiet(api);
  await first.close();
  change(api, resources, 'chat', { spec: { openwebui: { enabled: false } } });
  await start();
  await eventually('the Secret is gone', () => !names(api, 'v1/secrets').includes('chat-openwebui'));
  assert.ok(names(api, 'v1/secrets').includes('chat-gateway-admin'));
});

test('a Secret that was looked for is not looked for again because the next one could not be read', async t => {
  const { api, start } = await startRig(t);
  let failures = 0;
  api.fault = ({ path }) => {
    if (!path.endsWith('/secrets/chat-tabby') || failures === 3) return undefined;
    failures += 1;
    return { status: 500 };
  };
  await start();
  declare(api, 'chat', { gateway: { enabled: false } });
  await eventually('a status is written', hasStatus(api, 'chat'));
  const asked = api.calls.filter(({ path }) => path.endsWith('/secrets/chat-openwebui'));
  assert.equal(asked.length, 1);
});

test('optional kinds are asked for when the operator starts, and never in a pass', async t => {
  const { api, start } = await startRig(t);
  api.unknownApis.add('keda.sh/v1alpha1');
  await (
    await start()
  ).leading;
  const discoveries = () => api.calls.filter(({ path }) => /^\/apis\/[^/]+\/[^/]+$/.test(path)).length;
  const before = discoveries();
  declare(api, 'chat');
  await eventually('a status is written', hasStatus(api, 'chat'));
  for (const turn of ['1', '2', '3']) {
    change(api, resources, 'chat', { metadata: { annotations: { turn } } });
    await quiet(api, 50);
  }
  assert.equal(discoveries(), before);
  assert.ok(before > 0 && before <= 3);
  assert.equal(
    api.calls.filter(({ path }) => path.includes('keda.sh')).length,
    1,
    'what is absent is not listed',
  );
});
