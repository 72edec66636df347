// How good any router could be that knows the whole day: a proven lower bound on the mean time to first token.
// Lagrange: every request gets a worth, loaders and copies a price per ms. A real schedule is one path per slot; what all
// requests are worth, less what the slots could earn at best, is never more than the schedule's own waiting.
// Never a schedule itself, and only for days on which every client stays and no backend fails.
import { PathTable, wholeCells } from './bound-paths.ts';
import type { Sums } from './bound-paths.ts';
import { lastArrivalMs, relaxationOf } from './bound-relax.ts';
import type { Job, Kind, Relaxation } from './bound-relax.ts';
import type { SimPlan } from './types.ts';

export interface OfflineBound {
  /** No router that serves everything has a lower mean time to first token on this plan. */
  readonly meanMs: number;
  /** The part of it that is prompt time: what is left when nobody ever waits. */
  readonly promptMs: number;
}

export interface BoundOptions {
  readonly cellMs?: number;
  readonly rounds?: number;
}

const cellsMax = 8_192;
const cellMsMin = 100;

export function offlineBound(plan: SimPlan, options: BoundOptions = {}): OfflineBound {
  if (plan.faults.length > 0 || plan.requests.some(request => request.leavesAtMs !== undefined)) {
    throw new RangeError('the offline bound knows only days without faults and without clients that leave');
  }
  const count = plan.requests.length;
  if (count === 0) return { meanMs: 0, promptMs: 0 };
  const cellMs = options.cellMs ?? Math.max(cellMsMin, Math.ceil(lastArrivalMs(plan) / cellsMax));
  const relaxation = relaxationOf(plan, cellMs);
  const slowness = Math.min(...relaxation.kinds.map(kind => kind.slowness));
  const jobs = relaxation.families.flatMap(family => family.jobs);
  const promptMs = jobs.reduce((sum, job) => sum + slowness * job.promptMsMin, 0);
  const wholeMs = new Ascent(relaxation, slowness).run(options.rounds ?? 300);
  return { meanMs: Math.max(wholeMs, promptMs) / count, promptMs: promptMs / count };
}

/** A figure that rises while too little of its thing is used and falls while too much is, or the other way round. */
interface Multiplier {
  readonly value: Float64Array;
  readonly usage: Float64Array;
  readonly trend: Float64Array;
  readonly seen: Float64Array;
}

function multiplier(length: number): Multiplier {
  const zeros = (): Float64Array => new Float64Array(length);
  return { value: zeros(), usage: zeros(), trend: zeros(), seen: zeros() };
}

/** A price per cell for what a kind of backend has only so much of. */
interface Market extends Multiplier {
  readonly capacity: number;
}

interface Side {
  readonly kind: Kind;
  readonly table: PathTable;
  readonly loader: Market;
  /** By weights: they can be loaded once per backend. */
  readonly weights: ReadonlyMap<string, Market>;
}

class Ascent {
  readonly #relaxation: Relaxation;
  readonly #worth: readonly Multiplier[];
  readonly #ceiling: readonly Float64Array[];
  readonly #sides: readonly Side[];
  readonly #scaleMs: number;
  /** Requests shorter than a cell count with their prompt time only. */
  #leftOutMs = 0;

