// What the operator counts on from an API server, as one suite: run against the fake one and against the real one.
// Never about what only one of them does: that is in their own tests.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../src/api/kube-object.ts';
import { Cache } from '../../src/operator/cache.ts';
import { difference } from '../../src/operator/core/subset.ts';
import { trim } from '../../src/operator/kinds.ts';
import { Reflector } from '../../src/platform/kube/reflector.ts';
import type { KubeClient } from '../../src/platform/kube/client.ts';
import { KubeError } from '../../src/platform/kube/kube-error.ts';
import type { KubeKind } from '../../src/platform/kube/paths.ts';
import { silentLog } from '../../src/platform/log.ts';

export interface Server {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Forgets all versions but the present ones. */
  compact(): Promise<void>;
}

const kind = (apiVersion: string, name: string, plural: string): KubeKind => ({
  apiVersion,
  kind: name,
  plural,
  isNamespaced: true,
});
const CONFIG = kind('v1', 'ConfigMap', 'configmaps');
const SERVICE = kind('v1', 'Service', 'services');
const SET = kind('apps/v1', 'StatefulSet', 'statefulsets');
const manager = 'bigo-operator';
const mark = 'ollama-deployment';

const code = (expected: number) => (error: unknown) => error instanceof KubeError && error.code === expected;

const config = (
  namespace: string,
  name: string,
  data: Record<string, string>,
  labels: Record<string, string> = {},
): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace, labels: { [mark]: 'chat', ...labels } },
  data,
});
const apply = ({ client }: Server, object: KubeObject, of = CONFIG, force = true) =>
  client.apply(of, object, { fieldManager: manager, force });

export function contract(start: () => Promise<Server>): void {
  reads(start);
  watches(start);
  writes(start);
  compares(start);
  reflects(start);
}

function reads(start: () => Promise<Server>): void {
  it('lists in pages, each object once', async () => {
    const server = await start();
    const { client, namespace } = server;
    for (let index = 0; index < 7; index++)
      await apply(server, config(namespace, `page-${index}`, { index: String(index) }));
    const names: string[] = [];
    let continueToken: string | undefined;
    do {
      const scope = { kind: CONFIG, namespace, labelSelector: mark };
      const page = await client.list(scope, {
        limit: 3,
        ...(continueToken === undefined ? {} : { continueToken }),
      });
      names.push(...page.items.map(({ metadata }) => metadata.name));
      assert.ok(page.items.every(item => item.kind === 'ConfigMap' && item.apiVersion === 'v1'));
      continueToken = page.continueToken;
    } while (continueToken !== undefined);
    assert.deepEqual(
      names.toSorted(),
      Array.from({ length: 7 }, (_, index) => `page-${index}`),
    );
  });

  it('refuses a page and a watch of a version that is forgotten with 410', async () => {
    const server = await start();
    const { client, namespace } = server;
    for (let index = 0; index < 4; index++) await apply(server, config(namespace, `old-${index}`, {}));
    const scope = { kind: CONFIG, namespace, labelSelector: mark };
    const first = await client.list(scope, { limit: 2 });
    for (let turn = 0; turn < 3; turn++)
      await apply(server, config(namespace, 'old-0', { turn: String(turn) }));
    await server.compact();
    await assert.rejects(
      client.list(scope, { limit: 2, continueToken: first.continueToken ?? '' }),
      code(410),
    );
    const watching = {
      resourceVersion: '1',
      timeoutSeconds: 30,
      idleMsMax: 30_000,
      signal: AbortSignal.timeout(20_000),
    };
    const drain = async (): Promise<void> => {
      for await (const _event of client.watch(scope, watching)) continue;
    };
    await assert.rejects(drain(), code(410));
  });
}

function watches(start: () => Promise<Server>): void {
  it('watches from where a list ended: added, changed, and gone when a label is taken off', async () => {
    const server = await start();
    const { client, namespace } = server;
    const scope = { kind: CONFIG, namespace, labelSelector: mark };
    const { resourceVersion } = await client.list(scope, { limit: 100 });
    await apply(server, config(namespace, 'seen', { a: '1' }));
    await apply(server, config(namespace, 'seen', { a: '2' }));
    await client.merge(
      { kind: CONFIG, namespace, name: 'seen' },
      { metadata: { labels: { [mark]: null } } },
      'kubectl',
    );
    const seen: string[] = [];
    const watching = {
      resourceVersion,
      timeoutSeconds: 30,
      idleMsMax: 30_000,
      signal: AbortSignal.timeout(20_000),
    };
    for await (const { type, object } of client.watch(scope, watching)) {
      if (object.metadata.name === 'seen') seen.push(type);
      if (seen.length === 3) break;
    }
    assert.deepEqual(seen, ['ADDED', 'MODIFIED', 'DELETED']);
  });
}

