// The law of the operator: whatever is lost, doubled or late, and wherever it dies, the cluster ends as if nothing had happened.
// Never a fixed script: fast-check prints the seed of a run that breaks the law.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FakeCall } from '../fakes/kube-api/route.ts';
import { type FakeKubeApi, startFakeKubeApi } from '../fakes/kube-api/server.ts';
import type { Fields } from '../fakes/kube-api/fields.ts';
import { change, declare, eventually, namespace, ownWrites, quiet, resources, startOn } from './rig.ts';

const collections = [
  'v1/configmaps',
  'v1/services',
  'v1/secrets',
  'apps/v1/statefulsets',
  'apps/v1/deployments',
];

/** Without what differs from run to run by nature; a claim that once was made is kept. */
function endState(api: FakeKubeApi): string[] {
  return collections.flatMap(collection =>
    api.store.list(collection, namespace).map(object => {
      const { name, labels } = object['metadata'] as Fields;
      const data =
        collection === 'v1/secrets' ? Object.keys((object['data'] ?? {}) as Fields) : object['data'];
      return inOrder({ collection, name, labels, spec: object['spec'], data });
    }),
  );
}

/** The same text for the same content, in whatever order the fields came. */
function inOrder(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function mutate(api: FakeKubeApi): void {
  change(api, resources, 'chat', { spec: { ollama: { replicas: 3 } } });
  change(api, resources, 'chat', { spec: { openwebui: { enabled: true } } });
  change(api, resources, 'code', { spec: { ollama: { models: ['qwen3:8b'] } } });
  change(api, resources, 'chat', { spec: { openwebui: { enabled: false } } });
}

async function settled(api: FakeKubeApi): Promise<void> {
  const operator = await startOn(api.url);
  await operator.leading;
  await eventually('both have a status of their last generation', () =>
    api.store.list(resources, namespace).every(object => {
      const { generation } = object['metadata'] as Fields;
      return ((object['status'] ?? {}) as Fields)['observedGeneration'] === generation;
    }),
  );
  await quiet(api, 200);
  const before = ownWrites(api).length;
  await sleep(100);
  assert.equal(ownWrites(api).length, before);
  await operator.close();
}

async function calmRun(): Promise<string[]> {
  const api = await startFakeKubeApi();
  declare(api, 'chat');
  declare(api, 'code');
  mutate(api);
  await settled(api);
  const state = endState(api);
  await api.close();
  return state;
}

interface Life {
  /** Calls until the process dies between two of them. */
  readonly calls: number;
  /** Of the last call: its work is done, only the answer is missing. */
  readonly dies: 'before' | 'after';
  /** Every so many-th event of a watch is lost, doubled or late. */
  readonly lost: number;
  readonly doubled: number;
  readonly late: number;
}

/** One operator that sees the cluster badly and then dies. */
async function liveAndDie(api: FakeKubeApi, life: Life): Promise<void> {
  let calls = 0;
  let events = 0;
  const isMeant = ({ path }: FakeCall) =>
    !path.includes('/leases') && !path.startsWith('/apis/monitoring') && !path.startsWith('/apis/keda');
  api.fault = call => {
    for (const watch of api.watches) {
      watch.relay = (event, pass) => {
        events += 1;
        if (events % life.lost === 0) return;
        if (events % life.late === 0) return void setTimeout(() => pass(event), 15);
        pass(event);
        if (events % life.doubled === 0) pass(event);
      };
    }
    if (!isMeant(call)) return undefined;
    calls += 1;
    if (calls < life.calls) return undefined;
    return calls === life.calls && life.dies === 'after' ? 'lost' : 'reset';
  };
  const operator = await startOn(api.url);
  const endMs = performance.now() + 1_500;
  while (calls < life.calls && performance.now() < endMs) await sleep(5);
  await operator.close();
  api.fault = () => undefined;
}

test('after any deaths, losses and doublings the end state is the same', async () => {
  const calm = await calmRun();
  const life = fc.record({
    calls: fc.integer({ min: 20, max: 140 }),
    dies: fc.constantFrom('before' as const, 'after' as const),
    lost: fc.integer({ min: 2, max: 9 }),
    doubled: fc.integer({ min: 2, max: 9 }),
    late: fc.integer({ min: 2, max: 9 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 3 }), async lives => {
      const api = await startFakeKubeApi();
      try {
        declare(api, 'chat');
        declare(api, 'code');
        const [first, ...others] = lives;
        if (first !== undefined) await liveAndDie(api, first);
        mutate(api);
        for (const other of others) await liveAndDie(api, other);
        await settled(api);
        assert.deepEqual(endState(api), calm);
      } finally {
        await api.close();
      }
    }),
    { numRuns: 5, endOnFailure: true },
  );
});
