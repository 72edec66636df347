// What one slot of one backend could earn at best over the whole day, when every request is worth something to serve.
// Exact, by dynamic programming over (time, what is loaded); never knows of other slots: prices stand for them.
import type { Family, Grid, Job, Kind } from './bound-relax.ts';

/** Prices at the start of each cell, summed from time 0: `sum[b] - sum[a]` is the price of cells a … b−1. */
export type Sums = Float64Array;

export interface Offers {
  /** Per family and job: what serving it is worth, in ms. */
  readonly worth: readonly Float64Array[];
  /** A loader that is in use, and weights that are in memory or on their way. */
  readonly loader: Sums;
  readonly weights: readonly Sums[];
}

export interface Visitor {
  readonly load: (family: number, fromCell: number, toCell: number) => void;
  readonly stay: (family: number, fromCell: number, toCell: number) => void;
  readonly serve: (family: number, job: number) => void;
}

const idle = -1;
const leave = -2;

/** One family on one kind of backend, as the table sees it. */
interface Column {
  readonly jobs: readonly Job[];
  readonly loadCells: number;
  /** 0 = shorter than a cell: such a request is left out. */
  readonly workCells: Int32Array;
  readonly best: Float64Array;
  readonly choice: Int32Array;
}

export class PathTable {
  readonly #grid: Grid;
  readonly #kind: Kind;
  readonly #columns: readonly Column[];
  /** Nothing loaded: value and the family that is loaded next. */
  readonly #empty: Float64Array;
  readonly #emptyChoice: Int32Array;

  constructor(grid: Grid, kind: Kind, families: readonly Family[]) {
    this.#grid = grid;
    this.#kind = kind;
    this.#columns = families.map((family, index) =>
      columnOf(grid, kind, family, kind.loadMs[index] ?? Infinity),
    );
    this.#empty = new Float64Array(grid.cells + 1);
    this.#emptyChoice = new Int32Array(grid.cells + 1).fill(idle);
  }

  /** The most that a slot can earn. */
  best(offers: Offers): number {
    const { cellMs, cells } = this.#grid;
    const newest = this.#columns.map(column => column.jobs.length - 1);
    const reachMs = this.#columns.map((column, index) => reachOf(column.jobs, offers.worth[index]));
    for (let cell = cells - 1; cell >= 0; cell--) {
      this.#chooseLoad(cell, offers);
      for (const [index, column] of this.#columns.entries()) {
        if (column.loadCells > cells) continue;
        let last = newest[index] ?? -1;
        while (last >= 0 && (column.jobs[last]?.atMs ?? 0) >= (cell + 1) * cellMs) last -= 1;
        newest[index] = last;
        this.#chooseJob(
          cell,
          { column, last, reachMs: reachMs[index] },
          offers.worth[index],
          offers.weights[index],
        );
      }
    }
    return this.#empty[0] ?? 0;
  }

  #chooseLoad(cell: number, offers: Offers): void {
    let best = this.#empty[cell + 1] ?? 0;
    let choice = idle;
    for (const [index, column] of this.#columns.entries()) {
      const to = cell + column.loadCells;
      if (to >= this.#grid.cells) continue;
      const loader = between(offers.loader, cell, to) / this.#kind.slots;
      const value = (column.best[to] ?? 0) - loader - between(offers.weights[index], cell, to);
      if (value > best) [best, choice] = [value, index];
    }
    this.#empty[cell] = best;
    this.#emptyChoice[cell] = choice;
  }

  #chooseJob(cell: number, at: Lookup, worth: Float64Array | undefined, weights: Sums | undefined): void {
    const { column, last, reachMs } = at;
    const { cellMs, cells } = this.#grid;
    const { slowness } = this.#kind;
    let best = (column.best[cell + 1] ?? 0) - between(weights, cell, cell + 1);
    let choice = idle;
    const empty = this.#empty[cell] ?? 0;
    if (empty > best) [best, choice] = [empty, leave];
    const nowMs = cell * cellMs;
    for (let index = last; index >= 0 && (reachMs?.[index] ?? 0) > nowMs; index--) {
      const work = column.workCells[index] ?? 0;
      const job = column.jobs[index];
      if (work === 0 || job === undefined) continue;
      const promptMs = nowMs + cellMs > job.laterMs ? job.promptMsMin : job.promptMs;
      const earned = (worth?.[index] ?? 0) - Math.max(0, nowMs - job.atMs) - slowness * promptMs;
      if (earned <= 0) continue;
      const to = Math.min(cell + work, cells);
      const value = earned + (column.best[to] ?? 0) - between(weights, cell, to);
      if (value > best) [best, choice] = [value, index];
    }
    column.best[cell] = best;
    column.choice[cell] = choice;
  }

  /** Follows the best path after best(). */
  walk(visitor: Visitor): void {
    const { cells } = this.#grid;
    let loaded = idle;
    for (let cell = 0; cell < cells;) {
      const column = this.#columns[loaded];
      if (column === undefined) {
        loaded = this.#emptyChoice[cell] ?? idle;
        const to = cell + (this.#columns[loaded]?.loadCells ?? 1);
        if (loaded >= 0) visitor.load(loaded, cell, to);
        cell = to;
        continue;
      }
      const choice = column.choice[cell] ?? idle;
      if (choice === leave) {
        loaded = idle;
        continue;
      }
      const to = Math.min(cells, cell + (choice >= 0 ? (column.workCells[choice] ?? 1) : 1));
      visitor.stay(loaded, cell, to);
      if (choice >= 0) visitor.serve(loaded, choice);
      cell = to;
    }
  }
}

interface Lookup {
  readonly column: Column;
  /** The newest job that has come by now. */
  readonly last: number;
  readonly reachMs: Float64Array | undefined;
}

function between(sums: Sums | undefined, from: number, to: number): number {
  return sums === undefined ? 0 : (sums[to] ?? 0) - (sums[from] ?? 0);
}

function columnOf(grid: Grid, kind: Kind, family: Family, loadMs: number): Column {
  const workCells = family.jobs.map(job =>
    wholeCells(grid, kind.slowness * (job.promptMsMin + job.tokensMs)),
  );
  return {
    jobs: family.jobs,
    loadCells: loadMs === Infinity ? Infinity : wholeCells(grid, loadMs),
    workCells: Int32Array.from(workCells),
    best: new Float64Array(grid.cells + 1),
    choice: new Int32Array(grid.cells + 1).fill(idle),
  };
}

export function wholeCells(grid: Grid, ms: number): number {
  return Math.floor(ms / grid.cellMs + 1e-9);
}

/** Until when any job up to each index may be worth serving. */
function reachOf(jobs: readonly Job[], worth: Float64Array | undefined): Float64Array {
  const reachMs = new Float64Array(jobs.length);
  let mostMs = -Infinity;
  for (const [index, job] of jobs.entries()) {
    mostMs = Math.max(mostMs, job.atMs + (worth?.[index] ?? 0));
    reachMs[index] = mostMs;
  }
  return reachMs;
}
