// What the policy promises, on short simulated days of every workload, beside the simple policies on the same days.
// Never a race against the clock: all times are simulated, so that a figure is the same on every machine.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { SimPlan, SimReport } from '../../src/sim/types.ts';
import { WORKLOADS } from '../../src/sim/workloads.ts';
import { simulate } from '../../src/sim/world.ts';
import { firstTokenMs, mean, ours, outcomes, quantile, simple, workloadNamed } from './days.ts';

/** On fewer days of so few requests one day of bad luck decides. */
const seeds = [1, 2, 3, 4, 5];
const requestsPerDay = 600;
/** With two models and room for eight runners every policy has everything loaded, and none can be twice as good. */
const fewModels = 'conversations';

interface Days {
  readonly ours: readonly SimReport[];
  readonly simple: ReadonlyMap<string, readonly SimReport[]>;
}

const days = new Map<string, Days>();

before(() => {
  for (const workload of WORKLOADS) {
    const plans = seeds.map(seed => ({ seed, plan: workload.plan(seed, requestsPerDay) }));
    const others = Object.entries(simple).map(([name, make]) => {
      return [name, plans.map(({ seed, plan }) => simulate(plan, make(seed)))] as const;
    });
    const own = plans.map(({ seed, plan }) => simulate(plan, ours(seed)));
    days.set(workload.name, { ours: own, simple: new Map(others) });
  }
});

function daysOf(name: string): Days {
  const found = days.get(name);
  assert.ok(found !== undefined);
  return found;
}

function meanOf(reports: readonly SimReport[] | undefined): number {
  return mean((reports ?? []).map(report => mean(firstTokenMs(report.results))));
}

function loadsOf(reports: readonly SimReport[] | undefined): number {
  return mean((reports ?? []).map(report => report.loads));
}

for (const { name } of WORKLOADS) {
  test(`${name}: everything is served`, () => {
    for (const report of daysOf(name).ours) {
      assert.deepEqual(outcomes(report), { ok: requestsPerDay });
      assert.deepEqual(report.violations, []);
    }
  });

  test(`${name}: no simple policy is better by more than a twentieth`, () => {
    const own = meanOf(daysOf(name).ours);
    for (const [other, reports] of daysOf(name).simple) {
      assert.ok(own <= 1.05 * meanOf(reports), `${own} against ${meanOf(reports)} of ${other}`);
    }
  });

  test(`${name}: the same seed gives the same day`, () => {
    const again = simulate(workloadNamed(name).plan(1, requestsPerDay), ours(1));
    assert.deepEqual(firstTokenMs(again.results), firstTokenMs(daysOf(name).ours[0]?.results ?? []));
  });
}

for (const { name } of WORKLOADS.filter(workload => workload.name !== fewModels)) {
  test(`${name}: the mean is at most half of round-robin's and of least-connections'`, () => {
    const own = meanOf(daysOf(name).ours);
    for (const other of ['round-robin', 'least-connections']) {
      const theirs = meanOf(daysOf(name).simple.get(other));
      assert.ok(own <= 0.5 * theirs, `${own} against ${theirs} of ${other}`);
    }
  });

  test(`${name}: it loads at most three quarters as often as least-connections`, () => {
    const [own, theirs] = [loadsOf(daysOf(name).ours), loadsOf(daysOf(name).simple.get('least-connections'))];
    assert.ok(own <= 0.75 * theirs, `${own} against ${theirs}`);
  });
}

const isPolite = (tenant: string): boolean => tenant !== 'greedy';

function politeMs(report: SimReport): number[] {
  return firstTokenMs(report.results.filter(result => isPolite(result.request.tenant)));
}

test('greedy-client: who sends one request at a time hardly notices who sends forty', () => {
  const alone: number[] = [];
  const beside: number[] = [];
  for (const seed of seeds) {
    const plan: SimPlan = workloadNamed('greedy-client').plan(seed, requestsPerDay);
    const polite = plan.requests.filter(request => isPolite(request.tenant));
    alone.push(quantile(politeMs(simulate({ ...plan, requests: polite }, ours(seed))), 0.99));
    beside.push(quantile(politeMs(simulate(plan, ours(seed))), 0.99));
  }
  assert.ok(mean(beside) <= 3 * mean(alone), `p99 ${mean(beside)} against ${mean(alone)} alone`);
});

test('greedy-client: the greedy one waits longer than the others', () => {
  for (const report of daysOf('greedy-client').ours) {
    const greedy = report.results.filter(result => !isPolite(result.request.tenant));
    assert.ok(mean(politeMs(report)) <= 0.5 * mean(firstTokenMs(greedy)));
  }
});

test('a tenth of the requests with a higher priority waits less than the rest', () => {
  const { plan: make } = workloadNamed('zipf-8-models-6-per-s');
  const plan = make(1, requestsPerDay);
  const requests = plan.requests.map((request, index) =>
    index % 10 === 0 ? { ...request, priority: 'high' as const } : request,
  );
  const { results } = simulate({ ...plan, requests }, ours(1));
  const high = firstTokenMs(results.filter(result => result.request.priority === 'high'));
  const rest = firstTokenMs(results.filter(result => result.request.priority !== 'high'));
  assert.ok(mean(high) <= 0.7 * mean(rest), `${mean(high)} against ${mean(rest)}`);
});

test('half of the requests that wait were told their time to within three tenths', () => {
  const ratios = daysOf('zipf-8-models-6-per-s').ours.flatMap(report =>
    report.results.flatMap(({ estimateMs, firstTokenMs: atMs, request }) => {
      const realMs = (atMs ?? request.atMs) - request.atMs;
      return realMs > 200 && estimateMs !== undefined ? [Math.abs(estimateMs - realMs) / realMs] : [];
    }),
  );
  assert.ok(ratios.length >= 50);
  console.log(`# median |estimate − real| ÷ real over ${ratios.length}: ${quantile(ratios, 0.5).toFixed(3)}`);
  assert.ok(quantile(ratios, 0.5) <= 0.3);
});
