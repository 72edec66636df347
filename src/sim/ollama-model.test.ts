// The laws of the Ollama model, one by one and under random traffic. Never waits in real time.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BUSY_MESSAGE, createOllamaModel, LOAD_TIMEOUT_MESSAGE } from './ollama-model.ts';
import type { OllamaModel } from './ollama-model.ts';
import type { OllamaEvent, OllamaModelParams, OllamaRequest } from './ollama-types.ts';

let counter = 0;

function aRequest(weights: string, extra: Partial<OllamaRequest> = {}): OllamaRequest {
  return {
    id: `r${counter++}`,
    model: weights,
    weights,
    options: {},
    kind: 'generate',
    promptMs: 10,
    promptBytes: 100,
    tokensMs: 90,
    loadMs: 1000,
    sizeBytes: 1,
    ...extra,
  };
}

function until(model: OllamaModel, nowMs: number): OllamaEvent[] {
  const events: OllamaEvent[] = [];
  while (model.nextEventMs() <= nowMs) events.push(...model.advance(model.nextEventMs()));
  return events.concat(model.advance(nowMs));
}

const story = (events: OllamaEvent[]): string[] =>
  events.map(event => `${event.atMs} ${event.type} ${'id' in event ? event.id : event.weights}`);

function atOf(events: OllamaEvent[], type: OllamaEvent['type'], subject: string): number | undefined {
  return events.find(e => e.type === type && ('id' in e ? e.id : e.weights) === subject)?.atMs;
}

test('a cold request loads, waits for the load, then runs', () => {
  const model = createOllamaModel();
  const request = aRequest('a', { id: 'one' });
  const events = model.request(0, request).concat(until(model, 5000));
  assert.deepEqual(story(events), [
    '0 loadStarted a',
    '1000 loaded a',
    '1000 scheduled one',
    '1010 firstToken one',
    '1100 done one',
  ]);
});

test('an idle runner unloads when its keep_alive is over, and not before', () => {
  const model = createOllamaModel({ keepAliveMs: 2000 });
  const events = model.request(0, aRequest('a')).concat(until(model, 3099));
  assert.equal(atOf(events, 'unloaded', 'a'), undefined);
  assert.equal(atOf(until(model, 3100), 'unloaded', 'a'), 3100);
});

test('a hot request never counts toward the queue and is never refused', () => {
  const model = createOllamaModel({ pendingMax: 1 });
  model.request(0, aRequest('a'));
  until(model, 2000);
  const events: OllamaEvent[] = [];
  for (let i = 0; i < 50; i++) events.push(...model.request(2000, aRequest('a')));
  events.push(...until(model, 60_000));
  assert.equal(events.filter(e => e.type === 'done').length, 50);
  assert.equal(events.filter(e => e.type === 'failed').length, 0);
});

test('cold requests beyond the queue are answered 503', () => {
  const model = createOllamaModel({ pendingMax: 2, runnersMax: 1 });
  model.request(0, aRequest('a', { tokensMs: 1e6 }));
  model.request(1, aRequest('b')); // held by the loop
  model.request(2, aRequest('c'));
  model.request(3, aRequest('d'));
  const events = model.request(4, aRequest('e', { id: 'late' }));
  assert.deepEqual(events, [{ type: 'failed', atMs: 4, id: 'late', status: 503, message: BUSY_MESSAGE }]);
});

test('places of one runner are given first come, first served', () => {
  const model = createOllamaModel({ placesPerRunner: 2 });
  const events: OllamaEvent[] = [];
  for (const id of ['p', 'q', 'r', 's']) events.push(...model.request(0, aRequest('a', { id })));
  events.push(...until(model, 9000));
  const firsts = ['p', 'q', 'r', 's'].map(id => atOf(events, 'firstToken', id));
  assert.deepEqual(firsts, [1010, 1010, 1110, 1110]);
});

test('a family that allows one place gets one', () => {
  const model = createOllamaModel({ placesPerRunner: 4 });
  model.request(0, aRequest('a', { placesMax: 1 }));
  until(model, 1500);
  assert.equal(model.runners()[0]?.places, 1);
});

test('on a GPU one load follows the other; on a CPU they overlap', () => {
  for (const [device, secondMs] of [
    ['gpu', 2000],
    ['cpu', 1000],
  ] as const) {
    const model = createOllamaModel({ device });
    const events = model
      .request(0, aRequest('a'))
      .concat(model.request(0, aRequest('b')), until(model, 9000));
    assert.equal(atOf(events, 'loaded', 'b'), secondMs, device);
  }
});

