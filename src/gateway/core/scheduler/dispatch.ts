// Sends waiting tickets to free slots. Never loads a model (place.ts) and never puts more on a runner than its slots.
import type { DispatchReason } from '../../../api/reasons.ts';
import { arrivalEstimateMs } from './arrival.ts';
import { onPass } from './breaker.ts';
import { loadMs, loaderFreeMs, promptMs, slotFreeMs, unloadMs } from './estimate.ts';
import type { Moment } from './estimate.ts';
import { hit } from './learn.ts';
import type { Consideration } from './messages.ts';
import { freeSlots, mayProbe, onSend } from './slots.ts';
import type { Ask, Candidate, Emit, Place, State, Ticket } from './state.ts';
import { rateOf, wakeBy } from './state.ts';
import { barred, choose, failedJustNow, shut } from './usable.ts';

interface Slot {
  readonly candidate: Candidate;
  readonly place: Place | undefined;
  readonly how: 'free' | 'probe' | 'none_needed';
  readonly reason: DispatchReason;
  readonly promptMs: number;
  readonly uncachedBytes: number;
}

/** Dispatches what can be dispatched of one ask, best ticket first. */
export function dispatchAsk(moment: Moment, ask: Ask, emit: Emit): void {
  const { state } = moment;
  if (!hasOpening(moment, ask)) return;
  let slot: Slot | undefined;
  let triedLast: Ticket | undefined;
  const fits = (ticket: Ticket): boolean => {
    triedLast = ticket;
    slot = slotFor(moment, ticket);
    return slot !== undefined;
  };
  while (ask.queue.size > 0) {
    const ticket = ask.queue.next(state.clock, fits);
    if (ticket === undefined) return;
    // With several tenants the last one that was tried need not be the one chosen, and a slot is for one ticket only.
    if (triedLast !== ticket) slot = slotFor(moment, ticket);
    if (slot === undefined) return;
    unqueue(state, ticket);
    send(moment, ticket, slot, emit);
  }
}

/** Cheap and never wrong about "none": spares looking at every ticket of a long queue. */
function hasOpening(moment: Moment, ask: Ask): boolean {
  if (ask.kind === 'holder') return true;
  for (const { backend, key, disk } of ask.candidates) {
    if (disk.remoteHost !== undefined) return true;
    const place = backend.places.get(key);
    if (place?.state !== 'ready') continue;
    if (freeSlots(place.slots, place.running.size) > 0) return true;
    if (mayProbe(place.slots, place.running.size, moment.state.limits, moment.nowMs)) return true;
    if (place.slots.pauseUntilMs > moment.nowMs) wakeBy(moment.state, place.slots.pauseUntilMs);
  }
  return false;
}

export function unqueue(state: State, ticket: Ticket): void {
  if (!ticket.ask.queue.remove(ticket)) return;
  state.queued -= 1;
  state.queuedBytes -= ticket.spec.bodyBytes;
  state.clock.onLeave(ticket.spec.tenant);
  if (ticket.ask.queue.size === 0) state.waitingAsks.splice(state.waitingAsks.indexOf(ticket.ask), 1);
}

/**
 * 1. Needs no runner: the usable backend with the least to do.
 * 2. A free slot of a loaded runner: the one whose first token comes soonest, conversation prefix counted.
 * 3. The runner that has this conversation is busy and waiting for it is cheaper: wait (bounded).
 * 4. Only full runners: one of them may be probed for one more slot. 5. Otherwise wait.
 */
