// Routing by simulation: every workload by every policy, seed by seed, in front of the same simulated Ollamas.
// Never uses real time or real servers: the same seeds give the same table on every machine.
import { createScheduler } from '../src/gateway/core/scheduler/scheduler.ts';
import { offlineBound } from '../src/sim/bound.ts';
import {
  boundedHash,
  leastConnections,
  loadedFirst,
  random,
  roundRobin,
  stickyUntilSaturated,
} from '../src/sim/policies.ts';
import { rngOf } from '../src/sim/rng.ts';
import type { Router } from '../src/sim/types.ts';
import { WORKLOADS } from '../src/sim/workloads.ts';
import type { Workload } from '../src/sim/workloads.ts';
import { simulate } from '../src/sim/world.ts';
import { optionsFrom } from './lib/load.ts';
import type { BenchOptions } from './lib/load.ts';
import { saveResult } from './lib/results.ts';
import { mean, medians, quantile, rounded } from './lib/stats.ts';

const stickyBacklogMax = 4;

const policies: Readonly<Record<string, (seed: number, requests: number) => Router>> = {
  bigo: (seed, requests) => createScheduler({ rng: rngOf(seed), ticketsMax: requests }),
  'round-robin': () => roundRobin(),
  random: seed => random(rngOf(seed)),
  'least-connections': seed => leastConnections(rngOf(seed)),
  'loaded first': seed => loadedFirst(rngOf(seed)),
  'bounded hash': () => boundedHash(),
  sticky: seed => stickyUntilSaturated(rngOf(seed), stickyBacklogMax),
};

export interface SimRow extends Record<string, number> {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly loads: number;
  /** Requests that did not end well. */
  readonly unserved: number;
}

export interface SimData {
  readonly seeds: readonly number[];
  readonly requests: number;
  readonly workloads: Readonly<Record<string, string>>;
  /** Workload, then policy; one row per seed. */
  readonly rows: Readonly<Record<string, Readonly<Record<string, readonly SimRow[]>>>>;
  readonly medians: Readonly<Record<string, Readonly<Record<string, SimRow>>>>;
  /** Medians over the seeds of what no router can beat. */
  readonly boundMs: Readonly<Record<string, number>>;
}

interface Day {
  readonly workload: Workload;
  readonly seed: number;
  readonly requests: number;
}

function rowOf(day: Day, router: Router): SimRow {
  const report = simulate(day.workload.plan(day.seed, day.requests), router);
  if (report.violations.length > 0) throw new Error(`${day.workload.name}: ${report.violations.join('; ')}`);
  // A request that got nothing counts with all the time that it waited for nothing.
  const firsts = report.results.map(result => {
    return (result.firstTokenMs ?? result.endMs ?? report.endMs) - result.request.atMs;
  });
  return {
    meanMs: rounded(mean(firsts)),
    p50Ms: rounded(quantile(firsts, 0.5)),
    p99Ms: rounded(quantile(firsts, 0.99)),
    loads: report.loads,
    unserved: report.results.filter(result => result.outcome !== 'ok').length,
  };
}

function rowsOf(workload: Workload, seeds: readonly number[], requests: number): Record<string, SimRow[]> {
  const entries = Object.entries(policies).map(([name, make]) => {
    return [name, seeds.map(seed => rowOf({ workload, seed, requests }, make(seed, requests)))] as const;
  });
  return Object.fromEntries(entries);
}

export async function routingSim(options: BenchOptions): Promise<void> {
  const requests = options.quick ? 200 : 1_200;
  const seeds = options.quick ? [1] : [1, 2, 3, 4, 5];
  const rows: Record<string, Record<string, SimRow[]>> = {};
  const boundMs: Record<string, number> = {};
  for (const workload of WORKLOADS) {
    const own = rowsOf(workload, seeds, requests);
    rows[workload.name] = own;
    const bounds = seeds.map(seed => offlineBound(workload.plan(seed, requests)).meanMs);
    boundMs[workload.name] = rounded(quantile(bounds, 0.5));
    for (const [name, all] of Object.entries(own)) {
      console.log(`sim ${workload.name} ${name.padEnd(18)} ${JSON.stringify(medians(all))}`);
    }
    console.log(`sim ${workload.name} no router can beat ${boundMs[workload.name]} ms`);
  }
  const middle = Object.entries(rows).map(([workload, own]) => {
    return [
      workload,
      Object.fromEntries(Object.entries(own).map(([name, all]) => [name, medians(all)])),
    ] as const;
  });
  const workloads = Object.fromEntries(WORKLOADS.map(({ name, what }) => [name, what]));
  const data: SimData = { seeds, requests, workloads, rows, medians: Object.fromEntries(middle), boundMs };
  await saveResult('routing-sim', { quick: options.quick, what: 'routing by simulation', leftOut: {}, data });
}

if (import.meta.main) await routingSim(optionsFrom(process.argv.slice(2)));
