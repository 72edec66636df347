// The laws of the scheduler, one by one. The seeded days of test/sim look for what nobody thought of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rig, aBackend, aModel, words } from './testing.ts';

test('a ticket for a loaded model with a free slot is dispatched at once', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  assert.deepEqual(words(rig.arrive('r1')), ['dispatch r1 b0 warm_free']);
});

test('a second ticket waits while the only slot is taken, and follows when it is free', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  rig.arrive('r1');
  assert.deepEqual(words(rig.after(5).arrive('r2')), []);
  assert.deepEqual(words(rig.after(100).done('r1')), ['dispatch r2 b0 warm_waited']);
});

test('a model that is loaded nowhere is loaded by the gateway, and the ticket goes only to the loaded runner', () => {
  const rig = new Rig([aBackend('b0')]);
  assert.deepEqual(words(rig.arrive('r1')), ['load b0 w-m']);
  assert.deepEqual(words(rig.after(500).loaded('b0', 'w-m')), ['dispatch r1 b0 cold_free']);
});

test('two tickets for the same cold model cause one load', () => {
  const rig = new Rig([aBackend('b0'), aBackend('b1')]);
  assert.equal(rig.arrive('r1').length, 1);
  assert.deepEqual(words(rig.after(10).arrive('r2')), []);
});

test('a warm backend with a free slot wins over a cold one, whatever their order', () => {
  for (const order of [
    ['cold', 'warm'],
    ['warm', 'cold'],
  ] as const) {
    const rig = new Rig(order.map(name => aBackend(name, { loaded: name === 'warm' ? ['m'] : [] })));
    assert.deepEqual(words(rig.arrive('r1')), ['dispatch r1 warm warm_free']);
  }
});

test('with several tenants each ticket goes to the slot that was found for it', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  rig.arrive('busy', { tenant: 'x' });
  rig.arrive('pinned', { tenant: 'a', only: ['b2'] });
  rig.arrive('newer', { tenant: 'b' });
  const more = ['b0', 'b1', 'b2'].map(name => aBackend(name, { loaded: ['m'] }));
  assert.deepEqual(words(rig.after(10).fleet(more)), [
    'dispatch pinned b2 warm_waited',
    'dispatch newer b1 warm_waited',
  ]);
});

test('a ticket whose client left is never dispatched', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  rig.arrive('r1');
  rig.arrive('r2');
  rig.cancel('r2');
  assert.deepEqual(words(rig.after(10).done('r1')), []);
  assert.equal(rig.scheduler.view(rig.nowMs).tickets.length, 0);
});

test('a client that leaves cancels a load that nobody else wants', () => {
  const rig = new Rig([aBackend('b0')]);
  rig.arrive('r1');
  assert.deepEqual(words(rig.after(10).cancel('r1')), ['cancel_load b0 w-m']);
});

test('a runner that was shown while its load was given up is not taken for a loaded one', () => {
  const rig = new Rig([aBackend('b0')]);
  rig.arrive('r1');
  rig.after(10).cancel('r1');
  const failed = {
    type: 'load_failed',
    backend: 'b0',
    key: 'w-m',
    message: 'left',
    fault: 'cancelled',
  } as const;
  rig.scheduler.on(failed, rig.nowMs);
  rig.after(50).fleet([aBackend('b0', { loaded: ['m'] })]);
  assert.deepEqual(words(rig.arrive('r2')), ['load b0 w-m']);
});

test('a client that leaves does not cancel a load that another ticket waits for', () => {
  const rig = new Rig([aBackend('b0')]);
  rig.arrive('r1');
  rig.arrive('r2');
  assert.deepEqual(words(rig.after(10).cancel('r1')), []);
});

test('a client that leaves while its request runs frees the slot once', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  rig.arrive('r1');
  rig.arrive('r2');
  rig.arrive('r3');
  assert.deepEqual(words(rig.after(10).cancel('r1')), ['dispatch r2 b0 warm_waited']);
  assert.deepEqual(words(rig.done('r1')), []);
  assert.equal(rig.scheduler.view(rig.nowMs).backends[0]?.inFlight, 1);
});

test('the queue refuses one more than its bound and says when to come again', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })], { ticketsMax: 2 });
  for (const id of ['r1', 'r2', 'r3']) rig.arrive(id);
  const [effect] = rig.arrive('r4');
  assert.ok(effect?.type === 'reject' && effect.code === 'queue_full');
  assert.ok(effect.retryAfterMs >= 1_000);
});

