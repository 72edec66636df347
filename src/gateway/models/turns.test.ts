// The order of changes of one name. Never waits for time: promises only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns, type Touched } from './turns.ts';

/** Enters `name` into the list when the change has its turn. */
async function begun(turns: Turns, seen: string[], name: string, touched: Touched): Promise<() => void> {
  const release = await turns.take(touched);
  seen.push(name);
  return release;
}

const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

test('changes of one name follow one another in the order they came; another name waits for nobody', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const first = begun(turns, seen, 'first', { writes: 'a' });
  const second = begun(turns, seen, 'second', { writes: 'a' });
  const other = begun(turns, seen, 'other', { writes: 'b' });
  await settle();
  assert.deepEqual(seen, ['first', 'other']);
  (await first)();
  (await second)();
  (await other)();
  assert.deepEqual(seen, ['first', 'other', 'second']);
});

test('copies of one model run together, and what changes that model waits for all of them', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const copies = ['b', 'c'].map(to => begun(turns, seen, `copy to ${to}`, { writes: to, reads: 'a' }));
  const change = begun(turns, seen, 'change of a', { writes: 'a' });
  const late = begun(turns, seen, 'copy to d', { writes: 'd', reads: 'a' });
  await settle();
  assert.deepEqual(seen, ['copy to b', 'copy to c']);
  const [one, two] = await Promise.all(copies);
  one?.();
  await settle();
  assert.equal(seen.length, 2);
  two?.();
  (await change)();
  (await late)();
  assert.deepEqual(seen.slice(2), ['change of a', 'copy to d']);
});

test('two copies that cross each other do not wait for each other for ever', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const there = begun(turns, seen, 'there', { writes: 'b', reads: 'a' });
  const back = begun(turns, seen, 'back', { writes: 'a', reads: 'b' });
  const onto = begun(turns, seen, 'onto itself', { writes: 'a', reads: 'a' });
  (await there)();
  (await back)();
  (await onto)();
  assert.deepEqual(seen, ['there', 'back', 'onto itself']);
});

test('too many that wait for one name are refused', async () => {
  const turns = new Turns();
  const first = await turns.take({ writes: 'a' });
  const waiting = Array.from({ length: 256 }, () => turns.take({ writes: 'a' }).then(release => release()));
  await assert.rejects(turns.take({ writes: 'a' }), { code: 'queue_full' });
  first();
  await Promise.all(waiting);
  (await turns.take({ writes: 'a' }))();
});