function slotFor(moment: Moment, ticket: Ticket): Slot | undefined {
  const { state, nowMs } = moment;
  const { usable, failOpen } = choose(ticket, nowMs);
  if (usable.length === 0) return undefined;
  if (ticket.ask.kind === 'holder' || usable[0]?.disk.remoteHost !== undefined)
    return slotless(ticket, usable);
  const known = ticket.spec.prefix.length > 0 ? state.prefixes.find(ticket.spec.prefix, nowMs) : undefined;
  let best: Slot | undefined;
  let bestMs = Infinity;
  for (const candidate of usable) {
    const place = candidate.backend.places.get(candidate.key);
    if (place === undefined || place.state !== 'ready') continue;
    const sticky = known?.seen.backend === candidate.backend.name && known.seen.key === candidate.key;
    const uncachedBytes = ticket.spec.promptBytes - (sticky ? (known?.bytes ?? 0) : 0);
    const expectedMs = promptMs(state, candidate, uncachedBytes);
    const free = freeSlots(place.slots, place.running.size) > 0;
    if (!free) {
      const savedMs = promptMs(state, candidate, ticket.spec.promptBytes) - expectedMs;
      if (sticky && holdsForPrefix(moment, ticket, place, savedMs)) return undefined;
      continue;
    }
    const costMs = expectedMs + crowd(state, candidate) + state.rng() * 0.5;
    if (costMs >= bestMs) continue;
    bestMs = costMs;
    best = {
      candidate,
      place,
      how: 'free',
      reason: reasonOf(moment, ticket, { place, sticky, failOpen }),
      promptMs: expectedMs,
      uncachedBytes,
    };
  }
  return best ?? probeSlot(moment, ticket, usable);
}

function crowd(state: State, candidate: Candidate): number {
  let running = candidate.backend.slotless.size;
  for (const place of candidate.backend.places.values()) running += place.running.size;
  return running * state.limits.crowdMs;
}

function holdsForPrefix(moment: Moment, ticket: Ticket, place: Place, savedMs: number): boolean {
  const { limits } = moment.state;
  const waitedMs = moment.nowMs - ticket.spec.arrivedAtMs;
  const waitMs = slotFreeMs(moment, place);
  if (savedMs <= limits.prefixGainMin * waitMs || waitedMs + waitMs > limits.prefixWaitMsMax) return false;
  wakeBy(moment.state, ticket.spec.arrivedAtMs + limits.prefixWaitMsMax);
  return true;
}

interface How {
  readonly place: Place;
  readonly sticky: boolean;
  readonly failOpen: boolean;
}

function reasonOf(moment: Moment, ticket: Ticket, how: How): DispatchReason {
  if (how.failOpen) return 'fail_open';
  if (ticket.spec.tried.length > 0) return 'retry';
  // Only a place that became ready after the ticket came was loaded for it.
  if (ticket.reason !== undefined && how.place.sinceMs >= ticket.spec.arrivedAtMs) return ticket.reason;
  if (how.sticky) return 'warm_prefix';
  return moment.nowMs > ticket.spec.arrivedAtMs ? 'warm_waited' : 'warm_free';
}

function slotless(ticket: Ticket, usable: readonly Candidate[]): Slot | undefined {
  let best: Candidate | undefined;
  for (const candidate of usable) {
    if (best === undefined || candidate.backend.slotless.size < best.backend.slotless.size) best = candidate;
  }
  if (best === undefined) return undefined;
  const reason = ticket.ask.kind === 'holder' ? 'holder' : 'cloud';
  return { candidate: best, place: undefined, how: 'none_needed', reason, promptMs: 0, uncachedBytes: 0 };
}

function probeSlot(moment: Moment, ticket: Ticket, usable: readonly Candidate[]): Slot | undefined {
  const { state, nowMs } = moment;
  for (const candidate of usable) {
    const place = candidate.backend.places.get(candidate.key);
    if (place === undefined || place.state !== 'ready') continue;
    if (!mayProbe(place.slots, place.running.size, state.limits, nowMs)) {
      if (place.slots.pauseUntilMs > nowMs) wakeBy(state, place.slots.pauseUntilMs);
      continue;
    }
    const uncachedBytes = ticket.spec.promptBytes;
    return {
      candidate,
      place,
      how: 'probe',
      reason: 'warm_waited',
      promptMs: promptMs(state, candidate, uncachedBytes),
      uncachedBytes,
    };
  }
  return undefined;
}

