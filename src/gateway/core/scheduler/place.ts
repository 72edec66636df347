// Decides which runner to load where, and what gives way. Never sends a ticket; one load at a time per backend.
import type { DispatchReason, PlaceReason } from '../../../api/reasons.ts';
import { mayFit } from './capacity.ts';
import type { Capacity } from './capacity.ts';
import {
  evictionCostMs,
  idleMs,
  loadMs,
  loaderFreeMs,
  noSupply,
  plus,
  serviceMs,
  sinceMs,
  supplyOf,
  supplyWaitMs,
  unloadMs,
} from './estimate.ts';
import type { Moment, Supply } from './estimate.ts';
import { perMs } from './learn.ts';
import { advanceLoad, setState } from './loading.ts';
import { noteOptions, noveltyWaitMs } from './novelty.ts';
import { rankOf } from './queue.ts';
import type { Ask, Backend, Candidate, Emit, PendingLoad, Place, State, Ticket } from './state.ts';
import { rateOf, wakeBy } from './state.ts';
import { choose } from './usable.ts';

interface Plan {
  readonly candidate: Candidate;
  readonly victims: readonly Place[];
  /** Until the model is loaded there. */
  readonly readyMs: number;
  /** What the evictions cost everyone, in ms of waiting. */
  readonly evictionMs: number;
  readonly sameWeights: boolean;
}

/** Considers every ask that waits: higher priorities first, then the oldest head. */
export function planLoads(moment: Moment, emit: Emit): void {
  const { state } = moment;
  if (state.waitingAsks.length === 0) return;
  const heads: { ask: Ask; head: Ticket }[] = [];
  for (const ask of state.waitingAsks) {
    const head = ask.kind === 'holder' ? undefined : ask.queue.head(state.clock);
    if (head !== undefined) heads.push({ ask, head });
  }
  heads.sort(
    (a, b) => rankOf(a.head.spec.priority) - rankOf(b.head.spec.priority) || a.head.order - b.head.order,
  );
  for (const { ask, head } of heads) planFor(moment, ask, head, emit);
}

/**
 * 1. No place anywhere: load where it is cheapest, once the waiting has paid for what gives way (patience).
 * 2. Its places (those being loaded count) are busy: one more only if the queue saves more than the eviction costs.
 * 3. The head waited longer than waitForWarmMsMax: load in any case.
 */
function planFor(moment: Moment, ask: Ask, head: Ticket, emit: Emit): void {
  const { state, nowMs } = moment;
  const { usable } = choose(head, nowMs);
  if (usable.length === 0 || usable[0]?.disk.remoteHost !== undefined) return;
  const supply = supplyHere(moment, usable);
  const starvedAtMs = head.spec.arrivedAtMs + state.limits.waitForWarmMsMax;
  const starved = supply.places === 0 && nowMs > starvedAtMs;
  if (nowMs <= starvedAtMs) wakeBy(state, starvedAtMs + 1);
  const plans = usable.flatMap(candidate => planOn(moment, candidate, starved) ?? []);
  if (supply.places > 0) {
    // One load of a model at a time: what it brings is seen before more is spent on it, unless another would be there first.
    const coming = usable.filter(candidate => isComing(moment, candidate));
    const comingMs = Math.min(...coming.map(({ backend }) => loaderFreeMs(moment, backend)));
    const sooner = plans.filter(plan => plan.readyMs < comingMs && !isSoonerElsewhere(moment, plan, usable));
    const plan = bestCopy(moment, ask, sooner, supply);
    if (plan !== undefined) begin(moment, { ask, plan, reason: 'load_copy' }, emit);
    return;
  }
  const plan = bestCold(moment, ask, plans, usable);
  if (plan === undefined) return;
  if (!starved && !patienceIsOver(moment, ask, plan)) return;
  const { disk, key } = plan.candidate;
  const laterMs = noveltyWaitMs(state, disk.weights, key, nowMs);
  if (laterMs > 0) return wakeBy(state, nowMs + laterMs);
  begin(moment, { ask, plan, reason: starved ? 'load_starved' : 'load_cold' }, emit);
}

/** The model is being loaded there. A load that takes far longer than expected is not counted on any more. */
function isComing(moment: Moment, candidate: Candidate): boolean {
  const { load } = candidate.backend;
  if (load?.key !== candidate.key || load.phase === 'cancelling') return false;
  if (load.phase === 'clear') return true;
  const { overdueShare, loadMsBase } = moment.state.limits;
  const lateAtMs = load.startedMs + loadMsBase + overdueShare * loadMs(moment.state, candidate);
  if (moment.nowMs > lateAtMs) return false;
  wakeBy(moment.state, lateAtMs + 1);
  return true;
}