test('a full queue does not refuse a ticket that can be dispatched at once', () => {
  const models = [aModel('m'), aModel('n')];
  const rig = new Rig([aBackend('b0', { models, loaded: ['m', 'n'] })], { ticketsMax: 1 });
  rig.arrive('r1');
  rig.arrive('r2');
  assert.deepEqual(words(rig.arrive('r3', { model: 'n:latest' })), ['dispatch r3 b0 warm_free']);
});

test('a ticket that waited too long is refused, and not before', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  rig.arrive('r1');
  rig.arrive('r2', { queueDeadlineMs: 1_000 });
  assert.deepEqual(words(rig.after(999).tick()), []);
  assert.deepEqual(words(rig.after(1).tick()), ['reject r2 queue_timeout']);
});

test('the scheduler asks to be woken no later than the next deadline', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  rig.arrive('r1');
  rig.arrive('r2', { queueDeadlineMs: 300 });
  assert.ok((rig.scheduler.nextWakeMs() ?? Infinity) <= 300);
});

test('a model that no backend has is not found', () => {
  const rig = new Rig([aBackend('b0')]);
  assert.deepEqual(words(rig.arrive('r1', { model: 'x:latest' })), ['reject r1 model_not_found']);
});

test('a model may be on a backend that was not asked yet: the ticket waits for its answer', () => {
  const rig = new Rig([aBackend('b0', { state: 'unknown', models: [] })]);
  assert.deepEqual(words(rig.arrive('r1')), []);
  assert.deepEqual(words(rig.after(50).fleet([aBackend('b0', { loaded: ['m'] })])), [
    'dispatch r1 b0 warm_waited',
  ]);
  const other = new Rig([aBackend('b0', { state: 'unknown', models: [] })]);
  other.arrive('r1');
  assert.deepEqual(words(other.after(50).fleet([aBackend('b0', { models: [] })])), [
    'reject r1 model_not_found',
  ]);
});

test('a declared model waits for a backend that has it', () => {
  const rig = new Rig([aBackend('b0')], { declared: new Set(['x:latest']) });
  assert.deepEqual(words(rig.arrive('r1', { model: 'x:latest' })), []);
  const effects = rig.after(1_000).fleet([aBackend('b0', { models: [aModel('x')], loaded: ['x'] })]);
  assert.deepEqual(words(effects), ['dispatch r1 b0 warm_waited']);
});

test('a model whose only backend is down waits, and is served when it returns', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  rig.after(10).fleet([aBackend('b0', { state: 'down' })]);
  assert.deepEqual(words(rig.arrive('r1')), []);
  assert.deepEqual(words(rig.after(5_000).fleet([aBackend('b0', { loaded: ['m'] })])), [
    'dispatch r1 b0 warm_waited',
  ]);
});

test('a ticket for which no backend was ever usable ends as no_backend', () => {
  const rig = new Rig([aBackend('b0', { state: 'down' })]);
  rig.arrive('r1', { queueDeadlineMs: 100 });
  assert.deepEqual(words(rig.after(100).tick()), ['reject r1 no_backend']);
});

test('a draining backend gets nothing new, and keeps what it has', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] }), aBackend('b1', { loaded: ['m'] })]);
  rig.fleet([aBackend('b0', { loaded: ['m'], draining: true }), aBackend('b1', { loaded: ['m'] })]);
  assert.deepEqual(words(rig.arrive('r1')), ['dispatch r1 b1 warm_free']);
  assert.deepEqual(words(rig.arrive('r2')), []);
});

test('a backend too old for the route is no candidate', () => {
  const rig = new Rig([
    aBackend('old', { loaded: ['m'], version: '0.13.9' }),
    aBackend('new', { loaded: ['m'], version: '0.24.0' }),
  ]);
  const [effect] = rig.arrive('r1', { versionMin: '0.14.0' });
  assert.ok(effect?.type === 'dispatch' && effect.backend === 'new');
  assert.deepEqual(effect.considered[0], { backend: 'old', skipped: 'version_too_old' });
});

test('a routing rule keeps a ticket to the named backends', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] }), aBackend('b1', { loaded: ['m'] })]);
  assert.deepEqual(words(rig.arrive('r1', { only: ['b1'] })), ['dispatch r1 b1 warm_free']);
  assert.deepEqual(words(rig.arrive('r2', { only: ['b1'] })), []);
});

test('a higher priority goes first, whenever it came', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  rig.arrive('r1');
  rig.after(1).arrive('low', { priority: 'low' });
  rig.after(1).arrive('batch', { priority: 'batch' });
  rig.after(1).arrive('high', { priority: 'high' });
  const order = ['r1', 'high', 'low'].map(id => words(rig.after(100).done(id))[0]?.split(' ')[1]);
  assert.deepEqual(order, ['high', 'low', 'batch']);
});

