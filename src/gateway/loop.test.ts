// The loop around a scheduler: one event at a time, every effect performed, every grant answered.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../platform/clock.ts';
import type { Effect, SchedulerEvent, TicketSpec } from './core/scheduler/messages.ts';
import { Loop } from './loop.ts';
import type { DispatchEffect, LoadPerformer, SchedulerPort, TicketOwner } from './loop.ts';

const NO_LOADS: LoadPerformer = {
  load: () => undefined,
  unload: () => undefined,
  cancelLoad: () => undefined,
};

function ticket(id: string): TicketSpec {
  return {
    id,
    model: 'm:latest',
    kind: 'generate',
    versionMin: '0.0.0',
    options: {},
    priority: 'normal',
    tenant: 'anonymous',
    bodyBytes: 1,
    promptBytes: 1,
    prefix: [],
    arrivedAtMs: systemClock.nowMs(),
    queueDeadlineMs: systemClock.nowMs() + 1_000,
    tried: [],
  };
}

const grantFor = (id: string): DispatchEffect => ({
  type: 'dispatch',
  id,
  backend: 'b0',
  key: 'k',
  grant: { id: 1, term: 1 },
  reason: 'warm_free',
  estimateMs: 0,
  queuedMs: 0,
  considered: [],
});

/** Remembers its events, and answers as it is told. */
class Scripted implements SchedulerPort<string> {
  readonly events: SchedulerEvent[] = [];
  inside = 0;
  answer: (event: SchedulerEvent) => Effect[] = () => [];
  wakeAtMs: number | undefined;
  on(event: SchedulerEvent): Effect[] {
    assert.equal(this.inside, 0, 'the scheduler was entered twice');
    this.inside += 1;
    this.events.push(event);
    const effects = this.answer(event);
    this.inside -= 1;
    return effects;
  }
  nextWakeMs(): number | undefined {
    return this.wakeAtMs;
  }
  view(): string {
    return 'view';
  }
}

function loopOf(scheduler: Scripted, loads: LoadPerformer = NO_LOADS): Loop<string> {
  return new Loop({ scheduler, clock: systemClock, loads });
}
const owner = (dispatched: () => void): TicketOwner => ({
  onDispatch: dispatched,
  onReject: () => undefined,
});

test('an effect that ends its ticket at once does not enter the scheduler a second time', () => {
  const scheduler = new Scripted();
  const loop = loopOf(scheduler);
  scheduler.answer = event => (event.type === 'arrive' ? [grantFor(event.ticket.id)] : []);
  loop.arrive(
    owner(() => loop.end({ type: 'done', id: 't', outcome: 'failed' })),
    ticket('t'),
  );
  assert.deepEqual(
    scheduler.events.map(event => event.type),
    ['arrive', 'done'],
  );
  assert.equal(loop.tickets, 0);
  loop.close();
});

test('a grant for a ticket that nobody owns any more is given back', () => {
  const scheduler = new Scripted();
  const loop = loopOf(scheduler);
  scheduler.answer = event => (event.type === 'tick' ? [grantFor('gone')] : []);
  loop.feed({ type: 'tick' });
  assert.deepEqual(scheduler.events.at(-1), { type: 'done', id: 'gone', outcome: 'aborted' });
  loop.close();
});

test('a rejected ticket is told once and forgotten', () => {
  const scheduler = new Scripted();
  const loop = loopOf(scheduler);
  const told: string[] = [];
  scheduler.answer = event =>
    event.type === 'arrive'
      ? [{ type: 'reject', id: 't', code: 'queue_full', message: 'full', retryAfterMs: 1_000 }]
      : [];
  loop.arrive({ onDispatch: () => undefined, onReject: effect => void told.push(effect.code) }, ticket('t'));
  assert.deepEqual(told, ['queue_full']);
  assert.equal(loop.tickets, 0);
  loop.close();
});

test('loads, unloads and given-up loads go to their performer', () => {
  const scheduler = new Scripted();
  const done: string[] = [];
  const loop = loopOf(scheduler, {
    load: effect => void done.push(`load ${effect.model}`),
    unload: effect => void done.push(`unload ${effect.model}`),
    cancelLoad: effect => void done.push(`cancel ${effect.key}`),
  });
  const at = { backend: 'b0', key: 'k', model: 'm', kind: 'generate' } as const;
  scheduler.answer = () => [
    { type: 'unload', ...at, reason: 'evict_idle' },
    {
      type: 'load',
      ...at,
      options: {},
      reason: 'load_cold',
      decided: { waiting: 1, readyMs: 1, evictionMs: 0 },
    },
    { type: 'cancel_load', backend: 'b0', key: 'k' },
  ];
  loop.feed({ type: 'tick' });
  assert.deepEqual(done, ['unload m', 'load m', 'cancel k']);
  loop.close();
});

test('the scheduler is woken when it asked to be, also when it asks for an earlier time later on', async () => {
  const scheduler = new Scripted();
  const loop = loopOf(scheduler);
  scheduler.wakeAtMs = systemClock.nowMs() + 60_000;
  loop.feed({ type: 'first_byte', id: 'x' });
  scheduler.wakeAtMs = systemClock.nowMs() + 5;
  loop.feed({ type: 'first_byte', id: 'y' });
  scheduler.answer = event => {
    if (event.type === 'tick') scheduler.wakeAtMs = undefined;
    return [];
  };
  // The timer lets the process end, so something must keep it alive here.
  for (let turn = 0; turn < 200 && scheduler.events.length < 3; turn += 1) await sleep(5);
  assert.equal(scheduler.events.at(-1)?.type, 'tick');
  loop.close();
});

test('after close nothing is fed any more', () => {
  const scheduler = new Scripted();
  const loop = loopOf(scheduler);
  loop.close();
  loop.feed({ type: 'tick' });
  assert.equal(scheduler.events.length, 0);
});

test('a ticket that has just come is fed with its own arrival time, so that it counts as not having waited', () => {
  const seen: number[] = [];
  const scheduler = new Scripted();
  const on = scheduler.on.bind(scheduler);
  scheduler.on = (event: SchedulerEvent, nowMs?: number) => {
    seen.push(nowMs ?? -1);
    return on(event);
  };
  const loop = loopOf(scheduler);
  const spec = ticket('t');
  loop.arrive(
    owner(() => undefined),
    spec,
  );
  assert.deepEqual(seen, [spec.arrivedAtMs]);
  loop.close();
});