test('the victim is the idle runner with the shortest session, then the least name', () => {
  const model = createOllamaModel({ runnersMax: 3 });
  model.request(0, aRequest('a', { keepAliveMs: 9e6 }));
  model.request(0, aRequest('c', { keepAliveMs: 8e6 }));
  model.request(0, aRequest('b', { keepAliveMs: 8e6 }));
  until(model, 5000);
  const events = model.request(5000, aRequest('d')).concat(until(model, 9000));
  assert.equal(atOf(events, 'unloaded', 'b'), 5000);
  assert.equal(atOf(events, 'loaded', 'd'), 6000);
});

test('with no runner idle the one with the shortest session is awaited and blocks every other cold request', () => {
  const model = createOllamaModel({ runnersMax: 2 });
  model.request(0, aRequest('a', { tokensMs: 10_000, keepAliveMs: 1000 }));
  model.request(0, aRequest('b', { tokensMs: 3000, keepAliveMs: 60_000 }));
  until(model, 2500);
  model.request(2500, aRequest('c'));
  const events = model.request(2600, aRequest('d', { id: 'other' })).concat(until(model, 30_000));
  assert.equal(atOf(events, 'unloaded', 'a'), 11_010); // though b was idle from 5010 on
  assert.equal(atOf(events, 'loaded', 'c'), 12_010);
  assert.ok((atOf(events, 'scheduled', 'other') ?? 0) > 12_010);
});

test('a hot request with keep_alive to a chosen victim keeps it loaded', () => {
  const model = createOllamaModel({ runnersMax: 1 });
  model.request(0, aRequest('a', { tokensMs: 1000 }));
  until(model, 1500);
  model.request(1500, aRequest('b', { id: 'cold' }));
  model.request(1600, aRequest('a', { keepAliveMs: 60_000 }));
  const events = until(model, 100_000);
  assert.equal(atOf(events, 'unloaded', 'a'), 62_110);
  assert.equal(atOf(events, 'scheduled', 'cold'), 63_110);
});

test('other options reload the same weights after its requests ended', () => {
  const model = createOllamaModel();
  model.request(0, aRequest('a', { options: { num_ctx: 4096 }, tokensMs: 500 }));
  until(model, 1200);
  const events = model
    .request(1200, aRequest('a', { id: 'big', options: { num_ctx: 8192 } }))
    .concat(until(model, 9000));
  assert.equal(atOf(events, 'unloaded', 'a'), 1510);
  assert.equal(atOf(events, 'scheduled', 'big'), 2510);
});

test('a request that does not say num_gpu fits a runner that has one', () => {
  const model = createOllamaModel();
  model.request(0, aRequest('a', { options: { num_gpu: 5 } }));
  until(model, 2000);
  const events = model.request(2000, aRequest('a', { id: 'any' }));
  assert.equal(atOf(events, 'scheduled', 'any'), 2000);
});

test('two names of the same weights share a runner', () => {
  const model = createOllamaModel();
  model.request(0, aRequest('a', { model: 'first:latest' }));
  until(model, 2000);
  const events = model.request(2000, aRequest('a', { id: 'x', model: 'second:latest' }));
  assert.equal(atOf(events, 'scheduled', 'x'), 2000);
  assert.deepEqual(
    model.runners().map(r => r.model),
    ['first:latest'],
  );
});

test('the client of a load leaving aborts it; another that waited for it loads afresh', () => {
  const model = createOllamaModel();
  model.request(0, aRequest('a', { id: 'gone' }));
  model.request(100, aRequest('a', { id: 'stays' }));
  const events = model.cancel(400, 'gone').concat(until(model, 5000));
  assert.equal(atOf(events, 'unloaded', 'a'), 400);
  assert.equal(atOf(events, 'scheduled', 'stays'), 1400);
  assert.equal(atOf(events, 'done', 'gone'), undefined);
});

test('a request that waits for a load of its weights does not abort it by leaving', () => {
  const model = createOllamaModel();
  model.request(0, aRequest('a', { id: 'loader' }));
  model.request(100, aRequest('a', { id: 'gone' }));
  const events = model.cancel(400, 'gone').concat(until(model, 5000));
  assert.equal(atOf(events, 'done', 'loader'), 1100);
  assert.equal(model.runners()[0]?.refs, 0);
});