test('between tenants the one that used less slot time goes first', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  rig.arrive('g1', { tenant: 'greedy' });
  for (const id of ['g2', 'g3', 'g4']) rig.arrive(id, { tenant: 'greedy' });
  rig.arrive('p1', { tenant: 'polite' });
  assert.deepEqual(words(rig.after(1_000).done('g1')), ['dispatch p1 b0 warm_waited']);
});

test('inside one tenant the first come is the first served', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  for (const id of ['r1', 'r2', 'r3']) rig.after(1).arrive(id);
  assert.deepEqual(words(rig.after(9).done('r1')), ['dispatch r2 b0 warm_waited']);
});

test('a ticket that comes back after a failure keeps its place and avoids the backend that failed', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] }), aBackend('b1', { loaded: ['m'] })]);
  const [first] = rig.arrive('r1');
  assert.ok(first?.type === 'dispatch');
  rig.after(5).done('r1', 'failed');
  const [again] = rig.arrive('r1', { arrivedAtMs: 0, tried: [first.backend] });
  assert.ok(again?.type === 'dispatch' && again.reason === 'retry');
  assert.notEqual(again.backend, first.backend);
});

test('a backend that failed a request may serve it again once it answered a probe since', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] }), aBackend('b1', { loaded: ['m'] })]);
  rig.arrive('other', { only: ['b1'] });
  rig.arrive('r1');
  rig.after(5).done('r1', 'failed');
  assert.deepEqual(words(rig.arrive('r1', { arrivedAtMs: 0, tried: ['b0'] })), []);
  const effects = rig
    .after(2_000)
    .fleet([aBackend('b0', { loaded: ['m'] }), aBackend('b1', { loaded: ['m'] })]);
  assert.deepEqual(words(effects), ['dispatch r1 b0 retry']);
});

test('a request with another num_ctx does not go to the runner that would have to reload', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] }), aBackend('b1')]);
  assert.deepEqual(words(rig.arrive('r1', { options: { num_ctx: 8_192 } })), ['load b1 w-m|num_ctx=8192']);
});

test('the same weights with other options are unloaded before they are loaded again', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  const key = 'w-m|num_ctx=8192';
  assert.deepEqual(words(rig.arrive('r1', { options: { num_ctx: 8_192 } })), ['unload b0 w-m']);
  const effects = rig.after(50).scheduler.on({ type: 'unloaded', backend: 'b0', key: 'w-m' }, rig.nowMs);
  assert.deepEqual(words(effects), [`load b0 ${key}`]);
});

test('options equal to the model’s own parameters use its runner', () => {
  const models = [aModel('m', { reloadDefaults: { num_ctx: 8_192 } })];
  const rig = new Rig([aBackend('b0', { models, loaded: ['m'] })]);
  assert.deepEqual(words(rig.arrive('r1', { options: { num_ctx: 8_192 } })), ['dispatch r1 b0 warm_free']);
});

test('two names of one set of weights share its slots', () => {
  const models = [aModel('m'), aModel('alias', { weights: 'w-m' })];
  const rig = new Rig([aBackend('b0', { models, loaded: ['m'] })]);
  rig.arrive('r1');
  assert.deepEqual(words(rig.arrive('r2', { model: 'alias:latest' })), []);
  assert.deepEqual(words(rig.after(10).done('r1')), ['dispatch r2 b0 warm_waited']);
});

test('a load that the backend refuses ends the tickets that could go nowhere else, with its words', () => {
  const rig = new Rig([aBackend('b0')]);
  rig.arrive('r1');
  const [effect] = rig
    .after(100)
    .scheduler.on(
      { type: 'load_failed', backend: 'b0', key: 'w-m', fault: 'model', message: 'corrupt tensor' },
      rig.nowMs,
    );
  assert.ok(effect?.type === 'reject' && effect.code === 'load_failed');
  assert.match(effect.message, /corrupt tensor/);
});

test('a load that one backend refuses is tried on another', () => {
  const rig = new Rig([aBackend('b0'), aBackend('b1')]);
  const [load] = rig.arrive('r1');
  assert.ok(load?.type === 'load');
  const other = load.backend === 'b0' ? 'b1' : 'b0';
  const effects = rig
    .after(100)
    .scheduler.on(
      { type: 'load_failed', backend: load.backend, key: 'w-m', fault: 'model', message: 'no' },
      rig.nowMs,
    );
  assert.deepEqual(words(effects), [`load ${other} w-m`]);
});

