// Simulated days as tests look at them: who routes, and what came of it. Never holds a rule.
import { createScheduler } from '../../src/gateway/core/scheduler/scheduler.ts';
import {
  boundedHash,
  leastConnections,
  loadedFirst,
  random,
  roundRobin,
  stickyUntilSaturated,
} from '../../src/sim/policies.ts';
import { rngOf } from '../../src/sim/rng.ts';
import type { Router, SimReport, SimResult } from '../../src/sim/types.ts';
import { WORKLOADS } from '../../src/sim/workloads.ts';
import type { Workload } from '../../src/sim/workloads.ts';

const stickyBacklogMax = 4;
const ticketsMax = 100_000;

export const ours = (seed: number): Router => createScheduler({ rng: rngOf(seed), ticketsMax });

export const simple: Readonly<Record<string, (seed: number) => Router>> = {
  'round-robin': () => roundRobin(),
  random: seed => random(rngOf(seed)),
  'least-connections': seed => leastConnections(rngOf(seed)),
  'loaded first': seed => loadedFirst(rngOf(seed)),
  'bounded hash': () => boundedHash(),
  sticky: seed => stickyUntilSaturated(rngOf(seed), stickyBacklogMax),
};

export function workloadNamed(name: string): Workload {
  const found = WORKLOADS.find(workload => workload.name === name);
  if (found === undefined) throw new RangeError(`no workload ${name}`);
  return found;
}

/** From the arrival to the first token, of those that got one. */
export function firstTokenMs(results: readonly SimResult[]): number[] {
  return results.flatMap(result =>
    result.firstTokenMs === undefined ? [] : [result.firstTokenMs - result.request.atMs],
  );
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

/** How many requests ended how, e.g. `{ ok: 898, 'refused queue_timeout': 2 }`. */
export function outcomes(report: SimReport): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome, code } of report.results) {
    const name = code === undefined ? outcome : `${outcome} ${code}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