test('leaving during the prompt keeps the place until the first token would come; leaving later frees it at once', () => {
  const model = createOllamaModel();
  model.request(0, aRequest('a', { id: 'prompting', promptMs: 500 }));
  until(model, 1100);
  model.request(1100, aRequest('a', { id: 'next', promptMs: 10, tokensMs: 1000 }));
  let events = model.cancel(1200, 'prompting').concat(until(model, 1600));
  assert.equal(atOf(events, 'firstToken', 'next'), 1510);
  model.request(1600, aRequest('a', { id: 'third' }));
  events = model.cancel(1700, 'next').concat(until(model, 9000));
  assert.equal(atOf(events, 'firstToken', 'third'), 1710);
});

test('after an unload nothing ends and nothing unloads until memory is back', () => {
  const model = createOllamaModel({ runnersMax: 1, unloadMs: 700 });
  model.request(0, aRequest('a'));
  until(model, 2000);
  const events = model.request(2000, aRequest('b')).concat(until(model, 9000));
  assert.equal(atOf(events, 'unloaded', 'a'), 2000);
  assert.equal(atOf(events, 'loadStarted', 'b'), 2700);
});

test('a model that does not fit beside others evicts, and loads alone even if it never fits', () => {
  const model = createOllamaModel({ memoryBytes: 10 });
  model.request(0, aRequest('a', { sizeBytes: 6 }));
  until(model, 2000);
  const events = model.request(2000, aRequest('b', { sizeBytes: 50 })).concat(until(model, 9000));
  assert.equal(atOf(events, 'unloaded', 'a'), 2000);
  assert.equal(atOf(events, 'loaded', 'b'), 3000);
});

test('an empty prompt loads without taking a place; with keep_alive 0 the runner goes when idle', () => {
  const model = createOllamaModel();
  model.request(0, aRequest('a', { id: 'load', kind: 'load' }));
  let events = until(model, 1000);
  assert.equal(atOf(events, 'done', 'load'), 1000);
  model.request(1500, aRequest('a', { tokensMs: 1000 }));
  model.expire(1600, 'a');
  events = until(model, 9000);
  assert.equal(atOf(events, 'unloaded', 'a'), 2510);
});

test('a load over the time limit and a load that fails answer 500 and leave nothing loaded', () => {
  const model = createOllamaModel({ loadMsMax: 3000 });
  model.request(0, aRequest('never', { id: 'n', loadMs: Infinity }));
  model.request(0, aRequest('bad', { id: 'b', loadError: 'no such tensor' }));
  const events = until(model, 9000);
  const errors = events.flatMap(e =>
    e.type === 'failed' ? [`${e.atMs} ${e.id} ${e.status} ${e.message}`] : [],
  );
  assert.deepEqual(errors, [`3000 n 500 ${LOAD_TIMEOUT_MESSAGE}`, '4000 b 500 no such tensor']);
  assert.deepEqual(model.runners(), []);
});

test('a conversation that comes back to its place pays only for what is new', () => {
  const model = createOllamaModel({ placesPerRunner: 2 });
  const first = [{ hash: 'h1', bytes: 800 }];
  const longer = [...first, { hash: 'h2', bytes: 1000 }];
  model.request(0, aRequest('a', { promptMs: 80, promptBytes: 800, prefix: first }));
  model.request(0, aRequest('a', { promptMs: 80, promptBytes: 800, prefix: [{ hash: 'z', bytes: 800 }] }));
  until(model, 5000);
  const events = model
    .request(5000, aRequest('a', { id: 'turn', promptMs: 100, promptBytes: 1000, prefix: longer }))
    .concat(until(model, 9000));
  assert.equal(atOf(events, 'firstToken', 'turn'), 5020);
});

test('a crash loses what ran and waited, and the server starts empty', () => {
  const model = createOllamaModel();
  model.request(0, aRequest('a', { id: 'one' }));
  model.request(0, aRequest('b', { id: 'two' }));
  assert.deepEqual(model.crash(), ['one', 'two']);
  assert.equal(model.nextEventMs(), Infinity);
  assert.deepEqual(model.runners(), []);
});

// --- laws under random traffic ---

interface Step {
  readonly gapMs: number;
  readonly weights: string;
  readonly numCtx: number;
  readonly loadMs: number;
  readonly tokensMs: number;
  readonly keepAliveMs: number | undefined;
  readonly leavesAfterMs: number | undefined;
}