  constructor(relaxation: Relaxation, slowness: number) {
    const { grid, families, kinds } = relaxation;
    this.#relaxation = relaxation;
    this.#worth = families.map(family => multiplier(family.jobs.length));
    this.#ceiling = families.map(family => new Float64Array(family.jobs.length));
    this.#sides = kinds.map(kind => sideOf(relaxation, kind));
    this.#scaleMs = meanWorkMs(relaxation);
    for (const [index, family] of families.entries()) {
      for (const [at, job] of family.jobs.entries()) {
        const least = slowness * job.promptMsMin;
        const short = kinds.some(
          kind => wholeCells(grid, kind.slowness * (job.promptMsMin + job.tokensMs)) === 0,
        );
        if (short) this.#leftOutMs += least;
        // Beyond the grid nothing may be worth serving.
        const ceiling = short ? 0 : grid.cells * grid.cellMs - job.atMs + least;
        (this.#ceiling[index] ?? new Float64Array())[at] = ceiling;
        (this.#worth[index]?.value ?? new Float64Array())[at] = Math.min(ceiling, least);
      }
    }
  }

  run(rounds: number): number {
    let best = -Infinity;
    for (let round = 0; round < rounds; round++) {
      best = Math.max(best, this.#evaluate());
      const step = 1 - round / rounds;
      for (const [index, worth] of this.#worth.entries()) {
        adjust(worth, { wanted: 1, step: -step * this.#scaleMs * worthStep, ceiling: this.#ceiling[index] });
      }
      for (const side of this.#sides) {
        for (const market of [side.loader, ...side.weights.values()]) {
          adjust(market, { wanted: market.capacity, step: step * priceStep, ceiling: undefined });
        }
      }
    }
    return best;
  }

  /** The bound at the present figures, in ms of all requests together; notes what the best paths use. */
  #evaluate(): number {
    const { cellMs } = this.#relaxation.grid;
    let valueMs = this.#leftOutMs;
    for (const worth of this.#worth) {
      worth.usage.fill(0);
      for (const value of worth.value) valueMs += value;
    }
    for (const side of this.#sides) {
      for (const market of [side.loader, ...side.weights.values()]) {
        market.usage.fill(0);
        for (const price of market.value) valueMs -= price * market.capacity * cellMs;
      }
      const machines = side.kind.count * side.kind.room * side.kind.slots;
      valueMs -= machines * this.#solve(side);
      this.#note(side, machines);
    }
    return valueMs;
  }

  #solve(side: Side): number {
    const { cellMs } = this.#relaxation.grid;
    const sums = new Map(
      [...side.weights].map(([weights, market]) => [weights, sumsOf(market.value, cellMs)]),
    );
    return side.table.best({
      worth: this.#worth.map(worth => worth.value),
      loader: sumsOf(side.loader.value, cellMs),
      weights: this.#relaxation.families.map(family => sums.get(family.weights) ?? new Float64Array()),
    });
  }

  #note(side: Side, machines: number): void {
    const { families } = this.#relaxation;
    const use = (market: Market | undefined, from: number, to: number, amount: number): void => {
      for (let cell = from; market !== undefined && cell < to; cell++) {
        market.usage[cell] = (market.usage[cell] ?? 0) + amount;
      }
    };
    const stay = (family: number, from: number, to: number): void =>
      use(side.weights.get(families[family]?.weights ?? ''), from, to, machines);
    side.table.walk({
      stay,
      load: (family, from, to) => {
        use(side.loader, from, to, machines / side.kind.slots);
        stay(family, from, to);
      },
      serve: (family, job) => {
        const usage = this.#worth[family]?.usage;
        if (usage !== undefined) usage[job] = (usage[job] ?? 0) + machines;
      },
    });
  }
}

function sideOf({ grid, families }: Relaxation, kind: Kind): Side {
  const market = (capacity: number): Market => ({ ...multiplier(grid.cells), capacity });
  const weights = new Set(families.map(family => family.weights));
  return {
    kind,
    table: new PathTable(grid, kind, families),
    loader: market(kind.count * kind.loaders),
    weights: new Map([...weights].map(name => [name, market(kind.count * kind.slots)])),
  };
}

function meanWorkMs({ families, kinds }: Relaxation): number {
  const jobs: readonly Job[] = families.flatMap(family => family.jobs);
  const workMs = jobs.reduce((sum, job) => sum + job.promptMs + job.tokensMs, 0) / jobs.length;
  const loads = kinds.flatMap(kind => kind.loadMs.filter(Number.isFinite));
  return workMs + loads.reduce((sum, loadMs) => sum + loadMs, 0) / Math.max(1, loads.length);
}

function sumsOf(prices: Float64Array, cellMs: number): Sums {
  const sums = new Float64Array(prices.length + 1);
  for (let cell = 0; cell < prices.length; cell++) {
    sums[cell + 1] = (sums[cell] ?? 0) + (prices[cell] ?? 0) * cellMs;
  }
  return sums;
}

const worthStep = 0.2;
const priceStep = 0.3;
const trendWeight = 0.2;

interface Aim {
  readonly wanted: number;
  /** Per unit used over what is wanted. */
  readonly step: number;
  readonly ceiling: Float64Array | undefined;
}

/** One step along the smoothed subgradient; the steps of a figure shrink as it swings. */
function adjust({ value, usage, trend, seen }: Multiplier, aim: Aim): void {
  for (let at = 0; at < value.length; at++) {
    const excess = (usage[at] ?? 0) - aim.wanted;
    const smooth = (1 - trendWeight) * (trend[at] ?? 0) + trendWeight * excess;
    const swing = (seen[at] ?? 0) + excess * excess;
    trend[at] = smooth;
    seen[at] = swing;
    const next = (value[at] ?? 0) + (aim.step * smooth) / Math.sqrt(1 + swing);
    value[at] = Math.min(Math.max(0, next), aim.ceiling?.[at] ?? Infinity);
  }
}
