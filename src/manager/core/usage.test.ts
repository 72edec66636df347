// The rules of counting usage: once, by outcome, by one name per model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { batchOf, ranking, usageName } from './usage.ts';
import type { UsageRecord } from './wire.ts';

function record(seq: number, change: Partial<UsageRecord> = {}): UsageRecord {
  const fixed = {
    epoch: 'e1',
    at: '2026-11-21T13:05:00.000Z',
    model: 'm',
    tenant: 't',
    code: 200,
    costDollars: 0.5,
  };
  return { ...fixed, error: undefined, promptTokens: 2, completionTokens: 3, seq, ...change };
}

test('an answer that came to its end is a request, a failure an error, and who left is neither', () => {
  const records = [
    record(1),
    record(2, { code: 502, error: 'backend_failed' }),
    record(3, { code: 200, error: 'stream_cut' }),
    record(4, { code: 499 }),
  ];
  const counters = batchOf(records, new Map()).models.get('m:latest');
  assert.deepEqual([counters?.requests, counters?.errors, counters?.cancelled], [1, 2, 1]);
  assert.equal(counters?.costUsd, 2);
});

test('names of one model are counted together', () => {
  const { models } = batchOf([record(1, { model: 'm' }), record(2, { model: 'm:latest' })], new Map());
  assert.deepEqual([...models.keys()], ['m:latest']);
  assert.equal(usageName('hf.co/org/Model:Q4'), 'hf.co/org/Model:Q4');
});

test('whatever is read again, in whatever pieces, is counted once', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30), { minLength: 1, maxLength: 12 }), cuts => {
      const all = Array.from({ length: 30 }, (_, n) => record(n + 1));
      const places = new Map<string, number>();
      let requests = 0;
      for (const cut of [...cuts, 30]) {
        const batch = batchOf(all.slice(0, cut), places);
        requests += batch.models.get('m:latest')?.requests ?? 0;
        for (const [epoch, seq] of batch.places) places.set(epoch, seq);
      }
      assert.equal(requests, 30);
    }),
    { numRuns: 100 },
  );
});

test('another epoch begins anew: its numbers say nothing of the one before', () => {
  const { models } = batchOf([record(5), record(1, { epoch: 'e2' })], new Map([['e1', 5]]));
  assert.equal(models.get('m:latest')?.requests, 1);
});

test('the ranking is by served requests, with a share of one decimal', () => {
  const { models } = batchOf([record(1), record(2), record(3, { model: 'n' })], new Map());
  assert.deepEqual(ranking(models), {
    total: 3,
    models: [
      { rank: 1, model: 'm:latest', count: 2, usage_percent: 66.7 },
      { rank: 2, model: 'n:latest', count: 1, usage_percent: 33.3 },
    ],
  });
});
