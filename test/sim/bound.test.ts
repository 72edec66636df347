// The offline bound is below every schedule there is, and prints how far.
// BIGO_SIM_RUNS=N for more tiny plans; BIGO_SIM_SEED=N replays one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { offlineBound } from '../../src/sim/bound.ts';
import { intBelow, pick, rngOf } from '../../src/sim/rng.ts';
import type { Router, SimBackend, SimModel, SimPlan, SimRequest } from '../../src/sim/types.ts';
import { WORKLOADS } from '../../src/sim/workloads.ts';
import { simulate } from '../../src/sim/world.ts';
import { leastSumMs } from './brute-force.ts';
import { firstTokenMs, mean, ours, quantile, simple } from './days.ts';

const runs = Number(process.env['BIGO_SIM_RUNS'] ?? 1_000);
const onlySeed = process.env['BIGO_SIM_SEED'];
const cellMs = 50;
const roundsTiny = 120;

/** Every second plan has times in whole cells, so that the bound loses nothing by rounding. */
function tinyPlan(seed: number): SimPlan {
  const rng = rngOf(seed);
  const cells = (count: number): number => cellMs * (seed % 2 === 0 ? count : count + rng());
  const models: SimModel[] = Array.from({ length: 1 + intBelow(rng, 3) }, (_, index) => ({
    name: `m${index}:latest`,
    weights: `w${index}`,
    sizeBytes: 1e9,
    loadMs: cells(1 + intBelow(rng, 20)),
  }));
  const backends: SimBackend[] = Array.from({ length: 1 + intBelow(rng, 2) }, (_, index) => ({
    spec: { name: `b${index}`, url: `http://b${index}`, store: `b${index}`, class: 'default' },
    params: { placesPerRunner: pick(rng, [1, 1, 2]), runnersMax: pick(rng, [1, 1, 2]) },
    models: index === 0 ? models : models.filter(() => rng() < 0.8),
    slowness: pick(rng, [1, 1, 2]),
  }));
  const requests: SimRequest[] = Array.from({ length: 1 + intBelow(rng, 5) }, (_, index) => ({
    id: `r${index}`,
    atMs: cells(intBelow(rng, 40)),
    model: pick(rng, models).name,
    options: rng() < 0.15 ? { num_ctx: 8_192 } : {},
    promptMs: cells(intBelow(rng, 3)),
    promptBytes: 400,
    tokensMs: cells(1 + intBelow(rng, 30)),
    tenant: 'anonymous',
    priority: 'normal',
    prefix: [],
    waitMsMax: 1e6,
  }));
  return {
    backends: backends.filter(({ models: held }) => held.length > 0),
    requests,
    faults: [],
    pollMs: 500,
  };
}

const routers = { ours, ...simple };

/** Mean time to first token, or undefined when not everything was served. */
function meanMs(plan: SimPlan, router: Router): number | undefined {
  const { results } = simulate(plan, router);
  return results.every(({ outcome }) => outcome === 'ok') ? mean(firstTokenMs(results)) : undefined;
}

test(`on ${runs} tiny plans no schedule at all is better than the bound`, () => {
  const first = onlySeed === undefined ? 1 : Number(onlySeed);
  const last = onlySeed === undefined ? runs : first;
  const ratios: number[] = [];
  for (let seed = first; seed <= last; seed++) {
    const plan = tinyPlan(seed);
    const bestMs = leastSumMs(plan) / plan.requests.length;
    const bound = offlineBound(plan, { cellMs, rounds: roundsTiny });
    const said = `seed ${seed}: bound ${bound.meanMs}, best ${bestMs}; replay with BIGO_SIM_SEED=${seed}`;
    assert.ok(bound.meanMs <= bestMs + 1e-6, said);
    if (bestMs > 0) ratios.push(bestMs / Math.max(1, bound.meanMs));
  }
  const [half, most] = [0.5, 0.9].map(share => quantile(ratios, share).toFixed(2));
  console.log(`# best ÷ bound: median ${half}, nine tenths at most ${most}`);
});

test('on tiny plans every router is at or above the bound and the best schedule', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const plan = tinyPlan(seed);
    const bestMs = leastSumMs(plan) / plan.requests.length;
    for (const [name, make] of Object.entries(routers)) {
      const simulatedMs = meanMs(plan, make(seed));
      assert.ok(simulatedMs === undefined || simulatedMs >= bestMs - 1e-6, `seed ${seed}: ${name}`);
    }
  }
});

for (const workload of WORKLOADS) {
  test(`no router is better than the bound on ${workload.name}`, () => {
    const plan = workload.plan(1, 300);
    const bound = offlineBound(plan, { rounds: 40 });
    for (const [name, make] of Object.entries(routers)) {
      const simulatedMs = meanMs(plan, make(1));
      assert.ok(simulatedMs !== undefined, `${name} serves everything`);
      assert.ok(simulatedMs >= bound.meanMs, `${name}: ${simulatedMs} against ${bound.meanMs}`);
    }
  });
}
