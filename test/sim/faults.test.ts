// Days on which backends lie, die, freeze, crawl or never load, and clocks jump. On each: every request ends, nobody
// starves, loads do not oscillate; the time to recover is printed. All times are simulated.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createScheduler } from '../../src/gateway/core/scheduler/scheduler.ts';
import { rngOf } from '../../src/sim/rng.ts';
import type { SimBackend, SimFault, SimModel, SimPlan, SimReport, SimRequest } from '../../src/sim/types.ts';
import { simulate } from '../../src/sim/world.ts';
import { firstTokenMs, mean, ours, outcomes, quantile, workloadNamed } from './days.ts';

const seeds = [1, 2];
const requestsPerDay = 750;
const fromMs = 60_000;
const untilMs = 120_000;
const hourMs = 3_600_000;

const calm = (seed: number): SimPlan => workloadNamed('zipf-8-models-3-per-s').plan(seed, requestsPerDay);

/** Distributes over the kinds of fault. */
type Fault = SimFault extends infer F ? (F extends SimFault ? Omit<F, 'backend'> : never) : never;

function withFaults(plan: SimPlan, names: readonly string[], faults: readonly Fault[]): SimPlan {
  return {
    ...plan,
    faults: names.flatMap(backend => faults.map(fault => ({ ...fault, backend }))),
  };
}

const one = ['b0'];
const all = ['b0', 'b1', 'b2', 'b3'];

function withFirst(plan: SimPlan, change: (backend: SimBackend) => SimBackend): SimPlan {
  const [first, ...rest] = plan.backends;
  return { ...plan, backends: first === undefined ? [] : [change(first), ...rest] };
}

function withModels(plan: SimPlan, change: (model: SimModel) => SimModel): SimPlan {
  return {
    ...plan,
    backends: plan.backends.map(backend => ({ ...backend, models: backend.models.map(change) })),
  };
}

interface Scenario {
  readonly name: string;
  readonly plan: (calmDay: SimPlan) => SimPlan;
  /** No request waits longer, whatever becomes of it. */
  readonly waitMsMax: number;
  readonly loadsPerMinuteMax: number;
  /** Other ends than ok, and how many of each at most. */
  readonly mayEnd?: Readonly<Record<string, number>>;
  /** From the end of the fault (or its only moment) until nobody waits longer than on a calm day. */
  readonly recoveryMsMax?: number;
}

