// The ConfigMap's text: replays add nothing, resets hold, any content is readable, its size has a bound.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NO_USAGE } from './usage.ts';
import { foreignData, UsageDoc } from './usage-doc.ts';
import type { UsagePage, UsageRecord } from './wire.ts';

function record(epoch: string, seq: number, model = 'm:1'): UsageRecord {
  const rest = { at: '2026-11-21T13:05:00Z', tenant: 't', code: 200, error: undefined, costDollars: 0.5 };
  return { epoch, seq, model, promptTokens: 3, completionTokens: 4, ...rest };
}

function page(epoch: string, from: number, to: number): UsagePage {
  const records = Array.from({ length: to - from + 1 }, (_, n) => record(epoch, from + n));
  return { records, next: `${epoch}:${to}`, more: false, lost: false };
}

test('whatever pages are read again, by whom and in which turn, every record is counted once', () => {
  const reads = fc.array(fc.tuple(fc.nat(2), fc.nat(30)), { maxLength: 20 });
  fc.assert(
    fc.property(reads, steps => {
      let data = {};
      const ends = new Map<string, number>();
      for (const [gateway, count] of steps) {
        const doc = new UsageDoc(data);
        const epoch = `e${gateway}`;
        const to = Math.max(count, 1);
        doc.apply(`g${gateway}`, page(epoch, 1, to), doc.places.get(`g${gateway}`));
        ends.set(epoch, Math.max(ends.get(epoch) ?? 0, to));
        data = doc.toData();
      }
      const total = [...ends.values()].reduce((sum, end) => sum + end, 0);
      const { requests, costUsd } = new UsageDoc(data).models.get('m:1') ?? NO_USAGE;
      assert.equal(requests, total);
      assert.equal(costUsd, total / 2);
    }),
  );
});

test('emptying usage_data with kubectl is a reset: what was counted before does not come back', () => {
  const doc = new UsageDoc();
  doc.apply('g', page('e', 1, 10), undefined);
  const patched = new UsageDoc({ ...doc.toData(), usage_data: '{}' });
  patched.apply('g', page('e', 1, 12), 'e:10');
  assert.equal(patched.models.get('m:1')?.requests, 2);
  assert.equal(patched.places.get('g'), 'e:12');
});

test('a page that was read before the object was deleted is not taken: what came before it would be lost', () => {
  const fresh = new UsageDoc();
  assert.equal(fresh.apply('g', page('e', 6, 9), 'e:5'), false);
  assert.equal(fresh.apply('g', page('e', 1, 9), undefined), true);
  assert.equal(fresh.models.get('m:1')?.requests, 9);
});

test('the old shapes are read: a bare count, and the old key', () => {
  assert.equal(new UsageDoc({ usage_data: '{"a:1":7}' }).models.get('a:1')?.requests, 7);
  const old = new UsageDoc({ usage_stats: '{"a:1":7}' });
  assert.deepEqual(JSON.parse(old.toData()['usage_data'] ?? '')['a:1'].requests, 7);
  assert.deepEqual(foreignData({ usage_stats: '{}', theirs: 'x' }), { theirs: 'x' });
});

test('what cannot be read is put aside for people, and counting goes on', () => {
  const doc = new UsageDoc({ usage_data: '{"half":' });
  doc.apply('g', page('e', 1, 2), undefined);
  const data = doc.toData();
  assert.equal(data['usage_data_unreadable'], '{"half":');
  assert.equal(new UsageDoc(data).models.get('m:1')?.requests, 2);
});

test('any text in any key is read without an error, and gives numbers of which none is below nothing', () => {
  const texts = fc.oneof(
    fc.json(),
    fc.string(),
    fc.constant('{"m":{"requests":-3,"pulls":"x","lastUsed":1}}'),
  );
  fc.assert(
    fc.property(texts, texts, texts, (a, b, c) => {
      const doc = new UsageDoc({ usage_data: a, usage_hours: b, usage_places: c });
      for (const { requests, pulls } of doc.models.values()) assert.ok(requests >= 0 && pulls >= 0);
      const again = new UsageDoc(doc.toData());
      assert.deepEqual([...again.models.keys()].toSorted(), [...doc.models.keys()].toSorted());
    }),
  );
});

test('the object stays below 1 MiB whatever names callers invent and however long it runs', () => {
  const doc = new UsageDoc();
  for (let n = 0; n < 60; n++) {
    const at = new Date(Date.UTC(2026, 0, 1) + n * 3_600_000).toISOString();
    const records = Array.from({ length: 100 }, (_, k) => ({
      ...record('e', n * 100 + k + 1, `${'x'.repeat(80)}/${'y'.repeat(80)}-${n}:${k}`),
      at,
    }));
    doc.apply('g', { records, next: `e:${(n + 1) * 100}`, more: false, lost: false }, doc.places.get('g'));
  }
  const data = doc.toData();
  assert.ok(Object.values(data).join('').length < 800_000);
  const again = new UsageDoc(data);
  const requests = [...again.models.values()].reduce((sum, counters) => sum + counters.requests, 0);
  assert.equal(requests, 6_000);
  assert.ok([...again.hours.keys()].includes('2026-01-03T11'), 'the newest hours are those that stay');
});