function supplyHere(moment: Moment, usable: readonly Candidate[]): Supply {
  let supply = noSupply;
  for (const candidate of usable) {
    const { backend, key } = candidate;
    const place = backend.places.get(key);
    if (place?.state !== 'ready' && !isComing(moment, candidate)) continue;
    const slots = Math.max(1, place?.slots.value ?? backend.view.spec.slots ?? 1);
    supply = plus(supply, slots, serviceMs(moment.state, key, backend));
  }
  return supply;
}

/** How the model could be loaded on this backend now; undefined when it cannot. */
function planOn(moment: Moment, candidate: Candidate, starved: boolean): Plan | undefined {
  const { state } = moment;
  const { backend, key, disk } = candidate;
  if (backend.load !== undefined || backend.places.has(key)) return undefined;
  const twin = [...backend.places.values()].find(place => place.weights === disk.weights);
  if (twin !== undefined && twin.state !== 'ready') return undefined;
  const victims = victimsFor(moment, candidate, twin, starved);
  if (victims === undefined) return undefined;
  const clearMs = Math.max(0, ...victims.map(place => idleMs(moment, place)));
  const gapMs = victims.length > 0 ? unloadMs(state, backend.view.spec.class) : 0;
  const evictionMs = victims.reduce((sum, place) => sum + evictionCostMs(moment, backend, place), 0);
  return {
    candidate,
    victims,
    readyMs: clearMs + gapMs + loadMs(state, candidate),
    evictionMs,
    sameWeights: twin !== undefined,
  };
}

/** The cheapest places that make room; undefined when no room can be made without taking what others wait for. */
function victimsFor(
  moment: Moment,
  candidate: Candidate,
  twin: Place | undefined,
  starved: boolean,
): Place[] | undefined {
  const { backend } = candidate;
  const victims: Place[] = twin === undefined ? [] : [twin];
  if (twin !== undefined && !starved && isAwaited(moment.state, twin)) return undefined;
  const others = [...backend.places.values()].filter(place => place !== twin);
  const alike = alikeOf(moment.state, backend);
  const fits = (): boolean =>
    fitsBeside(
      candidate,
      others.filter(place => !victims.includes(place)),
      alike,
    );
  if (fits()) return victims;
  const costs = others
    .filter(place => place.state === 'ready' && (starved || !isAwaited(moment.state, place)))
    .map(place => ({ place, costMs: evictionCostMs(moment, backend, place) + idleMs(moment, place) }))
    .sort((a, b) => a.costMs - b.costMs || a.place.lastUsedMs - b.place.lastUsedMs);
  for (const { place } of costs) {
    victims.push(place);
    if (fits()) return victims;
  }
  return undefined;
}

/** Tickets wait for this runner and no other place serves them: taking it would only turn the wheel. */
function isAwaited(state: State, place: Place): boolean {
  let waits = false;
  for (const ask of state.waitingAsks) {
    if (ask.candidates.some(candidate => candidate.key === place.key)) waits = true;
  }
  return (waits || place.served === 0) && supplyOf(state, place.key, place).places === 0;
}

/** Waiting of the whole queue plus the others' loss; a busy loader elsewhere may still be the better place to wait for. */
function bestCold(
  moment: Moment,
  ask: Ask,
  plans: readonly Plan[],
  usable: readonly Candidate[],
): Plan | undefined {
  const waiting = ask.queue.size;
  let best: Plan | undefined;
  let bestMs = Infinity;
  for (const plan of plans) {
    const crowdMs = moment.state.limits.crowdMs * plan.candidate.backend.places.size;
    const costMs = waiting * plan.readyMs + plan.evictionMs + crowdMs + moment.state.rng();
    if (costMs < bestMs) [best, bestMs] = [plan, costMs];
  }
  if (best === undefined) return undefined;
  for (const candidate of usable) {
    if (candidate.backend.load === undefined) continue;
    const otherMs = loaderFreeMs(moment, candidate.backend) + loadMs(moment.state, candidate);
    const alike = alikeOf(moment.state, candidate.backend);
    const room = fitsBeside(candidate, [...candidate.backend.places.values()], alike);
    if (room && waiting * otherMs < bestMs) return undefined;
  }
  return isSoonerElsewhere(moment, best, usable) ? undefined : best;
}

/** A much faster backend would have it earlier, although it must first end another load. */
function isSoonerElsewhere(moment: Moment, plan: Plan, usable: readonly Candidate[]): boolean {
  return usable.some(candidate => {
    const { backend } = candidate;
    if (backend.load === undefined || backend.load.phase === 'cancelling') return false;
    const clearMs = unloadMs(moment.state, backend.view.spec.class);
    const otherMs = loaderFreeMs(moment, backend) + clearMs + loadMs(moment.state, candidate);
    return soonerShare * plan.readyMs > otherMs;
  });
}
/** Only what comes in less than this share of the time is worth another load's end. */
const soonerShare = 0.5;

function fitsBeside(candidate: Candidate, stay: readonly Place[], alike: readonly Capacity[]): boolean {
  const bytes = stay.reduce((sum, place) => sum + place.sizeBytes, candidate.disk.sizeBytes);
  const idle = stay.every(place => place.running.size === 0);
  return mayFit(candidate.backend.capacity, { count: stay.length + 1, bytes }, { alike, idle });
}

