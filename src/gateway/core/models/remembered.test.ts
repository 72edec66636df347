// Laws of the list of remembered changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  dueNow,
  forget,
  fromFile,
  refusedAgain,
  remember,
  rememberedMax,
  type Remembered,
} from './remembered.ts';

const change = (store: string, key: string, more: Partial<Remembered> = {}): Remembered => ({
  kind: 'pull',
  store,
  key,
  body: '{}',
  refusals: 0,
  notBeforeMs: 0,
  ...more,
});
const all = (...changes: Remembered[]): readonly Remembered[] =>
  changes.reduce<readonly Remembered[]>((list, one) => remember(list, one).list, []);

test('the newest word about a model in a store counts', () => {
  const list = all(change('s', 'm'), change('t', 'm'), change('s', 'm', { kind: 'delete' }));
  assert.deepEqual(
    list.map(({ store, kind }) => `${store} ${kind}`),
    ['t pull', 's delete'],
  );
  assert.deepEqual(
    forget(list, 's', 'm').map(({ store }) => store),
    ['t'],
  );
  assert.equal(forget(list, 's', 'other'), list);
});

test('when full the oldest is lost, and told', () => {
  let list: readonly Remembered[] = [];
  for (let n = 0; n < rememberedMax; n++) list = remember(list, change('s', `m${n}`)).list;
  const { list: next, lost } = remember(list, change('s', 'new'));
  assert.deepEqual([next.length, lost?.key, next.at(-1)?.key], [rememberedMax, 'm0', 'new']);
});

test('each store that answers gets its oldest change, and not before its time', () => {
  const list = all(
    change('s', 'a', { notBeforeMs: 50 }),
    change('s', 'b'),
    change('t', 'c'),
    change('away', 'd'),
  );
  const due = (nowMs: number) => dueNow(list, new Set(['s', 't']), nowMs).map(({ key }) => key);
  assert.deepEqual(due(0), ['c']);
  assert.deepEqual(due(50), ['a', 'c']);
});

test('a change that is refused waits longer each time, lets others pass, and is given up in the end', () => {
  let list = all(change('s', 'a'), change('s', 'b'));
  const waits: number[] = [];
  for (let n = 0; n < 10; n++) {
    const refused = list.find(({ key }) => key === 'a');
    if (refused === undefined) break;
    list = refusedAgain(list, refused, 1000);
    const again = list.find(({ key }) => key === 'a');
    if (again !== undefined) waits.push(again.notBeforeMs - 1000);
  }
  assert.deepEqual(waits, [5000, 10_000, 20_000, 40_000]);
  assert.deepEqual(
    list.map(({ key }) => key),
    ['b'],
  );
});

test('a file of an earlier run is read without trusting it', () => {
  const good = change('s', 'm', { notBeforeMs: 9e9 });
  const read = fromFile([
    good,
    { ...good, kind: 'drop' },
    { ...good, body: 5 },
    null,
    'x',
    { ...good, body: 'x'.repeat(70_000) },
  ]);
  assert.deepEqual(read, [{ ...good, notBeforeMs: 0 }]);
  assert.deepEqual(fromFile({ a: 1 }), []);
});