const scenarios: readonly Scenario[] = [
  {
    name: 'one backend shows nothing as loaded',
    plan: day =>
      withFaults(day, one, [
        { atMs: fromMs, kind: 'lie', shows: 'nothing' },
        { atMs: untilMs, kind: 'honest' },
      ]),
    waitMsMax: 20_000,
    loadsPerMinuteMax: 70,
    recoveryMsMax: 30_000,
  },
  {
    name: 'one backend shows every model as loaded',
    plan: day =>
      withFaults(day, one, [
        { atMs: fromMs, kind: 'lie', shows: 'everything' },
        { atMs: untilMs, kind: 'honest' },
      ]),
    waitMsMax: 40_000,
    loadsPerMinuteMax: 80,
    recoveryMsMax: 60_000,
  },
  {
    name: 'every backend shows nothing as loaded',
    plan: day =>
      withFaults(day, all, [
        { atMs: fromMs, kind: 'lie', shows: 'nothing' },
        { atMs: untilMs, kind: 'honest' },
      ]),
    waitMsMax: 40_000,
    loadsPerMinuteMax: 100,
    recoveryMsMax: 60_000,
  },
  {
    name: 'every backend shows every model as loaded',
    plan: day =>
      withFaults(day, all, [
        { atMs: fromMs, kind: 'lie', shows: 'everything' },
        { atMs: untilMs, kind: 'honest' },
      ]),
    waitMsMax: 60_000,
    loadsPerMinuteMax: 150,
    recoveryMsMax: 60_000,
  },
  {
    name: 'one backend dies in the middle of each load for a minute',
    plan: day =>
      withFaults(
        day,
        one,
        Array.from({ length: 12 }, (_, index): Fault[] => [
          { atMs: fromMs + index * 5_000, kind: 'die_loading' },
          { atMs: fromMs + index * 5_000 + 4_000, kind: 'back' },
        ]).flat(),
      ),
    waitMsMax: 40_000,
    loadsPerMinuteMax: 80,
    mayEnd: { 'failed backend_failed': 12 },
    recoveryMsMax: 60_000,
  },
  {
    name: 'one backend is ten times slower, and nobody said so',
    plan: day => withFirst(day, backend => ({ ...backend, slowness: 10 })),
    waitMsMax: 90_000,
    loadsPerMinuteMax: 80,
  },
  {
    name: 'one backend is of a class ten times slower',
    plan: day =>
      withFirst(day, ({ spec, ...backend }) => ({
        ...backend,
        slowness: 10,
        spec: { ...spec, class: 'slow' },
      })),
    waitMsMax: 120_000,
    loadsPerMinuteMax: 90,
  },
  {
    name: 'one backend becomes ten times slower for a minute',
    plan: day =>
      withFaults(day, one, [
        { atMs: fromMs, kind: 'slow', factor: 10 },
        { atMs: untilMs, kind: 'slow', factor: 1 },
      ]),
    waitMsMax: 60_000,
    loadsPerMinuteMax: 80,
    recoveryMsMax: 90_000,
  },
  {
    name: 'one backend freezes for three seconds',
    plan: day =>
      withFaults(day, one, [
        { atMs: fromMs, kind: 'freeze' },
        { atMs: fromMs + 3_000, kind: 'thaw' },
      ]),
    waitMsMax: 20_000,
    loadsPerMinuteMax: 70,
    recoveryMsMax: 30_000,
  },
  {
    name: 'one backend freezes for a minute',
    plan: day =>
      withFaults(day, one, [
        { atMs: fromMs, kind: 'freeze' },
        { atMs: untilMs, kind: 'thaw' },
      ]),
    // A stream that had begun is cut only after two minutes of silence.
    waitMsMax: 125_000,
    loadsPerMinuteMax: 80,
    mayEnd: { 'failed backend_failed': 2 },
    recoveryMsMax: 60_000,
  },
  {
    name: 'every backend freezes for ten seconds',
    plan: day =>
      withFaults(day, all, [
        { atMs: fromMs, kind: 'freeze' },
        { atMs: fromMs + 10_000, kind: 'thaw' },
      ]),
    waitMsMax: 40_000,
    loadsPerMinuteMax: 80,
    mayEnd: { 'failed backend_failed': 8 },
    recoveryMsMax: 60_000,
  },
  {
    name: 'one model never loads anywhere',
    plan: day =>
      withModels(day, model => (model.weights === 'w2' ? { ...model, loadError: 'unable to load' } : model)),
    waitMsMax: 60_000,
    loadsPerMinuteMax: 100,
    mayEnd: { 'refused load_failed': Infinity },
  },
  {
    name: 'one backend can load nothing',
    plan: day =>
      withFirst(day, backend => ({
        ...backend,
        models: backend.models.map(model => ({ ...model, loadError: 'no device' })),
      })),
    waitMsMax: 30_000,
    loadsPerMinuteMax: 100,
  },
  {
    name: 'loads take ten times as long for a minute, then as before',
    plan: day =>
      withFaults(day, all, [
        { atMs: fromMs, kind: 'slow_loads', factor: 10 },
        { atMs: untilMs, kind: 'slow_loads', factor: 1 },
      ]),
    waitMsMax: 100_000,
    loadsPerMinuteMax: 70,
    recoveryMsMax: 90_000,
  },
  {
    name: 'the clock jumps back an hour',
    plan: day => withFaults(day, one, [{ atMs: fromMs, kind: 'clock', byMs: -hourMs }]),
    waitMsMax: 20_000,
    loadsPerMinuteMax: 90,
  },
  {
    name: 'the clock jumps an hour ahead',
    plan: day => withFaults(day, one, [{ atMs: fromMs, kind: 'clock', byMs: hourMs }]),
    waitMsMax: 20_000,
    loadsPerMinuteMax: 70,
    // Who waited at that moment has waited for an hour.
    mayEnd: { 'refused queue_timeout': 30 },
    recoveryMsMax: 30_000,
  },
  {
    name: 'every backend restarts at the same moment: all models are cold at once',
    plan: day =>
      withFaults(day, all, [
        { atMs: fromMs, kind: 'crash' },
        { atMs: fromMs + 2_000, kind: 'back' },
      ]),
    waitMsMax: 40_000,
    loadsPerMinuteMax: 80,
    mayEnd: { 'failed backend_failed': 8 },
    recoveryMsMax: 60_000,
  },
];