/** What is known of the other backends of the class. */
function alikeOf(state: State, backend: Backend): Capacity[] {
  const className = backend.view.spec.class;
  return [...state.backends.values()]
    .filter(other => other !== backend && other.view.spec.class === className)
    .map(other => other.capacity);
}

/** Ski rental: the queue waits until its waiting reaches a share of what the eviction costs the others. */
function patienceIsOver(moment: Moment, ask: Ask, plan: Plan): boolean {
  const leftMs = patienceMs(moment, ask, plan);
  if (leftMs > 0) wakeBy(moment.state, moment.nowMs + leftMs + 1);
  return leftMs <= 0;
}

/** How long the tickets that wait now would still have to wait for it. */
function patienceMs({ state, nowMs }: Moment, ask: Ask, plan: Plan): number {
  let waitedMs = 0;
  for (const ticket of ask.queue) waitedMs += sinceMs(ticket.spec.arrivedAtMs, nowMs);
  return (state.limits.patienceShare * plan.evictionMs - waitedMs) / Math.max(1, ask.queue.size);
}

/** Where the model would be loaded if nothing changed, and when it would be ready; undefined while no loader may begin. */
export function coldStart(
  moment: Moment,
  ask: Ask,
  usable: readonly Candidate[],
): { readonly candidate: Candidate; readonly readyMs: number } | undefined {
  let best: { candidate: Candidate; readyMs: number } | undefined;
  for (const candidate of usable) {
    const plan = planOn(moment, candidate, false);
    if (plan === undefined) continue;
    const readyMs = plan.readyMs + Math.max(0, patienceMs(moment, ask, plan));
    if (best === undefined || readyMs < best.readyMs) best = { candidate, readyMs };
  }
  return best;
}

/** One more place for a model whose places are busy, where what its queue saves exceeds what everyone loses. */
function bestCopy(moment: Moment, ask: Ask, plans: readonly Plan[], supply: Supply): Plan | undefined {
  const { state, nowMs } = moment;
  const { limits } = state;
  const rate = perMs(rateOf(state, ask.primaryKey, nowMs), nowMs, limits.rateMemoryMs);
  const busyShare = rate / supply.perMs;
  const queueMs = ask.queue.size / supply.perMs;
  let best: Plan | undefined;
  let bestGainMs = 0;
  for (const plan of plans) {
    const enough = plan.victims.length === 0 ? limits.busyShareMinFree : limits.busyShareMin;
    if (busyShare < enough && queueMs < 2 * plan.readyMs) continue;
    const left = Math.max(0, ask.queue.size - plan.readyMs * supply.perMs);
    const { backend, key } = plan.candidate;
    const meanMs = serviceMs(state, key, backend);
    const more = plus(supply, supply.slots / supply.places, meanMs);
    const queueSavedMs = ((left * left) / 2) * (1 / supply.perMs - 1 / more.perMs);
    const laterSavedMs = rate * limits.horizonMs * (supplyWaitMs(rate, supply) - supplyWaitMs(rate, more));
    const gainMs = queueSavedMs + laterSavedMs - limits.copyGainMin * (plan.evictionMs + plan.readyMs);
    if (gainMs > bestGainMs) [best, bestGainMs] = [plan, gainMs];
  }
  return best;
}

interface Order {
  readonly ask: Ask;
  readonly plan: Plan;
  readonly reason: PlaceReason;
}

function begin(moment: Moment, { ask, plan, reason }: Order, emit: Emit): void {
  const { backend, key, disk } = plan.candidate;
  const idle = plan.victims.every(place => place.running.size === 0 && plan.evictionMs < 1);
  const load: PendingLoad = {
    ask,
    key,
    disk,
    victims: plan.victims.map(place => place.key),
    reason,
    evictReason: plan.sameWeights ? 'reload_options' : idle ? 'evict_idle' : 'evict_cheapest',
    decided: {
      waiting: ask.queue.size,
      readyMs: Math.round(plan.readyMs),
      evictionMs: Math.round(plan.evictionMs),
    },
    plannedMs: moment.nowMs,
    phase: 'clear',
    startedMs: moment.nowMs,
  };
  backend.load = load;
  noteOptions(moment.state, disk.weights, key, moment.nowMs);
  for (const place of plan.victims) setState(place, 'closing', moment.nowMs);
  const why = dispatchReason(reason, plan);
  for (const ticket of ask.queue) {
    ticket.reason ??= why;
  }
  advanceLoad(moment, backend, emit);
}

function dispatchReason(reason: PlaceReason, plan: Plan): DispatchReason {
  if (reason === 'load_copy') return 'hot_copy';
  if (reason === 'load_starved') return 'starved';
  return plan.victims.length > 0 ? 'cold_evict' : 'cold_free';
}
