// What a ticket is told about its time, and what that rests on: lengths, paces, loads. All through the scheduler's own events.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Effect } from './messages.ts';
import { Rig, aBackend } from './testing.ts';

test('a load says what decided about it: who waits, when it is ready, what the others lose', () => {
  const rig = new Rig([aBackend('b0')]);
  const load = rig.arrive('r1').find(effect => effect.type === 'load');
  assert.ok(load?.type === 'load');
  assert.equal(load.decided.waiting, 1);
  assert.ok(load.decided.readyMs > 0);
  assert.equal(load.decided.evictionMs, 0);
});

test('a ticket that waits is told once, at its arrival, how long it will take', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  for (let index = 0; index < 20; index++) {
    rig.arrive(`t${index}`);
    rig.after(1_000).done(`t${index}`);
  }
  rig.arrive('running');
  rig.arrive('next');
  const [effect] = rig.after(1_000).done('running');
  assert.ok(effect?.type === 'dispatch' && effect.id === 'next');
  assert.ok(Math.abs(effect.estimateMs - 1_000) < 100, `${effect.estimateMs} ms`);
  assert.equal(effect.queuedMs, 1_000);
});

test('a request that allows few tokens is expected to end early once their pace is known', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  for (let index = 0; index < 20; index++) {
    const tokens = index % 2 === 0 ? 10 : 190;
    rig.arrive(`t${index}`, { tokensMax: tokens });
    rig.after(tokens * 10).end(`t${index}`, { tokens, evalMs: tokens * 10, promptMs: 0, waitedMs: 0 });
  }
  rig.arrive('short', { tokensMax: 10 });
  rig.arrive('behind', { tokensMax: 10 });
  const view = rig.scheduler.view(rig.nowMs).tickets.find(ticket => ticket.id === 'behind');
  assert.ok(view?.estimateMs !== undefined && view.estimateMs < 150, `${view?.estimateMs} ms`);
});

test('a backend ten times slower than its class is learned to be so', () => {
  const rig = new Rig([aBackend('fast', { loaded: ['m'] }), aBackend('slow', { loaded: ['m'] })]);
  for (let index = 0; index < 40; index++) {
    const [sent] = rig.arrive(`t${index}`, index % 2 === 0 ? { only: ['fast'] } : { only: ['slow'] });
    const msPerToken = sent?.type === 'dispatch' && sent.backend === 'slow' ? 100 : 10;
    rig.after(10 * msPerToken).end(`t${index}`, { tokens: 10, evalMs: 10 * msPerToken });
  }
  rig.arrive('on-fast', { only: ['fast'] });
  rig.arrive('on-slow', { only: ['slow'] });
  rig.arrive('waits');
  const considered = rig.scheduler.view(rig.nowMs).tickets.find(ticket => ticket.id === 'waits')?.considered;
  const ms = (name: string): number => considered?.find(({ backend }) => backend === name)?.estimateMs ?? NaN;
  assert.ok(ms('slow') > 5 * ms('fast'), `${ms('slow')} against ${ms('fast')} ms`);
});

test('options never seen before are loaded a few at a time, known ones at once', () => {
  const rig = new Rig([aBackend('b0'), aBackend('b1')]);
  const loads = new Set<string>();
  const loadAll = (effects: Effect[]): void => {
    for (const effect of effects) {
      if (effect.type === 'load') loads.add(effect.key);
      if (effect.type === 'load') loadAll(rig.after(10).loaded(effect.backend, effect.key));
      else if (effect.type === 'unload')
        loadAll(rig.scheduler.on({ type: 'unloaded', backend: effect.backend, key: effect.key }, rig.nowMs));
      else if (effect.type === 'dispatch') loadAll(rig.after(1).done(effect.id));
    }
  };
  for (let index = 0; index < 60; index++) {
    loadAll(rig.after(50).arrive(`r${index}`, { options: { num_ctx: 2_048 + index } }));
  }
  assert.ok(loads.size >= 8 && loads.size <= 12, `${loads.size} loads in 4 s`);
});
