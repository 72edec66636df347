// Rules of watching where the server misbehaves: the cache ends equal to the server, and nothing is silently lost.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { Cache, type CacheChange } from '../../src/operator/cache.ts';
import { Reflector } from '../../src/platform/kube/reflector.ts';
import { createKubeClient } from '../../src/platform/kube/client.ts';
import { kubeAccess } from '../../src/platform/kube/kubeconfig.ts';
import type { KubeKind } from '../../src/platform/kube/paths.ts';
import { silentLog } from '../../src/platform/log.ts';
import { type FakeKubeApi, startFakeKubeApi } from '../fakes/kube-api/server.ts';
import { eventually, namespace } from './rig.ts';

const kind: KubeKind = { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps', isNamespaced: true };
const collection = 'v1/configmaps';
const person = { name: 'kubectl', operation: 'Update', subresource: '' } as const;

function put(api: FakeKubeApi, name: string): void {
  api.store.create(
    { collection, namespace, name },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } },
    person,
  );
}

interface Watched {
  readonly api: FakeKubeApi;
  readonly changes: string[];
  readonly names: () => string[];
  readonly reflector: Reflector;
}

async function watched(t: TestContext, silenceMsMax = 5_000): Promise<Watched> {
  const api = await startFakeKubeApi();
  const changes: string[] = [];
  const onChange = (_kind: KubeKind, { type, object }: CacheChange) =>
    void changes.push(`${type} ${object.metadata.name}`);
  const cache = new Cache(() => undefined, onChange);
  const access = { server: api.url, skipsVerification: false, namespace };
  const client = createKubeClient(access, {
    userAgent: 'test',
    nowMs: () => performance.now(),
    requestMsMax: 2_000,
  });
  const limits = {
    pageItems: 2,
    backoffMsMin: 5,
    backoffMsMax: 20,
    watchSecondsMin: 0,
    watchSecondsMax: 0,
    silenceMsMax,
  };
  const reflector = new Reflector({
    client,
    scope: { kind },
    cache,
    trim: object => object,
    rng: Math.random,
    log: silentLog(),
    limits,
  });
  const stop = new AbortController();
  put(api, 'first');
  const running = reflector.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    await client.close();
    await api.close();
  });
  await reflector.synced;
  await eventually('a watch is open', () => api.watches.size === 1);
  return {
    api,
    changes,
    reflector,
    names: () =>
      cache
        .keys(kind)
        .map(key => key.split('/')[1] ?? '')
        .toSorted(),
  };
}

const only = (api: FakeKubeApi) => [...api.watches][0];
const lists = (api: FakeKubeApi) => api.calls.filter(call => !call.isWatch).length;

test('a watch that is cut or ended goes on from its last version, without a list', async t => {
  const { api, names } = await watched(t);
  const before = lists(api);
  for (const end of ['cut', 'end'] as const) {
    only(api)?.[end]();
    put(api, `after-${end}`);
    await eventually('it is seen', () => names().includes(`after-${end}`));
  }
  assert.equal(lists(api), before);
});

test('after 410, as an event or as an answer, what went unseen is deleted, and told', async t => {
  const { api, names, changes } = await watched(t);
  put(api, 'second');
  await eventually('both are there', () => names().length === 2);
  const blind = only(api);
  if (blind !== undefined) blind.relay = () => {};
  api.store.delete({ collection, namespace, name: 'first' }, { orphans: false });
  api.store.compact();
  blind?.expire();
  await eventually('it is gone', () => names().join() === 'second');
  assert.ok(changes.includes('gone first'));
  api.fault = call => (call.isWatch ? { status: 410, reason: 'Expired' } : undefined);
  only(api)?.cut();
  put(api, 'third');
  await eventually('a list shows it', () => names().includes('third'));
});

test('half a line is not an event, and a line that is not JSON means listing again', async t => {
  const { api, names } = await watched(t);
  only(api)?.write('{"type":"ADDED","object":{"metadata":{"name":"half"');
  only(api)?.cut();
  put(api, 'whole');
  await eventually('the next is seen', () => names().includes('whole'));
  const before = lists(api);
  only(api)?.write('no json\n');
  await eventually('it lists', () => lists(api) > before);
  assert.deepEqual(names(), ['first', 'whole']);
});

test('a watch that has fallen silent is given up, and everything listed again', async t => {
  const { api, names } = await watched(t, 150);
  const silent = only(api);
  if (silent !== undefined) silent.relay = () => {};
  put(api, 'unheard');
  await eventually('it is found', () => names().includes('unheard'));
});

test('bookmarks move the version on', async t => {
  const { api } = await watched(t);
  only(api)?.bookmark(5_000);
  await eventually('the bookmark is read', () => {
    only(api)?.end();
    return api.calls.some(call => call.isWatch && call.query.get('resourceVersion') === '5000');
  });
});

test('an event that is older than what is known, or comes twice, changes nothing', async t => {
  const { api, changes } = await watched(t);
  const old = JSON.stringify({
    type: 'MODIFIED',
    object: { metadata: { name: 'first', namespace, resourceVersion: '1' } },
  });
  only(api)?.write(`${old}\n${old}\n`);
  put(api, 'next');
  await eventually('the next is seen', () => changes.includes('set next'));
  assert.deepEqual(changes, ['set first', 'set next']);
});

test('a token that is changed in its file is read again when the old one is refused', async t => {
  const api = await startFakeKubeApi();
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-token-'));
  t.after(async () => {
    await api.close();
    await rm(folder, { recursive: true });
  });
  const tokenFile = path.join(folder, 'token');
  await writeFile(tokenFile, 'old\n');
  const file = path.join(folder, 'config');
  const config = {
    'current-context': 'a',
    contexts: [{ name: 'a', context: { cluster: 'c', user: 'u', namespace: 'team' } }],
    clusters: [{ name: 'c', cluster: { server: `${api.url}/` } }],
    users: [{ name: 'u', user: { tokenFile: 'token' } }],
  };
  await writeFile(file, JSON.stringify(config));
  const access = kubeAccess({ file, env: {} });
  assert.equal(access.namespace, 'team');
  const client = createKubeClient(access, {
    userAgent: 'test',
    nowMs: () => performance.now(),
    requestMsMax: 2_000,
  });
  t.after(() => client.close());
  api.token = 'old';
  await client.list({ kind }, { limit: 1 });
  api.token = 'new';
  await writeFile(tokenFile, 'new\n');
  await client.list({ kind }, { limit: 1 });
  api.token = 'lost';
  await assert.rejects(client.list({ kind }, { limit: 1 }), { code: 401 });
});

test('a kubeconfig that runs a program is refused with a way out', async t => {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-kubeconfig-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'config');
  const config = {
    'current-context': 'a',
    contexts: [{ name: 'a', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: 'https://x' } }],
    users: [{ name: 'u', user: { exec: { command: 'aws' } } }],
  };
  await writeFile(file, JSON.stringify(config));
  assert.throws(() => kubeAccess({ file, env: {} }), /another program: write a token/);
});
