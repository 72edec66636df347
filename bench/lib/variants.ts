// The policy with one thing changed, on the same simulated days as the policy itself. Never changes the product: a variant
// is other values of its own constants, or other facts told about the backends.
import type { PolicyConstants } from '../../src/gateway/core/scheduler/constants.ts';
import { createScheduler } from '../../src/gateway/core/scheduler/scheduler.ts';
import { rngOf } from '../../src/sim/rng.ts';
import type { SimPlan } from '../../src/sim/types.ts';
import { WORKLOADS } from '../../src/sim/workloads.ts';
import type { Workload } from '../../src/sim/workloads.ts';
import { simulate } from '../../src/sim/world.ts';
import { mean, quantile } from './stats.ts';

export interface Variant {
  readonly name: string;
  readonly limits?: Partial<PolicyConstants>;
  readonly plan?: (plan: SimPlan) => SimPlan;
  /** Added to the seed of the scheduler's own dice. */
  readonly dice?: number;
}

export interface Days {
  readonly seeds: readonly number[];
  readonly requests: number;
}

export interface Figures {
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly loads: number;
}

const ticketsMax = 100_000;

function dayOf(workload: Workload, variant: Variant, at: { seed: number; requests: number }): Figures {
  const plan = workload.plan(at.seed, at.requests);
  const rng = rngOf(at.seed + (variant.dice ?? 0));
  const router = createScheduler({ rng, ticketsMax, ...(variant.limits ? { limits: variant.limits } : {}) });
  const { results, loads } = simulate(variant.plan?.(plan) ?? plan, router);
  const firsts = results.map(
    ({ firstTokenMs, endMs, request }) => (firstTokenMs ?? endMs ?? 0) - request.atMs,
  );
  return { meanMs: mean(firsts), p99Ms: quantile(firsts, 0.99), loads };
}

/** Means over the seeds, by workload. */
export function measure(variant: Variant, days: Days): Map<string, Figures> {
  return new Map(
    WORKLOADS.map(workload => {
      const all = days.seeds.map(seed => dayOf(workload, variant, { seed, requests: days.requests }));
      const over = (of: (figures: Figures) => number): number => mean(all.map(of));
      const { name } = workload;
      return [
        name,
        { meanMs: over(day => day.meanMs), p99Ms: over(day => day.p99Ms), loads: over(day => day.loads) },
      ];
    }),
  );
}

/** How many times as much of each figure, by workload. */
export function ratios(
  changed: ReadonlyMap<string, Figures>,
  whole: ReadonlyMap<string, Figures>,
): Map<string, Figures> {
  return new Map(
    [...changed].map(([name, { meanMs, p99Ms, loads }]) => {
      const base = whole.get(name) ?? { meanMs: NaN, p99Ms: NaN, loads: NaN };
      const ratio = { meanMs: meanMs / base.meanMs, p99Ms: p99Ms / base.p99Ms, loads: loads / base.loads };
      return [name, ratio];
    }),
  );
}

/** Their geometric mean: a half and a double cancel out. */
export function middle(values: readonly number[]): number {
  return Math.exp(mean(values.map(value => Math.log(value))));
}

/** `seeds` days, beginning with seed 1. */
export function daysOf(seeds: number, requests: number): Days {
  return { seeds: Array.from({ length: seeds }, (_, index) => index + 1), requests };
}
