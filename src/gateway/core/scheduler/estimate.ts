// What a choice costs in milliseconds, from learned figures. Never changes the state.
import type { Backend, Candidate, Place, State, Ticket } from './state.ts';
import { figuresOf, rateOf } from './state.ts';
import { perMs } from './learn.ts';
import { expectedWork } from './length.ts';
import { ratioOf } from './pace.ts';
import { freeSlots } from './slots.ts';

export interface Moment {
  readonly state: State;
  readonly nowMs: number;
}

/** How long a request of this runner holds its slot there, on the whole. */
export function serviceMs(state: State, key: string, backend: Backend): number {
  return figuresOf(state, key, backend.view.spec.class).serviceMs.value * ratioOf(backend.pace.serve);
}

/** Time from dispatch to the first byte on a free slot, with `bytes` of prompt not cached there. */
export function promptMs(state: State, candidate: Candidate, bytes: number): number {
  const figures = figuresOf(state, candidate.key, candidate.backend.view.spec.class);
  const perByteMs = figures.promptMsPerByte.value;
  const smallMs = figures.firstByteMs.value;
  const classMs = smallMs + perByteMs * Math.max(0, bytes - smallPromptBytes);
  return classMs * ratioOf(candidate.backend.pace.serve);
}
/** Prompts up to this size teach the fixed part of the first-byte time, longer ones the part per byte. */
export const smallPromptBytes = 2_000;

export function loadMs(state: State, candidate: Candidate): number {
  const className = candidate.backend.view.spec.class;
  const own = figuresOf(state, candidate.key, className).loadMs;
  const ratio = ratioOf(candidate.backend.pace.load);
  if (own.samples > 0) return own.value * ratio;
  const speed = state.learned.loadBytesPerMs.peek(className)?.value ?? state.limits.loadBytesPerMsPrior;
  return (state.limits.loadMsBase + candidate.disk.sizeBytes / speed) * ratio;
}

export function unloadMs(state: State, className: string): number {
  return state.learned.unloadMs.peek(className)?.value ?? state.limits.unloadMsPrior;
}

/** A clock that jumped back must not make anything last longer. */
export function sinceMs(atMs: number, nowMs: number): number {
  return Math.max(0, nowMs - atMs);
}

/** How long this very request holds its slot there, and how much of it is left at least, however long it runs. */
export function expectedMs(
  state: State,
  ticket: Ticket,
  { backend, key }: Pick<Candidate, 'backend' | 'key'>,
): { readonly ms: number; readonly leastMs: number } {
  const figures = figuresOf(state, key, backend.view.spec.class);
  const { workMs, leastShare } = expectedWork(figures, ticket.spec.tokensMax);
  const ms = workMs * ratioOf(backend.pace.serve);
  return { ms, leastMs: ms * leastShare };
}

/** Expected time until the request ends, given how long it runs already. */
export function residualMs(state: State, ticket: Ticket, nowMs: number): number {
  const { backend, key } = ticket;
  if (backend === undefined) return 0;
  const { ms, leastMs } = expectedMs(state, ticket, { backend, key });
  return Math.max(ms - sinceMs(ticket.dispatchedMs, nowMs), leastMs);
}

/** Until the first slot of a full place is free. */
export function slotFreeMs(moment: Moment, place: Place): number {
  if (freeSlots(place.slots, place.running.size) > 0) return 0;
  let leastMs = Infinity;
  for (const ticket of place.running.values()) {
    leastMs = Math.min(leastMs, residualMs(moment.state, ticket, moment.nowMs));
  }
  return leastMs === Infinity ? 0 : leastMs / Math.max(1, Math.sqrt(place.slots.value));
}

/** Until the place has no request left. */
export function idleMs(moment: Moment, place: Place): number {
  let mostMs = 0;
  for (const ticket of place.running.values()) {
    mostMs = Math.max(mostMs, residualMs(moment.state, ticket, moment.nowMs));
  }
  return mostMs;
}