function writes(start: () => Promise<Server>): void {
  it('an apply of the same changes nothing, an apply of less takes away what was ours', async () => {
    const server = await start();
    const { namespace } = server;
    const first = await apply(server, config(namespace, 'whole', { a: '1', b: '2' }));
    const again = await apply(server, config(namespace, 'whole', { a: '1', b: '2' }));
    assert.equal(again.metadata.resourceVersion, first.metadata.resourceVersion);
    const less = await apply(server, config(namespace, 'whole', { a: '1' }));
    assert.deepEqual(less['data'], { a: '1' });
  });

  it('without force the value of another manager is a conflict; with force it is ours', async () => {
    const server = await start();
    const { client, namespace } = server;
    await client.create(CONFIG, config(namespace, 'theirs', { a: 'their' }));
    await assert.rejects(apply(server, config(namespace, 'theirs', { a: 'our' }), CONFIG, false), code(409));
    const taken = await apply(server, config(namespace, 'theirs', { a: 'our' }));
    assert.deepEqual(taken['data'], { a: 'our' });
  });

  it('refuses a stale version, another uid and a missing name', async () => {
    const server = await start();
    const { client, namespace } = server;
    const ref = { kind: CONFIG, namespace, name: 'once' };
    await assert.rejects(client.get(ref), code(404));
    const first = await apply(server, config(namespace, 'once', { a: '1' }));
    await apply(server, config(namespace, 'once', { a: '2' }));
    await assert.rejects(client.replace(CONFIG, { ...first, data: { a: '3' } }), code(409));
    await assert.rejects(client.delete(ref, { uid: 'another', propagation: 'Background' }), code(409));
    await client.delete(ref, { uid: first.metadata.uid ?? '', propagation: 'Background' });
    await assert.rejects(client.get(ref), code(404));
  });
}

const labels = { 'app.kubernetes.io/name': 'x' };
const objects: readonly (readonly [KubeKind, (namespace: string) => KubeObject])[] = [
  [
    SERVICE,
    namespace => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'svc', namespace, labels: { [mark]: 'chat' } },
      spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
    }),
  ],
  [
    SET,
    namespace => ({
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'set', namespace, labels: { [mark]: 'chat' } },
      spec: {
        serviceName: 'svc',
        replicas: 0,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            containers: [
              {
                name: 'main',
                image: 'none',
                args: ['serve'],
                env: [
                  { name: 'EMPTY', value: '' },
                  { name: 'ONE', value: '1' },
                ],
                ports: [{ name: 'http', containerPort: 80 }],
                resources: { requests: { cpu: '0.5', memory: '1024Mi' }, limits: { cpu: 2 } },
              },
            ],
            tolerations: [],
            nodeSelector: { disk: 'gold' },
          },
        },
      },
    }),
  ],
];

function compares(start: () => Promise<Server>): void {
  for (const [of, make] of objects) {
    it(`sees no difference in a ${of.kind} that was just applied, and each edit of what is ours`, async () => {
      const server = await start();
      const { client, namespace } = server;
      const wanted = make(namespace);
      const shown = async () => ({
        ...(await client.get({ kind: of, namespace, name: wanted.metadata.name })),
        apiVersion: of.apiVersion,
        kind: of.kind,
      });
      await apply(server, wanted, of);
      assert.equal(difference(wanted, trim(of)(await shown()), manager), undefined);
      await client.merge(
        { kind: of, namespace, name: wanted.metadata.name },
        { metadata: { labels: { mine: 'yes' } } },
        'kubectl',
      );
      assert.equal(difference(wanted, trim(of)(await shown()), manager), undefined);
      await client.merge(
        { kind: of, namespace, name: wanted.metadata.name },
        { metadata: { labels: { [mark]: 'other' } } },
        'kubectl',
      );
      assert.equal(difference(wanted, trim(of)(await shown()), manager), `metadata.labels.${mark}`);
      await apply(server, wanted, of);
      assert.equal(difference(wanted, trim(of)(await shown()), manager), undefined);
    });
  }
}

function reflects(start: () => Promise<Server>): void {
  it('a reflector’s cache equals the server after changes, a compaction and a relist', async () => {
    const server = await start();
    const { client, namespace } = server;
    const cache = new Cache(
      () => undefined,
      () => {},
    );
    const stop = new AbortController();
    const scope = { kind: CONFIG, namespace, labelSelector: mark };
    const limits = {
      pageItems: 2,
      backoffMsMin: 10,
      backoffMsMax: 100,
      watchSecondsMin: 1,
      watchSecondsMax: 2,
    };
    const reflector = new Reflector({
      client,
      scope,
      cache,
      trim: trim(CONFIG),
      rng: Math.random,
      log: silentLog(),
      limits,
    });
    const running = reflector.run(stop.signal);
    await reflector.synced;
    for (let index = 0; index < 5; index++)
      await apply(server, config(namespace, `kept-${index}`, { index: String(index) }));
    await client.delete({ kind: CONFIG, namespace, name: 'kept-1' }, { propagation: 'Background' });
    await server.compact();
    await apply(server, config(namespace, 'kept-2', { index: 'new' }));
    const truth = async () => {
      const { items } = await client.list(scope, { limit: 500 });
      return items.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).toSorted();
    };
    const known = () =>
      cache
        .all(CONFIG)
        .map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`)
        .toSorted();
    const endMs = performance.now() + 30_000;
    while (JSON.stringify(known()) !== JSON.stringify(await truth()) && performance.now() < endMs)
      await sleep(50);
    assert.deepEqual(known(), await truth());
    stop.abort();
    await running;
  });
}
