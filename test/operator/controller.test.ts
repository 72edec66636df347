// Rules of the workers and of what they read: one key by one worker, errors stay inside, what is cached cannot be changed.
// Never a real resource: a pass is whatever the test says.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cache } from '../../src/operator/cache.ts';
import { Controller, type ReconcileResult, TerminalError } from '../../src/operator/controller.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { KubeError } from '../../src/platform/kube/kube-error.ts';
import type { KubeKind } from '../../src/platform/kube/paths.ts';
import { silentLog } from '../../src/platform/log.ts';
import { eventually, startRig } from './rig.ts';

interface Counts {
  readonly results: ReconcileResult[];
  panics: number;
  terminals: number;
}

function controllerOf(
  t: TestContext,
  reconcile: (key: string, signal: AbortSignal) => Promise<number | undefined>,
  deadlineMsMax = 10_000,
): { controller: Controller; counts: Counts } {
  const counts: Counts = { results: [], panics: 0, terminals: 0 };
  const controller = new Controller({
    ...{ reconcile, deadlineMsMax, clock: systemClock, log: silentLog(), workers: 4 },
    onResult: (_key, result) => counts.results.push(result),
    onPanic: () => (counts.panics += 1),
    onTerminal: () => (counts.terminals += 1),
  });
  t.after(() => controller.stop());
  controller.start();
  return { controller, counts };
}

test('one key is never in two hands, and what changes meanwhile is looked at once more', async t => {
  let running = 0;
  let passes = 0;
  const { controller } = controllerOf(t, async () => {
    running += 1;
    passes += 1;
    assert.equal(running, 1);
    await sleep(20);
    running -= 1;
    return undefined;
  });
  controller.add('n/a');
  await eventually('it is worked on', () => running === 1);
  for (let turn = 0; turn < 5; turn++) controller.add('n/a');
  await eventually('it is quiet', () => running === 0 && controller.depth === 0 && passes > 1);
  assert.equal(passes, 2);
});

test('a key that never ends does not keep others waiting, and is given up at its deadline', async t => {
  const done: string[] = [];
  const { controller, counts } = controllerOf(
    t,
    async (key, signal) => {
      if (key === 'n/slow')
        await new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        );
      done.push(key);
      return undefined;
    },
    50,
  );
  controller.add('n/slow');
  controller.add('n/quick');
  await eventually('the other one is done', () => done.includes('n/quick'));
  await eventually('the slow one is given up', () => counts.results.includes('error'));
  assert.equal(counts.panics, 0, 'a deadline is no fault of ours');
});

test('a fault of ours is counted and tried again; what the server says is only tried again', async t => {
  const left = [new RangeError('ours'), new KubeError(409, {}), new KubeError(500, {})];
  const { controller, counts } = controllerOf(t, () => {
    const next = left.shift();
    return next === undefined ? Promise.resolve(undefined) : Promise.reject(next);
  });
  controller.add('n/a');
  await eventually('it ends well', () => counts.results.includes('success'));
  assert.deepEqual(counts.results, ['error', 'requeue', 'error', 'success']);
  assert.equal(counts.panics, 1);
});

test('what trying again cannot mend is not tried again, until it changes', async t => {
  const { controller, counts } = controllerOf(t, () => Promise.reject(new TerminalError('no')));
  controller.add('n/a');
  await eventually('it is told', () => counts.terminals === 1);
  await sleep(200);
  assert.equal(counts.results.length, 1);
  controller.add('n/a');
  await eventually('a change is looked at', () => counts.terminals === 2);
});

test('what is cached cannot be changed by who reads it', () => {
  const kind: KubeKind = { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps', isNamespaced: true };
  const cache = new Cache(
    () => undefined,
    () => {},
  );
  cache.set(kind, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', namespace: 'n' },
    data: { a: '1' },
  });
  const data = () => cache.get(kind, 'n/a')?.['data'] as Record<string, string>;
  data()['a'] = '2';
  assert.deepEqual(data(), { a: '1' });
});

test('an operator whose caches are never filled ends, and says so', async t => {
  const { api, start } = await startRig(t);
  api.fault = ({ path }) => (path.endsWith('/networkpolicies') ? { status: 500 } : undefined);
  const operator = await start({ limits: { syncMsMax: 200 } });
  await assert.rejects(operator.failed, { code: 'cache_not_synced' });
});
