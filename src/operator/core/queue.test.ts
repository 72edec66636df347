// Rules of the work queue: one key, one worker, and pauses that grow.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeyQueue, QUEUE_LIMITS, SERVER_AWAY_MS_MAX } from './queue.ts';

test('a key that is added many times is taken once', () => {
  const queue = new KeyQueue();
  for (let turn = 0; turn < 5; turn++) queue.add('a', turn);
  assert.deepEqual(queue.take(10), { key: 'a', waitedMs: 10 });
  assert.equal(queue.take(10), undefined);
});

test('a key that is added while it is worked on comes again, once, after it is done', () => {
  const queue = new KeyQueue();
  queue.add('a', 0);
  queue.take(0);
  queue.add('a', 1);
  queue.add('a', 2);
  assert.equal(queue.take(3), undefined);
  queue.done('a', 4);
  assert.equal(queue.take(4)?.key, 'a');
  queue.done('a', 5);
  assert.equal(queue.take(5), undefined);
});

test('failures double the pause of their own key only, from 5 ms up to 1000 s; success forgets them', () => {
  const queue = new KeyQueue({ ...QUEUE_LIMITS, retriesBurst: 1_000 });
  const pauses = Array.from({ length: 25 }, () => queue.retry('a', 0));
  assert.deepEqual(pauses.slice(0, 4), [5, 10, 20, 40]);
  assert.equal(pauses.at(-1), 1_000_000);
  assert.equal(queue.retry('b', 0), 5);
  queue.forget('a');
  assert.equal(queue.retry('a', 0), 5);
});

test('while the server is away a pause grows no further than ten seconds, and goes on growing for other failures', () => {
  const queue = new KeyQueue({ ...QUEUE_LIMITS, retriesBurst: 1_000 });
  const pauses = Array.from({ length: 15 }, () => queue.retry('a', 0, 0, SERVER_AWAY_MS_MAX));
  assert.equal(pauses.at(-1), SERVER_AWAY_MS_MAX);
  assert.ok(queue.retry('a', 0) > SERVER_AWAY_MS_MAX);
});

test('retries of all keys together come no faster than the bucket fills', () => {
  const queue = new KeyQueue();
  const pauses = Array.from({ length: 120 }, (_, index) => queue.retry(`key-${index}`, 0));
  assert.equal(pauses[99], 5);
  assert.equal(Math.round(pauses[109] ?? 0), 1_000);
  assert.equal(Math.round(pauses[119] ?? 0), 2_000);
});

test('a pause that the server asked for is kept', () => {
  const queue = new KeyQueue();
  assert.equal(queue.retry('a', 0, 3_000), 3_000);
  assert.equal(queue.take(2_999), undefined);
  assert.equal(queue.take(3_000)?.key, 'a');
});

test('of several wishes to come again the earliest counts', () => {
  const queue = new KeyQueue();
  queue.addAt('a', 500);
  queue.addAt('a', 100);
  queue.addAt('a', 900);
  assert.equal(queue.nextDueAtMs(), 100);
  assert.equal(queue.take(100)?.key, 'a');
  queue.done('a', 100);
  assert.equal(queue.take(10_000), undefined);
});

test('news of resources goes before resources that are to be made, and one in sixteen is from those', () => {
  const queue = new KeyQueue();
  for (const key of ['new-1', 'new-2', 'new-3']) queue.add(key, 0, 'whole');
  for (let index = 0; index < 20; index++) queue.add(`old-${index}`, 1);
  const order = Array.from({ length: 23 }, () => queue.take(2)?.key ?? '');
  const at = order.flatMap((key, index) => (key.startsWith('new') ? [index] : []));
  assert.deepEqual(at, [15, 21, 22]);
});

test('a key that waits to be made and has news waits once, among the news, since its first wish', () => {
  const queue = new KeyQueue();
  queue.add('a', 0, 'whole');
  queue.add('b', 1, 'whole');
  queue.add('b', 2);
  queue.add('b', 3, 'whole');
  assert.equal(queue.depth, 2);
  assert.deepEqual(queue.take(5), { key: 'b', waitedMs: 4 });
  assert.deepEqual(queue.take(5), { key: 'a', waitedMs: 5 });
  assert.equal(queue.take(5), undefined);
});

test('whatever is added is taken, never by two at once, and nothing that was not added', () => {
  const step = fc.record({
    verb: fc.constantFrom('add', 'make', 'take', 'done', 'retry'),
    key: fc.constantFrom('a', 'b', 'c'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const queue = new KeyQueue();
      const owed = new Set<string>();
      const working = new Set<string>();
      let nowMs = 0;
      let takes = 0;
      let wishes = 0;
      const take = () => {
        const taken = queue.take(nowMs);
        if (taken === undefined) return false;
        assert.ok(!working.has(taken.key), 'never twice at once');
        takes += 1;
        assert.ok(takes <= wishes, 'only what was added');
        owed.delete(taken.key);
        working.add(taken.key);
        return true;
      };
      const done = (key: string) => {
        if (working.delete(key)) queue.done(key, nowMs);
      };
      for (const { verb, key } of steps) {
        nowMs += 1;
        if (verb === 'take') take();
        else if (verb === 'done') done(key);
        else {
          owed.add(key);
          wishes += 1;
          if (verb === 'add') queue.add(key, nowMs);
          else if (verb === 'make') queue.add(key, nowMs, 'whole');
          else queue.retry(key, nowMs);
        }
      }
      nowMs += 2_000_000;
      for (const key of [...working]) done(key);
      while (take()) for (const key of [...working]) done(key);
      assert.deepEqual([...owed], []);
    }),
    { numRuns: 300 },
  );
});
