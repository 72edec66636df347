// Reading journals to their end: what an answer may count on, one reader per journal, gateways that are away.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { silentLog } from '../platform/log.ts';
import type { UsagePage, UsageRecord } from './core/wire.ts';
import { openStore } from './store.ts';
import { UsageSync } from './usage-sync.ts';

function record(seq: number): UsageRecord {
  const rest = { at: '2026-11-21T13:05:00Z', tenant: 't', code: 200, error: undefined, costDollars: 0 };
  return { epoch: 'e', seq, model: 'm:1', promptTokens: 1, completionTokens: 1, ...rest };
}

/** A journal of pages of ten, that says how many read it at once. */
class FakeGateway {
  readonly name: string;
  served = 0;
  reading = 0;
  readingMost = 0;
  answer: () => Promise<void> = () => Promise.resolve();

  constructor(name: string) {
    this.name = name;
  }

  async usage(after: string | undefined): Promise<UsagePage> {
    this.reading += 1;
    this.readingMost = Math.max(this.readingMost, this.reading);
    try {
      await this.answer();
      const from = Number(after?.split(':')[1] ?? 0);
      const to = Math.min(this.served, from + 10);
      const records = Array.from({ length: to - from }, (_, n) => record(from + n + 1));
      return { records, next: `e:${to}`, more: to < this.served, lost: false };
    } finally {
      this.reading -= 1;
    }
  }
}

function aSync(t: TestContext, ...gateways: FakeGateway[]) {
  const store = openStore(':memory:');
  const sync = new UsageSync({ store, log: silentLog() });
  for (const gateway of gateways) sync.follow(gateway);
  t.after(async () => {
    await sync.close();
    store.close();
  });
  const served = async () => (await store.read()).get('m:1')?.requests ?? 0;
  return { sync, served };
}

test('what was served before the question is counted when it is answered, over all pages', async t => {
  const gateway = new FakeGateway('g');
  const { sync, served } = aSync(t, gateway);
  for (const count of [1, 2, 45]) {
    gateway.served = count;
    await sync.current();
    assert.equal(await served(), count);
  }
});

test('a read that had begun before a request ended does not answer for it: the next one does', async t => {
  const gateway = new FakeGateway('g');
  const { sync, served } = aSync(t, gateway);
  await sync.current();
  const gate = Promise.withResolvers<void>();
  gateway.answer = () => gate.promise;
  const early = sync.current();
  const late = Promise.all([sync.current(), sync.current()]);
  gateway.served = 3;
  gateway.answer = () => Promise.resolve();
  gate.resolve();
  await Promise.all([early, late]);
  assert.equal(await served(), 3);
});

test('one journal has one reader at a time, however many ask', async t => {
  const gateway = new FakeGateway('g');
  gateway.answer = () => new Promise(resolve => setImmediate(resolve));
  const { sync, served } = aSync(t, gateway);
  gateway.served = 95;
  await Promise.all(Array.from({ length: 20 }, () => sync.current()));
  assert.equal(await served(), 95);
  assert.equal(gateway.readingMost, 1);
});

test('a gateway that fails or is silent neither fails the question nor holds it up', async t => {
  const [good, failing, silent] = [new FakeGateway('a'), new FakeGateway('b'), new FakeGateway('c')];
  failing.answer = () => Promise.reject(new Error('away'));
  const ended = Promise.withResolvers<void>();
  silent.answer = () => ended.promise;
  good.served = 5;
  const { sync, served } = aSync(t, good, failing, silent);
  await sync.current();
  assert.equal(await served(), 5);
  ended.resolve();
});

test('a gateway that left is not read any more', async t => {
  const gateway = new FakeGateway('g');
  const { sync, served } = aSync(t, gateway);
  await sync.current();
  sync.unfollow('g');
  gateway.served = 5;
  await sync.current();
  assert.equal(await served(), 0);
});
