// The SQLite store: exactly once, across restarts and two managers at one file.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { UsagePage, UsageRecord } from './core/wire.ts';
import { openStore } from './store.ts';

function aFile(t: TestContext): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'bigo-store-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return path.join(dir, 'deep', 'usage.sqlite');
}

function page(from: number, to: number, epoch = 'e1'): UsagePage {
  const records = Array.from({ length: to - from + 1 }, (_, n): UsageRecord => {
    const rest = { at: '2026-11-21T13:05:00Z', tenant: 't', code: 200, error: undefined, costDollars: 1 };
    return { epoch, seq: from + n, model: 'm', promptTokens: 1, completionTokens: 2, ...rest };
  });
  return { records, next: `${epoch}:${to}`, more: false, lost: false };
}

test('a page that is given twice, overlaps, or comes through another gateway is counted once', async t => {
  const store = openStore(aFile(t));
  await store.apply('a', page(1, 10), undefined);
  await store.apply('a', page(1, 10), 'e1:10');
  await store.apply('b', page(6, 12), undefined);
  assert.equal((await store.read()).get('m:latest')?.requests, 12);
  assert.equal(await store.place('b'), 'e1:12');
  store.close();
});

test('two managers at one file, and one of them killed, count every record once', async t => {
  const file = aFile(t);
  const [one, two] = [openStore(file), openStore(file)];
  for (let n = 1; n <= 20; n += 5) {
    assert.equal(await one.apply('g', page(n, n + 4), await one.place('g')), true);
    await two.apply('g', page(1, n + 4), await two.place('g'));
  }
  one.close();
  two.close();
  const after = openStore(file);
  assert.equal((await after.read()).get('m:latest')?.requests, 20);
  assert.equal(await after.place('g'), 'e1:20');
  after.close();
});

test('a page that was read from another place than the one that stands is not taken', async t => {
  const store = openStore(aFile(t));
  assert.equal(await store.apply('g', page(6, 9), 'e1:5'), false);
  assert.equal(await store.apply('g', page(1, 5), undefined), true);
  assert.equal(await store.apply('g', page(1, 9), undefined), false);
  assert.equal((await store.read()).get('m:latest')?.requests, 5);
  store.close();
});

test('after a reset nothing that was counted comes back', async t => {
  const store = openStore(aFile(t));
  await store.apply('g', page(1, 5), undefined);
  await store.reset();
  await store.apply('g', page(1, 6), 'e1:5');
  assert.equal((await store.read()).get('m:latest')?.requests, 1);
  assert.deepEqual(
    (await store.history('2026-11-21T00')).map(row => row.requests),
    [1],
  );
  store.close();
});

test('the number of names has a bound: beyond it they are counted together', async t => {
  const store = openStore(aFile(t));
  const { records } = page(1, 5_010);
  const named = records.map((record, n) => ({ ...record, model: `m${n}` }));
  await store.apply('g', { records: named, next: 'e1:5010', more: false, lost: false }, undefined);
  const usage = await store.read();
  assert.equal(usage.size, 5_001);
  assert.equal(usage.get('other')?.requests, 10);
  store.close();
});

test('a place where nothing can be kept is an error in words', () => {
  assert.throws(() => openStore('/dev/null/usage.sqlite'), /Usage cannot be kept in \/dev\/null/);
});
