// Loading, eviction and waiting, with runners that only note what happens to them. Never loads weights.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseModelName } from '../api/names.ts';
import type { Model } from './core/model.ts';
import { Scheduler } from './scheduler.ts';
import type { LoadWish, SchedulerSetting } from './scheduler.ts';
import type { Runner, RunnerSpec } from './runner.ts';

interface Bench {
  readonly scheduler: Scheduler;
  /** `+m` = loaded, `-m` = unloaded. */
  readonly events: string[];
  readonly wish: (model: string, more?: Partial<LoadWish>) => LoadWish;
}

function bench(more: Partial<SchedulerSetting> = {}): Bench {
  const events: string[] = [];
  const load = async (spec: RunnerSpec): Promise<Runner> => {
    await Promise.resolve();
    events.push(`+${spec.weightsPath}`);
    const dispose = async (): Promise<void> => {
      await Promise.resolve();
      events.push(`-${spec.weightsPath}`);
    };
    return { spec, sizeBytes: 1, dispose } as unknown as Runner;
  };
  const setting = {
    loadedMax: 1,
    pendingMax: 8,
    keepAliveMs: 60_000,
    slots: 1,
    load,
    log: () => {},
    ...more,
  };
  return {
    scheduler: new Scheduler(setting),
    events,
    wish: (name, wish = {}) => ({
      model: {
        name: parseModelName(name),
        weightsPath: name,
        adapterPaths: [],
        facts: {},
      } as unknown as Model,
      shape: { contextLength: 512, batchSize: 512, threads: 1, useMmap: true },
      keepAliveMs: undefined,
      signal: new AbortController().signal,
      ...wish,
    }),
  };
}

test('one load serves all who want the model', async () => {
  const { scheduler, events, wish } = bench();
  const leases = await Promise.all([wish('a'), wish('a'), wish('a')].map(each => scheduler.acquire(each)));
  assert.equal(new Set(leases.map(lease => lease.runner)).size, 1);
  assert.deepEqual(events, ['+a']);
});

test('a model in use is unloaded only when its last request has ended', async () => {
  const { scheduler, events, wish } = bench();
  const first = await scheduler.acquire(wish('a'));
  const second = scheduler.acquire(wish('b'));
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(events, ['+a']);
  first.release();
  first.release();
  (await second).release();
  assert.deepEqual(events, ['+a', '-a', '+b']);
});

test('with room for two the one with the shorter keep-alive goes', async () => {
  const { scheduler, events, wish } = bench({ loadedMax: 2 });
  (await scheduler.acquire(wish('a', { keepAliveMs: 50_000 }))).release();
  (await scheduler.acquire(wish('b', { keepAliveMs: 40_000 }))).release();
  (await scheduler.acquire(wish('c'))).release();
  assert.deepEqual(events, ['+a', '+b', '-b', '+c']);
});

test('other runner options reload the same weights', async () => {
  const { scheduler, events, wish } = bench({ loadedMax: 2 });
  (await scheduler.acquire(wish('a'))).release();
  (await scheduler.acquire(wish('a', { shape: { ...wish('a').shape, contextLength: 256 } }))).release();
  assert.deepEqual(events, ['+a', '-a', '+a']);
});

test('keep_alive 0 unloads after the request; expire unloads what is idle at once', async () => {
  const { scheduler, events, wish } = bench();
  (await scheduler.acquire(wish('a', { keepAliveMs: 0 }))).release();
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(events, ['+a', '-a']);
  (await scheduler.acquire(wish('b'))).release();
  scheduler.expire(wish('b').model);
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(events, ['+a', '-a', '+b', '-b']);
  assert.deepEqual(scheduler.loaded(), []);
});

test('who leaves while it waits for a load is let go, and the next one is served', async () => {
  const { scheduler, events, wish } = bench();
  const holder = await scheduler.acquire(wish('a'));
  const stop = new AbortController();
  const leaving = scheduler.acquire(wish('b', { signal: stop.signal }));
  const staying = scheduler.acquire(wish('c'));
  stop.abort();
  await assert.rejects(leaving, { status: 499 });
  holder.release();
  (await staying).release();
  assert.deepEqual(events, ['+a', '-a', '+c']);
});

test('more waiting loads than allowed are refused with status 503', async () => {
  const { scheduler, wish } = bench({ pendingMax: 1 });
  const holder = await scheduler.acquire(wish('a'));
  const waiting = scheduler.acquire(wish('b'));
  await assert.rejects(scheduler.acquire(wish('c')), { status: 503, message: /^server busy/ });
  holder.release();
  (await waiting).release();
});

test('a load that fails leaves room for the next one', async () => {
  let failing = true;
  const inner = bench();
  const { scheduler, wish } = bench({
    load: (spec, signal) => {
      if (failing) throw new Error('broken');
      return inner.scheduler.acquire(inner.wish(spec.weightsPath, { signal })).then(lease => lease.runner);
    },
  });
  await assert.rejects(scheduler.acquire(wish('a')), /broken/);
  failing = false;
  (await scheduler.acquire(wish('a'))).release();
});
