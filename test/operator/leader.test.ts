// Who may write: one operator, and only while it is sure that it leads. Freezing is a clock that jumps at one exact call.
// Never relies on two operators being equally fast: every wait is for a state.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LeaderLease } from '../../src/operator/lease.ts';
import { type Clock, systemClock } from '../../src/platform/clock.ts';
import { createKubeClient } from '../../src/platform/kube/client.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { FakeCall } from '../fakes/kube-api/route.ts';
import { type FakeKubeApi, type FakeFault, startFakeKubeApi } from '../fakes/kube-api/server.ts';
import { change, declare, eventually, find, namespace, quiet, resources, startRig } from './rig.ts';

/** As a process that is stopped and goes on later: its own time has jumped. */
function freezable(): { readonly clock: Clock; freeze: (ms: number) => void } {
  let frozenMs = 0;
  return {
    clock: { nowMs: () => systemClock.nowMs() + frozenMs, wallIso: () => systemClock.wallIso() },
    freeze: ms => (frozenMs += ms),
  };
}

const isBy = (version: string) => (call: FakeCall) =>
  call.headers['user-agent'] === `bigo-operator/${version}`;
const isWork = (call: FakeCall) => call.isWrite && !call.path.includes('/leases');
const workBy = (api: FakeKubeApi, version: string) =>
  api.calls
    .filter(isWork)
    .filter(isBy(version))
    .map(({ method, path }) => `${method} ${path}`);
const replicasOf = (api: FakeKubeApi) =>
  (find(api, 'apps/v1/statefulsets', 'chat-ollama')?.['spec'] as { replicas: number } | undefined)?.replicas;
const isWhole = (api: FakeKubeApi) =>
  (find(api, resources, 'chat')?.['status'] as { observedGeneration?: number } | undefined)
    ?.observedGeneration === find(api, resources, 'chat')?.metadata.generation;

for (const last of [1, 2, 4, 6, 8, 9]) {
  test(`a leader that was frozen at write ${last} of its work writes nothing more; the next one ends it`, async t => {
    const { api, start } = await startRig(t);
    const { clock, freeze } = freezable();
    let writes = 0;
    api.fault = (call): FakeFault | undefined => {
      // A refused Service: the status then brings an Event, which is a write too.
      const isRefused = isWork(call) && call.path.includes('/services/');
      if (isWork(call) && isBy('old')(call) && ++writes === last) freeze(20_000);
      return isRefused ? { status: 422, reason: 'Invalid' } : undefined;
    };
    declare(api, 'chat', { openwebui: { enabled: true } });
    const frozen = await start({ clock, version: 'old' });
    await assert.rejects(frozen.failed, { code: 'lease_lost' });
    assert.equal(workBy(api, 'old').length, last);
    api.fault = () => undefined;
    const next = await start({ version: 'new' });
    await next.leading;
    await eventually('the work is done', () => isWhole(api) && replicasOf(api) === 1, 20_000);
    change(api, resources, 'chat', { spec: { ollama: { replicas: 3 } } });
    await eventually('the next one goes on', () => replicasOf(api) === 3, 20_000);
    assert.equal(workBy(api, 'old').length, last);
  });
}

test('two operators that both believe they lead do no harm, and fall silent', async t => {
  const { api, start } = await startRig(t);
  const one = await start({ version: 'one', leaseNamespace: 'a' });
  const two = await start({ version: 'two', leaseNamespace: 'b' });
  await Promise.all([one.leading, two.leading]);
  declare(api, 'chat', { openwebui: { enabled: true } });
  await eventually('the work is done', () => isWhole(api), 20_000);
  for (const replicas of [3, 2, 4]) change(api, resources, 'chat', { spec: { ollama: { replicas } } });
  await eventually('the last wish counts', () => replicasOf(api) === 4 && isWhole(api), 20_000);
  await quiet(api);
  const set = find(api, 'apps/v1/statefulsets', 'chat-ollama');
  assert.ok(Number(set?.metadata.generation) <= 12, 'neither goes on undoing what the other did');
  const secret = find(api, 'v1/secrets', 'chat-gateway-admin');
  assert.ok(secret?.['data'] !== undefined);
});

test('of two that want the lease never both lead, whatever happens to their requests', async t => {
  const api = await startFakeKubeApi();
  const client = createKubeClient(
    { server: api.url, skipsVerification: false, namespace },
    { userAgent: 'test', nowMs: () => performance.now(), requestMsMax: 100 },
  );
  const stop = new AbortController();
  const faults: readonly (FakeFault | undefined)[] = [
    ...['reset', 'lost', { status: 409, reason: 'Conflict' }, { status: 500 }, { status: 429 }],
    ...[undefined, undefined, undefined, undefined, undefined],
  ] as (FakeFault | undefined)[];
  api.fault = () => faults[Math.floor(Math.random() * faults.length)];
  const times = { durationMs: 150, renewDeadlineMs: 100, retryMs: 10 };
  const options = {
    client,
    namespace,
    name: 'x',
    clock: systemClock,
    rng: Math.random,
    log: silentLog(),
    times,
  };
  const both = ['a', 'b'].map(identity => new LeaderLease({ ...options, identity }));
  let terms = 0;
  const live = async (lease: LeaderLease): Promise<void> => {
    while (!stop.signal.aborted) {
      await lease.acquire(stop.signal);
      terms += 1;
      await lease.hold(stop.signal);
    }
  };
  const running = both.map(live);
  t.after(async () => {
    stop.abort();
    await Promise.all(running);
    await client.close();
    await api.close();
  });
  const endMs = performance.now() + 30_000;
  for (let looks = 0; looks < 300 || terms < 2; looks++) {
    assert.ok(both.filter(lease => lease.isLeader).length < 2, 'two lead at once');
    assert.ok(performance.now() < endMs, 'nobody ever leads twice');
    await sleep(5);
  }
});

test('a lease that was let go is taken at once, and counts the change of its holder', async t => {
  const { api, start } = await startRig(t);
  const first = await start({ version: 'one' });
  await first.leading;
  await first.close();
  const spec = () =>
    find(api, 'coordination.k8s.io/v1/leases', 'bigo-operator')?.['spec'] as Record<string, unknown>;
  assert.equal(spec()['holderIdentity'], '');
  const second = await start({ version: 'two' });
  await second.leading;
  assert.notEqual(spec()['holderIdentity'], '');
  assert.equal(spec()['leaseTransitions'], 1);
});