const aStep: fc.Arbitrary<Step> = fc.record({
  gapMs: fc.integer({ min: 0, max: 400 }),
  weights: fc.constantFrom('a', 'b', 'c', 'd'),
  numCtx: fc.constantFrom(4096, 4096, 4096, 8192),
  loadMs: fc.integer({ min: 0, max: 900 }),
  tokensMs: fc.integer({ min: 0, max: 900 }),
  keepAliveMs: fc.constantFrom(undefined, undefined, 0, 500),
  leavesAfterMs: fc.constantFrom(undefined, undefined, 50, 700),
});

const someParams: fc.Arbitrary<Partial<OllamaModelParams>> = fc.record({
  placesPerRunner: fc.integer({ min: 1, max: 3 }),
  runnersMax: fc.integer({ min: 1, max: 3 }),
  pendingMax: fc.constantFrom(3, 512),
  unloadMs: fc.constantFrom(0, 120),
  keepAliveMs: fc.constantFrom(300, 5000),
  device: fc.constantFrom('gpu' as const, 'cpu' as const),
});

interface Run {
  readonly events: OllamaEvent[];
  readonly left: Set<string>;
  readonly sent: string[];
  readonly model: OllamaModel;
}

function play(params: Partial<OllamaModelParams>, steps: readonly Step[]): Run {
  const model = createOllamaModel(params);
  const events: OllamaEvent[] = [];
  const leaves: { atMs: number; id: string }[] = [];
  const sent: string[] = [];
  let nowMs = 0;
  const leaveUntil = (limitMs: number): void => {
    leaves.sort((a, b) => a.atMs - b.atMs);
    while (leaves[0] !== undefined && leaves[0].atMs <= limitMs) {
      const leave = leaves.shift();
      if (leave !== undefined)
        events.push(...until(model, leave.atMs), ...model.cancel(leave.atMs, leave.id));
    }
  };
  const left = new Set<string>();
  for (const [at, step] of steps.entries()) {
    nowMs += step.gapMs;
    leaveUntil(nowMs);
    const { weights, loadMs, tokensMs, keepAliveMs } = step;
    const id = `s${at}`;
    sent.push(id);
    const request = aRequest(weights, { id, options: { num_ctx: step.numCtx }, loadMs, tokensMs });
    events.push(...until(model, nowMs));
    events.push(...model.request(nowMs, keepAliveMs === undefined ? request : { ...request, keepAliveMs }));
    if (step.leavesAfterMs !== undefined) {
      left.add(id);
      leaves.push({ atMs: nowMs + step.leavesAfterMs, id });
    }
  }
  leaveUntil(Infinity);
  events.push(...until(model, 1e9));
  return { events, left, sent, model };
}

test('whatever comes: every request ends once, time never runs back, places and runners keep their bounds', () => {
  fc.assert(
    fc.property(someParams, fc.array(aStep, { minLength: 1, maxLength: 60 }), (params, steps) => {
      const run = play(params, steps);
      assertEachEndsOnce(run);
      assertBounds(run.events, params);
      assert.deepEqual(run.model.runners(), [], 'all runners unload in the end');
    }),
    { numRuns: 400 },
  );
});

function assertEachEndsOnce(run: Run): void {
  const ends = new Map<string, number>();
  let lastMs = 0;
  for (const event of run.events) {
    assert.ok(event.atMs >= lastMs, 'events come in order of time');
    lastMs = event.atMs;
    if (event.type === 'done' || event.type === 'failed') ends.set(event.id, (ends.get(event.id) ?? 0) + 1);
  }
  for (const id of run.sent) {
    const count = ends.get(id) ?? 0;
    if (run.left.has(id)) assert.ok(count <= 1, `${id} ends at most once`);
    else assert.equal(count, 1, `${id} ends exactly once`);
  }
}

function assertBounds(events: OllamaEvent[], params: Partial<OllamaModelParams>): void {
  const loaded = new Set<string>();
  let loading = 0;
  for (const event of events) {
    if (event.type === 'loadStarted') {
      assert.ok(!loaded.has(event.weights), 'weights are never loaded twice at once');
      loaded.add(event.weights);
      loading = params.device === 'gpu' ? loading + 1 : 0;
    } else if (event.type === 'loaded') loading = 0;
    else if (event.type === 'unloaded') {
      loaded.delete(event.weights);
      loading = loading === 1 && ![...loaded].includes(event.weights) ? 0 : loading;
    }
    assert.ok(loaded.size <= (params.runnersMax ?? 3), 'never more runners than allowed');
    assert.ok(loading <= 1, 'one load at a time on a GPU');
  }
}
