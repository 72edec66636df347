// What no router can get around in a plan: requests by the runner they need, backends by kind. Input of the offline bound.
// Everything is rounded down to whole cells of time, never against the router.
import { RELOAD_OPTION_NAMES } from '../api/fleet.ts';
import { modelKey } from '../api/names.ts';
import { OLLAMA_DEFAULTS } from './ollama-types.ts';
import type { SimBackend, SimModel, SimPlan, SimRequest } from './types.ts';

export interface Grid {
  readonly cellMs: number;
  readonly cells: number;
}

/** A request, on a backend of slowness 1. */
export interface Job {
  readonly atMs: number;
  /** Prompt time before `laterMs` and from then on, when a later request may have left its prefix behind. */
  readonly promptMs: number;
  readonly promptMsMin: number;
  readonly laterMs: number;
  readonly tokensMs: number;
}

/** Requests that one runner could serve, in order of arrival. */
export interface Family {
  readonly weights: string;
  readonly jobs: readonly Job[];
}

/** Backends that are alike. */
export interface Kind {
  readonly count: number;
  /** Runners at once, requests per runner at once, loads at once: on each. */
  readonly room: number;
  readonly slots: number;
  readonly loaders: number;
  readonly slowness: number;
  /** Per family; Infinity where it cannot be loaded. */
  readonly loadMs: readonly number[];
}

export interface Relaxation {
  readonly grid: Grid;
  readonly families: readonly Family[];
  readonly kinds: readonly Kind[];
}

const tailMsMax = 30_000;

export function relaxationOf(plan: SimPlan, cellMs: number): Relaxation {
  const groups = [...Map.groupBy(plan.requests, request => keyOf(plan, request)).values()];
  const families = groups.map(group => {
    const requests = group.toSorted((a, b) => a.atMs - b.atMs);
    return { weights: weightsOf(plan, requests[0]), jobs: jobsOf(requests) };
  });
  const kinds = new Map<string, Kind>();
  for (const backend of plan.backends) {
    const loadMs = groups.map(group => loadMsOf(backend, group[0]));
    const alike = kindOf(backend, loadMs);
    const id = JSON.stringify(alike, (_, value: unknown) => (value === Infinity ? 'never' : value));
    kinds.set(id, { ...alike, count: (kinds.get(id)?.count ?? 0) + 1 });
  }
  const all = [...kinds.values()];
  const endMs = lastArrivalMs(plan) + Math.min(tailMsMax, workMsOf(families, all));
  return { grid: { cellMs, cells: Math.ceil(endMs / cellMs) + 1 }, families, kinds: all };
}

export function lastArrivalMs(plan: SimPlan): number {
  return plan.requests.reduce((lastMs, request) => Math.max(lastMs, request.atMs), 0);
}

function workMsOf(families: readonly Family[], kinds: readonly Kind[]): number {
  const slowest = Math.max(...kinds.map(kind => kind.slowness));
  let workMs = 0;
  for (const [index, family] of families.entries()) {
    workMs += Math.max(0, ...kinds.map(kind => kind.loadMs[index] ?? 0).filter(Number.isFinite));
    for (const job of family.jobs) workMs += slowest * (job.promptMs + job.tokensMs);
  }
  return workMs;
}

function kindOf(backend: SimBackend, loadMs: readonly number[]): Kind {
  const params = { ...OLLAMA_DEFAULTS, ...backend.params };
  const leastBytes = Math.min(...backend.models.map(model => model.sizeBytes));
  const fitting = Math.max(1, Math.floor(params.memoryBytes / leastBytes));
  const room = Math.min(params.runnersMax, fitting, new Set(backend.models.map(model => model.weights)).size);
  return {
    count: 0,
    room,
    slots: params.placesPerRunner,
    loaders: params.device === 'cpu' ? room : 1,
    slowness: backend.slowness ?? 1,
    loadMs,
  };
}

function modelOn(backend: SimBackend, name: string): SimModel | undefined {
  const key = modelKey(name);
  return backend.models.find(model => modelKey(model.name) === key);
}

function loadMsOf(backend: SimBackend, request: SimRequest | undefined): number {
  const model = request && modelOn(backend, request.model);
  if (model === undefined || model.loadError !== undefined) return Infinity;
  return model.loadMs * (backend.slowness ?? 1);
}

function weightsOf(plan: SimPlan, request: SimRequest | undefined): string {
  if (request === undefined) return '';
  for (const backend of plan.backends) {
    const model = modelOn(backend, request.model);
    if (model !== undefined) return model.weights;
  }
  throw new RangeError(`no backend has ${request.model}`);
}

/** Requests of one key can share a runner; num_gpu is left out, because some of its values fit any. */
function keyOf(plan: SimPlan, request: SimRequest): string {
  const names = RELOAD_OPTION_NAMES.filter(name => name !== 'num_gpu');
  return JSON.stringify([weightsOf(plan, request), ...names.map(name => request.options[name])]);
}

/** A prefix may be cached by any request that has its mark: by an earlier one at once, by a later one once it came. */
function jobsOf(requests: readonly SimRequest[]): Job[] {
  const uses = new Map<string, number[]>();
  for (const [index, request] of requests.entries()) {
    for (const mark of request.prefix) {
      const users = uses.get(mark.hash);
      if (users === undefined) uses.set(mark.hash, [index]);
      else users.push(index);
    }
  }
  return requests.map((request, index) => {
    let [before, ever, laterMs] = [0, 0, Infinity];
    for (const mark of request.prefix) {
      const users = uses.get(mark.hash) ?? [];
      const next = users.find(user => user > index);
      if ((users[0] ?? index) < index) before = Math.max(before, mark.bytes);
      if (users.length > 1) ever = Math.max(ever, mark.bytes);
      if (next !== undefined) laterMs = Math.min(laterMs, requests[next]?.atMs ?? Infinity);
    }
    const promptMs = (cachedBytes: number): number =>
      request.promptMs * (cachedBytes > 0 ? Math.max(0, 1 - cachedBytes / request.promptBytes) : 1);
    const { atMs, tokensMs } = request;
    return { atMs, promptMs: promptMs(before), promptMsMin: promptMs(ever), laterMs, tokensMs };
  });
}