function send(moment: Moment, ticket: Ticket, slot: Slot, emit: Emit): void {
  const { state, nowMs } = moment;
  const { backend, key } = slot.candidate;
  ticket.considered = consider(moment, ticket);
  ticket.state = 'running';
  ticket.backend = backend;
  ticket.key = slot.place === undefined ? '' : key;
  ticket.dispatchedMs = nowMs;
  ticket.promptMsExpected = slot.promptMs;
  ticket.uncachedBytes = slot.uncachedBytes;
  ticket.teaches = slot.how === 'free';
  ticket.reason = slot.reason;
  ticket.grantId = ++state.grantId;
  const queuedMs = Math.max(0, nowMs - ticket.spec.arrivedAtMs);
  ticket.estimateMs ??= slot.how === 'probe' ? arrivalEstimateMs(moment, ticket) : queuedMs + slot.promptMs;
  if (slot.place === undefined) backend.slotless.add(ticket.spec.id);
  else occupy(moment, ticket, slot.place);
  onPass(backend.breaker, ticket.spec.id);
  const trouble = backend.modelBreakers.peek(key);
  if (trouble !== undefined) onPass(trouble.breaker, ticket.spec.id);
  emit({
    type: 'dispatch',
    id: ticket.spec.id,
    backend: backend.name,
    key: ticket.key,
    grant: { id: ticket.grantId, term: state.term },
    reason: slot.reason,
    estimateMs: ticket.estimateMs ?? queuedMs,
    queuedMs,
    considered: ticket.considered,
  });
}

function occupy(moment: Moment, ticket: Ticket, place: Place): void {
  onSend(place.slots, ticket.spec.id, place.running.size);
  place.running.set(ticket.spec.id, ticket);
  place.lastUsedMs = moment.nowMs;
  place.served += 1;
}

export function noteArrival(state: State, ask: Ask, nowMs: number): void {
  if (ask.primaryKey !== '') hit(rateOf(state, ask.primaryKey, nowMs), nowMs, state.limits.rateMemoryMs);
}

const consideredMax = 32;

/** What every backend would have meant for this ticket: for the log, the fleet page and `bigo status`. */
export function consider(moment: Moment, ticket: Ticket): Consideration[] {
  const considered: Consideration[] = [];
  for (const candidate of ticket.ask.candidates) {
    if (considered.length >= consideredMax) break;
    const { backend } = candidate;
    const skipped =
      barred(backend, ticket) ??
      shut(candidate, moment.nowMs) ??
      (failedJustNow(candidate, ticket) ? 'tried' : undefined);
    if (skipped !== undefined) considered.push({ backend: backend.name, skipped });
    else considered.push({ backend: backend.name, ...firstTokenMs(moment, ticket, candidate) });
  }
  return considered;
}

/** Estimated ms from now until the first token, if the ticket went there. */
function firstTokenMs(
  moment: Moment,
  ticket: Ticket,
  candidate: Candidate,
): { estimateMs: number; loaded: boolean } {
  const { state } = moment;
  const ownMs = promptMs(state, candidate, ticket.spec.promptBytes);
  const place = candidate.backend.places.get(candidate.key);
  if (place?.state === 'ready') {
    return { estimateMs: Math.round(slotFreeMs(moment, place) + ownMs), loaded: true };
  }
  const loaderMs = loaderFreeMs(moment, candidate.backend);
  if (place?.state === 'loading') return { estimateMs: Math.round(loaderMs + ownMs), loaded: false };
  const clearMs = candidate.backend.places.size > 0 ? unloadMs(state, candidate.backend.view.spec.class) : 0;
  return { estimateMs: Math.round(loaderMs + clearMs + loadMs(state, candidate) + ownMs), loaded: false };
}