test('a ticket whose model every backend refused to load ends, though the first may be asked again by then', () => {
  const rig = new Rig([aBackend('b0'), aBackend('b1')]);
  assert.deepEqual(words(rig.arrive('r1')), ['load b0 w-m']);
  const refused = { type: 'load_failed', key: 'w-m', message: 'broken', fault: 'model' } as const;
  const next = rig.after(1_000).scheduler.on({ ...refused, backend: 'b0' }, rig.nowMs);
  assert.deepEqual(words(next), ['load b1 w-m']);
  const last = rig.after(4_000).scheduler.on({ ...refused, backend: 'b1' }, rig.nowMs);
  assert.deepEqual(words(last), ['reject r1 load_failed']);
});

test('five failures in a row shut a backend; a client that left or a 4xx does not count', () => {
  const models = [aModel('m'), aModel('n')];
  const rig = new Rig([aBackend('b0', { models, loaded: ['m', 'n'] })]);
  const end = (id: string, outcome: 'failed' | 'refused' | 'aborted'): string | undefined => {
    const model = id.endsWith('1') || id.endsWith('3') ? 'n:latest' : 'm:latest';
    assert.equal(rig.after(1).arrive(id, { model }).length, 1);
    rig.done(id, outcome);
    return rig.scheduler.view(rig.nowMs).backends[0]?.breaker;
  };
  for (let index = 0; index < 20; index++) assert.equal(end(`a${index}`, 'aborted'), 'closed');
  for (let index = 0; index < 20; index++) assert.equal(end(`r${index}`, 'refused'), 'closed');
  const states = [0, 1, 2, 3, 4].map(index => end(`f${index}`, 'failed'));
  assert.deepEqual(states, ['closed', 'closed', 'closed', 'closed', 'open']);
});

test('three failures of one model on one backend keep only that model away from it', () => {
  const models = [aModel('m'), aModel('n')];
  const rig = new Rig([aBackend('b0', { models, loaded: ['m', 'n'] })]);
  for (const id of ['f0', 'f1', 'f2']) {
    rig.after(1).arrive(id);
    rig.done(id, 'failed');
  }
  assert.deepEqual(words(rig.arrive('r1')), []);
  assert.deepEqual(words(rig.arrive('r2', { model: 'n:latest' })), ['dispatch r2 b0 warm_free']);
  assert.deepEqual(words(rig.after(1_001).tick()), ['dispatch r1 b0 warm_waited']);
});

test('cloud models take no slot', () => {
  const models = [aModel('c', { remoteHost: 'https://cloud.example' })];
  const rig = new Rig([aBackend('b0', { models })]);
  for (const id of ['r1', 'r2', 'r3']) {
    assert.deepEqual(words(rig.arrive(id, { model: 'c:latest' })), [`dispatch ${id} b0 cloud`]);
  }
});

test('a holder request needs no runner and goes to a backend that has the model', () => {
  const rig = new Rig([aBackend('b0', { models: [] }), aBackend('b1')]);
  assert.deepEqual(words(rig.arrive('r1', { kind: 'holder' })), ['dispatch r1 b1 holder']);
});

test('a conversation goes back to the runner that has its prefix when both are free', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] }), aBackend('b1', { loaded: ['m'] })], {
    rng: (() => {
      let turn = 0;
      return () => (turn++ % 2 === 0 ? 0.9 : 0.1);
    })(),
  });
  const talk = { promptBytes: 50_000, prefix: [{ hash: 'h1', bytes: 40_000 }] };
  const [first] = rig.arrive('r1', talk);
  assert.ok(first?.type === 'dispatch');
  rig.after(500).firstByte('r1');
  rig.after(500).done('r1');
  const [second] = rig.after(100).arrive('r2', talk);
  assert.ok(second?.type === 'dispatch');
  assert.equal(second.backend, first.backend);
  assert.equal(second.reason, 'warm_prefix');
});

test('a backend that vanished from the fleet is forgotten, and tickets go elsewhere', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] }), aBackend('b1', { loaded: ['m'] })]);
  rig.fleet([aBackend('b1', { loaded: ['m'] })]);
  assert.deepEqual(words(rig.arrive('r1')), ['dispatch r1 b1 warm_free']);
  assert.equal(rig.scheduler.view(0).backends.length, 1);
});

test('every dispatch carries what each backend would have meant', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] }), aBackend('b1', { state: 'down' })]);
  const [effect] = rig.arrive('r1');
  assert.ok(effect?.type === 'dispatch');
  assert.deepEqual(
    effect.considered.map(({ backend, skipped, loaded }) => [backend, skipped ?? loaded]),
    [
      ['b0', true],
      ['b1', 'down'],
    ],
  );
});

test('effects and events survive JSON: nothing but plain data crosses', () => {
  const rig = new Rig([aBackend('b0', { loaded: ['m'] })]);
  const effects = rig.arrive('r1');
  assert.deepEqual(JSON.parse(JSON.stringify(effects)), effects);
});