/** Until the load that runs on the backend is over; 0 when none runs. */
export function loaderFreeMs(moment: Moment, backend: Backend): number {
  const load = backend.load;
  if (load === undefined) return 0;
  const wholeMs = loadMs(moment.state, { backend, disk: load.disk, key: load.key });
  if (load.phase === 'clear') {
    const victimsMs = load.victims.map(key => {
      const place = backend.places.get(key);
      return place === undefined ? 0 : idleMs(moment, place);
    });
    return Math.max(0, ...victimsMs) + unloadMs(moment.state, backend.view.spec.class) + wholeMs;
  }
  const elapsedMs = sinceMs(load.startedMs, moment.nowMs);
  // What is overdue will probably take about as long again.
  return Math.max(wholeMs - elapsedMs, wholeMs / 10, elapsedMs - wholeMs);
}

/** Mean wait in a queue of `slots` servers (Sakasegawa's approximation of M/G/c, squared variation 2 for lognormal lengths). */
function meanWaitMs(arrivalsPerMs: number, meanServiceMs: number, slots: number): number {
  if (slots <= 0) return Infinity;
  const share = Math.min(0.97, (arrivalsPerMs * meanServiceMs) / slots);
  if (share <= 0) return 0;
  const queueing = Math.pow(share, Math.sqrt(2 * (slots + 1)) - 1) / (slots * (1 - share));
  return queueing * meanServiceMs * 1.5;
}

export interface Supply {
  readonly slots: number;
  readonly places: number;
  /** Requests that they serve per ms: a slot of a slow class counts for less. */
  readonly perMs: number;
}

export const noSupply: Supply = { slots: 0, places: 0, perMs: 0 };

/** With one more place of the key, on a backend of this class. */
export function plus(supply: Supply, slots: number, meanMs: number): Supply {
  return {
    slots: supply.slots + slots,
    places: supply.places + 1,
    perMs: supply.perMs + slots / Math.max(1, meanMs),
  };
}

/** Mean wait for a slot of these. */
export function supplyWaitMs(arrivalsPerMs: number, { slots, perMs }: Supply): number {
  return meanWaitMs(arrivalsPerMs, slots / perMs, slots);
}

/** Slots that serve the key now or soon, over the whole fleet, apart from one place. */
export function supplyOf(state: State, key: string, apart?: Place): Supply {
  let supply = noSupply;
  for (const backend of state.backends.values()) {
    const place = backend.places.get(key);
    if (place === undefined || place === apart) continue;
    if (place.state !== 'ready' && place.state !== 'loading') continue;
    if (backend.view.draining || backend.view.state !== 'up') continue;
    supply = plus(supply, Math.max(1, place.slots.value), serviceMs(state, key, backend));
  }
  return supply;
}

/**
 * What unloading the place costs everyone over the horizon, in ms of waiting:
 * its arrivals wait for a load, unless its other places carry them.
 */
export function evictionCostMs(moment: Moment, backend: Backend, place: Place): number {
  const { state, nowMs } = moment;
  const { limits } = state;
  const rate = perMs(rateOf(state, place.key, nowMs), nowMs, limits.rateMemoryMs);
  const meanMs = serviceMs(state, place.key, backend);
  const reloadMs = reloadMsOf(moment, backend, place);
  const others = supplyOf(state, place.key, place);
  const arrivals = rate * limits.horizonMs;
  const reloadCostMs = (1 - Math.exp(-arrivals)) * reloadMs * (1 + (rate * reloadMs) / 2);
  if (others.places === 0) return reloadCostMs;
  const beforeMs = supplyWaitMs(rate, plus(others, place.slots.value, meanMs));
  const afterMs = supplyWaitMs(rate, others);
  return Math.min(reloadCostMs, arrivals * (afterMs - beforeMs));
}

function reloadMsOf(moment: Moment, backend: Backend, place: Place): number {
  const disk = backend.view.models.get(place.model);
  if (disk === undefined) return moment.state.limits.serviceMsPrior;
  return loadMs(moment.state, { backend, disk, key: place.key });
}