/** The most of these within any minute. */
function mostPerMinute(atMs: readonly number[]): number {
  let most = 0;
  let first = 0;
  for (const [index, nowMs] of atMs.entries()) {
    while ((atMs[first] ?? Infinity) <= nowMs - 60_000) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

/** Until it ended, apart from its own tokens. */
function waitsMs(report: SimReport): number[] {
  return report.results.map(({ endMs, request }) => (endMs ?? Infinity) - request.atMs - request.tokensMs);
}

/** How long after `sinceMs` a request still came that waited longer than nearly all on a calm day. */
function recoveryMs(report: SimReport, calmDay: SimReport, sinceMs: number): number {
  const limitMs = 1.5 * quantile(firstTokenMs(calmDay.results), 0.995);
  let lastMs = sinceMs;
  for (const { request, firstTokenMs: atMs } of report.results) {
    if ((atMs ?? request.atMs) - request.atMs > limitMs) lastMs = Math.max(lastMs, request.atMs);
  }
  return lastMs - sinceMs;
}

for (const scenario of scenarios) {
  test(scenario.name, () => {
    for (const seed of seeds) {
      const calmDay = simulate(calm(seed), ours(seed));
      const plan = scenario.plan(calm(seed));
      const report = simulate(plan, ours(seed));
      assert.deepEqual(report.violations, []);
      for (const [how, count] of Object.entries(outcomes(report))) {
        const most = how === 'ok' ? requestsPerDay : (scenario.mayEnd?.[how] ?? 0);
        assert.ok(count <= most, `${count} ended as ${how}`);
      }
      const longestMs = Math.max(...waitsMs(report));
      assert.ok(longestMs <= scenario.waitMsMax, `somebody waited ${longestMs} ms`);
      const loads = Math.max(mostPerMinute(report.loadsAtMs), mostPerMinute(report.loadCallsAtMs));
      assert.ok(loads <= scenario.loadsPerMinuteMax, `${loads} loads in a minute`);
      const endMs = Math.max(0, ...plan.faults.map(fault => fault.atMs));
      const tookMs = recoveryMs(report, calmDay, endMs);
      const meanMs = Math.round(mean(firstTokenMs(report.results)));
      const calmMs = Math.round(mean(firstTokenMs(calmDay.results)));
      console.log(
        `# ${scenario.name}, seed ${seed}: mean ${meanMs} ms (calm ${calmMs}), longest ${Math.round(longestMs)} ms, ` +
          `${loads} loads/min${scenario.recoveryMsMax === undefined ? '' : `, recovered in ${Math.round(tookMs)} ms`}`,
      );
      if (scenario.recoveryMsMax !== undefined) {
        assert.ok(tookMs <= scenario.recoveryMsMax, `recovery took ${tookMs} ms`);
      }
    }
  });
}

test('a slow backend of another class is better than none', () => {
  for (const seed of seeds) {
    const day = calm(seed);
    const slow = withFirst(day, ({ spec, ...backend }) => ({
      ...backend,
      slowness: 3,
      spec: { ...spec, class: 'slow' },
    }));
    const without = mean(
      firstTokenMs(simulate({ ...day, backends: day.backends.slice(1) }, ours(seed)).results),
    );
    const beside = mean(firstTokenMs(simulate(slow, ours(seed)).results));
    assert.ok(beside <= 1.25 * without, `seed ${seed}: ${beside} beside it, ${without} without`);
  }
});

test('a backend ten times slower costs no more than not having it, also when nobody said so', () => {
  for (const seed of seeds) {
    const day = calm(seed);
    const slow = withFirst(day, backend => ({ ...backend, slowness: 10 }));
    const without = mean(
      firstTokenMs(simulate({ ...day, backends: day.backends.slice(1) }, ours(seed)).results),
    );
    const beside = mean(firstTokenMs(simulate(slow, ours(seed)).results));
    console.log(
      `# beside a slow one, seed ${seed}: ${Math.round(beside)} ms, without it ${Math.round(without)}`,
    );
    assert.ok(beside <= 1.05 * without, `seed ${seed}: ${beside} beside it, ${without} without`);
  }
});

function among(day: SimPlan, others: readonly SimRequest[]): SimPlan {
  return { ...day, requests: [...day.requests, ...others] };
}

/** One request of a stranger every 250 ms for a minute. */
function stranger(of: (index: number) => Partial<SimRequest>): SimRequest[] {
  return Array.from({ length: 240 }, (_, index) => ({
    id: `x${index}`,
    atMs: fromMs + index * 250,
    model: 'm0:latest',
    options: {},
    promptMs: 8,
    promptBytes: 400,
    tokensMs: 300,
    tenant: 'stranger',
    priority: 'normal',
    prefix: [],
    waitMsMax: 60_000,
    ...of(index),
  }));
}

const isStranger = ({ request }: { request: SimRequest }): boolean => request.tenant === 'stranger';

test('a client that asks for another unknown model with every request is told so at once, and costs nobody anything', () => {
  const others = stranger(index => ({ model: `ghost-${index}:latest` }));
  const calmDay = simulate(calm(1), ours(1));
  const { results } = simulate(among(calm(1), others), ours(1));
  for (const result of results.filter(isStranger)) {
    assert.deepEqual([result.code, result.endMs], ['model_not_found', result.request.atMs]);
  }
  const rest = results.filter(result => !isStranger(result));
  assert.ok(mean(firstTokenMs(rest)) <= 1.2 * mean(firstTokenMs(calmDay.results)));
});

test('a client that asks for another declared but absent model with every request waits in vain, and costs nobody anything', () => {
  const others = stranger(index => ({ model: `soon-${index}:latest`, waitMsMax: 5_000 }));
  const declared = new Set(others.map(request => request.model));
  const router = createScheduler({ rng: rngOf(1), ticketsMax: 1_000, declared });
  const calmDay = simulate(calm(1), ours(1));
  const { results, violations } = simulate(among(calm(1), others), router);
  assert.deepEqual(violations, []);
  for (const result of results.filter(isStranger)) assert.equal(result.code, 'no_backend');
  const rest = results.filter(result => !isStranger(result));
  assert.ok(mean(firstTokenMs(rest)) <= 1.2 * mean(firstTokenMs(calmDay.results)));
});

test('a client that asks for another num_ctx with every request starves nobody', () => {
  const others = stranger(index => ({ options: { num_ctx: 2_048 + index } }));
  const report = simulate(among(calm(1), others), ours(1));
  assert.deepEqual(report.violations, []);
  const rest = report.results.filter(result => !isStranger(result));
  assert.ok(rest.every(result => result.outcome === 'ok'));
  const longestMs = Math.max(...firstTokenMs(rest));
  const loads = mostPerMinute(report.loadsAtMs);
  console.log(
    `# another num_ctx each time: others wait ${Math.round(mean(firstTokenMs(rest)))} ms, longest ${Math.round(longestMs)} ms, ` +
      `${loads} loads/min, stranger ${JSON.stringify(outcomes({ ...report, results: report.results.filter(isStranger) }))}`,
  );
  assert.ok(longestMs <= 90_000, `somebody waited ${longestMs} ms`);
  assert.ok(loads <= 90, `${loads} loads in a minute`);
});
