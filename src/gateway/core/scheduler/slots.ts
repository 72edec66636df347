// How many requests a runner serves at once: given, or learned by sending a few more and watching whether they had to wait.
// Never goes over the bound; a wrong probe costs one wait inside the backend and is undone.
import type { PolicyConstants } from './constants.ts';

interface Probe {
  /** Slots known when the batch began. */
  readonly base: number;
  readonly size: number;
  /** Ids sent beyond `base`, in order. */
  readonly ids: string[];
  /** When requests of this runner ended since the batch began. */
  readonly endedAtMs: number[];
  confirmed: number;
}

export interface Slots {
  readonly given: number | undefined;
  /** Known to work. */
  value: number;
  /** Size of the next batch of probes. */
  step: number;
  probe: Probe | undefined;
  pauseUntilMs: number;
  pauseMs: number;
  /** Requests in a row, inside the known slots, that had to wait for an older one: the value is too high. */
  queuedSigns: number;
}

const queuedSignsMax = 3;
/** Share of the expected first-byte time that surely passed since a request began to be served. */
const surelyServedShare = 0.7;

export function slotsOf(given: number | undefined, limits: PolicyConstants): Slots {
  return {
    given,
    value: given ?? 1,
    step: 1,
    probe: undefined,
    pauseUntilMs: 0,
    pauseMs: limits.slotProbePauseMs,
    queuedSigns: 0,
  };
}

/** Free slots now, without probing. */
export function freeSlots(slots: Slots, inFlight: number): number {
  return Math.max(0, slots.value - inFlight);
}

/** May one more than the known slots be sent, to learn? Asked only while somebody waits. */
export function mayProbe(slots: Slots, inFlight: number, limits: PolicyConstants, nowMs: number): boolean {
  if (slots.given !== undefined || inFlight < slots.value || slots.value >= limits.slotsMax) return false;
  if (slots.probe === undefined) return nowMs >= slots.pauseUntilMs;
  return slots.probe.ids.length < slots.probe.size && slots.probe.confirmed === 0;
}

export function startProbe(slots: Slots, id: string): void {
  slots.probe ??= { base: slots.value, size: slots.step, ids: [], endedAtMs: [], confirmed: 0 };
  slots.probe.ids.push(id);
}

/**
 * A first byte came `expectedMs` (0 = unknown) after its request can have begun to be served at the earliest.
 * Request number j beyond the known slots would have begun only after j+1 older ones ended.
 */
export function onFirstByte(slots: Slots, id: string, expectedMs: number, ctx: LearnContext): void {
  const probe = slots.probe;
  const position = probe?.ids.indexOf(id) ?? -1;
  if (probe === undefined || position < 0) return;
  const begunAtMs = ctx.nowMs - surelyServedShare * expectedMs;
  const endedBefore = probe.endedAtMs.filter(endMs => endMs <= begunAtMs).length;
  if (endedBefore > position) {
    undo(slots, ctx);
    return;
  }
  slots.value = Math.min(ctx.limits.slotsMax, Math.max(slots.value, probe.base + position + 1));
  probe.confirmed += 1;
  if (probe.confirmed >= probe.ids.length) {
    slots.step = probe.ids.length === probe.size ? Math.min(slots.value, probe.size * 2) : slots.step;
    slots.probe = undefined;
    slots.pauseMs = ctx.limits.slotProbePauseMs;
  }
}

export interface LearnContext {
  readonly limits: PolicyConstants;
  readonly nowMs: number;
}

/** A request of this runner ended, whatever its outcome. */
export function onEnd(slots: Slots, id: string, ctx: LearnContext): void {
  const probe = slots.probe;
  if (probe === undefined) return;
  const position = probe.ids.indexOf(id);
  if (position >= 0) {
    // Ended without a verdict (failed, or the client left): nothing was learned.
    probe.ids.splice(position, 1);
    if (probe.ids.length === 0 || probe.confirmed >= probe.ids.length) slots.probe = undefined;
    return;
  }
  if (probe.endedAtMs.length < ctx.limits.slotsMax) probe.endedAtMs.push(ctx.nowMs);
}

function undo(slots: Slots, ctx: LearnContext): void {
  slots.probe = undefined;
  slots.step = Math.max(1, slots.value >> 2);
  slots.pauseUntilMs = ctx.nowMs + slots.pauseMs;
  slots.pauseMs = Math.min(slots.pauseMs * 2, ctx.limits.slotProbePauseMsMax);
}

/** `waited`: a request inside the known slots began only after an older one ended. Several in a row halve the value. */
export function onServed(slots: Slots, sign: 'at_once' | 'waited'): void {
  if (slots.given !== undefined) return;
  slots.queuedSigns = sign === 'waited' ? slots.queuedSigns + 1 : 0;
  if (slots.queuedSigns < queuedSignsMax || slots.value <= 1) return;
  slots.value = Math.max(1, slots.value >> 1);
  slots.step = 1;
  slots.queuedSigns = 0;
}
