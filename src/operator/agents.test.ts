// Rules of asking agents: at once when a pod comes or changes, and then seldom.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../platform/clock.ts';
import { AgentPoller, nextTurnMs, type AgentTarget } from './agents.ts';

const settled = { ready: true, settled: true, models: [] };

test('an agent is asked when its pod comes and whenever the pod changes, but not at each pass', async t => {
  const asked: string[] = [];
  const changed: string[] = [];
  const poller = new AgentPoller({
    http: {
      ask: ({ url }) => {
        asked.push(url);
        return Promise.resolve({ status: 200, headers: {}, body: Buffer.from(JSON.stringify(settled)) });
      },
    },
    clock: systemClock,
    rng: () => 0.5,
    userAgent: 'test',
    onChange: resource => changed.push(resource),
  });
  t.after(() => poller.stop());
  const pod = (version: string): AgentTarget => ({ pod: 'p-0', uid: 'u', url: 'http://p', version });
  const after = async (count: number): Promise<void> => {
    const endMs = performance.now() + 10_000;
    while (asked.length < count && performance.now() < endMs) await sleep(5);
    // An answer that is on its way must have come before the next question is expected.
    await sleep(20);
    assert.equal(asked.length, count);
  };
  poller.follow('n/chat', [pod('1')]);
  await after(1);
  poller.follow('n/chat', [pod('1')]);
  await after(1);
  poller.follow('n/chat', [pod('2')]);
  await after(2);
  assert.deepEqual(changed, ['n/chat'], 'what an agent says again is no news');
  poller.follow('n/chat', []);
  assert.equal(poller.views('n/chat').size, 0);
});

test('a pod that changes while its agent is asked is asked once more', async t => {
  let asked = 0;
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const poller = new AgentPoller({
    http: {
      ask: async () => {
        asked += 1;
        if (asked === 1) await first.promise;
        else second.resolve();
        return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(settled)) };
      },
    },
    clock: systemClock,
    rng: () => 0.5,
    userAgent: 'test',
    onChange: () => {},
  });
  t.after(() => poller.stop());
  const pod = (version: string): AgentTarget => ({ pod: 'p-0', uid: 'u', url: 'http://p', version });
  poller.follow('n/chat', [pod('1')]);
  poller.follow('n/chat', [pod('2')]);
  assert.equal(asked, 1);
  first.resolve();
  await second.promise;
});

test('agents that are settled have turns apart when they are many, and none waits for longer than a round', () => {
  const few = { nowMs: 0, settledMs: 60_000, roundMs: 60_000 };
  assert.equal(nextTurnMs(nextTurnMs(0, few), few), 60_000);
  const many = { nowMs: 0, settledMs: 60_000, roundMs: 1_200_000 };
  const turns = [0];
  for (let n = 0; n < 4_000; n++) turns.push(nextTurnMs(turns.at(-1) ?? 0, many));
  assert.deepEqual(turns.slice(1, 4), [60_000, 60_400, 60_800]);
  assert.equal(turns.at(-1), 1_200_000);
});
