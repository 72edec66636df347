// How many requests a runner serves at once: given, or learned from how many had to end before a newcomer was begun.
// Never goes over the bound; a wrong probe costs one wait inside the backend.
import type { PolicyConstants } from './constants.ts';

/** One request of this runner while it runs. */
interface Sent {
  /** How many ran when it was sent. */
  readonly ahead: number;
  readonly probe: boolean;
  /** `Slots.ended` when it was sent. */
  readonly endedBefore: number;
  judged: boolean;
}

export interface Slots {
  readonly given: number | undefined;
  /** Known to work. */
  value: number;
  /** Requests that may be sent beyond the known slots, to learn. */
  step: number;
  pauseUntilMs: number;
  pauseMs: number;
  readonly sent: Map<string, Sent>;
  /** When the latest requests ended, oldest first, and how many ended in all. */
  readonly endedAtMs: number[];
  ended: number;
  /** Probes sent and not judged yet, and what their batch has shown so far. */
  probing: number;
  batch: 'proven' | 'unclear' | 'waited';
  /** What requests proved that had to wait although the known slots were not all taken: without a break the latest ones. */
  proofs: number[];
}

/** So many requests in a row must have waited inside the known slots before the value falls. */
const proofsToFall = 6;
/** An end is seen here a little later than its slot was free there. */
const lagMs = 50;
/** Share of the expected time that surely passed between the beginning of a request and its first byte. */
const surelyServedShare = 0.5;
/** A request that took longer than so many times what was expected had to wait. */
const waitedTimes = 2;
/** Told times do not add up by this share of the work, also without waiting. */
const waitedShare = 0.1;

export function slotsOf(given: number | undefined, limits: PolicyConstants): Slots {
  return {
    given,
    value: given ?? 1,
    step: 1,
    pauseUntilMs: 0,
    pauseMs: limits.slotProbePauseMs,
    sent: new Map(),
    endedAtMs: [],
    ended: 0,
    probing: 0,
    batch: 'proven',
    proofs: [],
  };
}

/** Free slots now, without probing. */
export function freeSlots(slots: Slots, inFlight: number): number {
  return Math.max(0, slots.value - inFlight);
}

/** May one more than the known slots be sent, to learn? Asked only while somebody waits. */
export function mayProbe(slots: Slots, inFlight: number, limits: PolicyConstants, nowMs: number): boolean {
  if (slots.given !== undefined || inFlight < slots.value || inFlight >= limits.slotsMax) return false;
  if (slots.probing === 0 && nowMs < slots.pauseUntilMs) return false;
  return slots.batch !== 'waited' && inFlight < slots.value + slots.step;
}

export function onSend(slots: Slots, id: string, ahead: number): void {
  if (slots.given !== undefined) return;
  const probe = ahead >= slots.value;
  if (probe) slots.probing += 1;
  slots.sent.set(id, { ahead, probe, endedBefore: slots.ended, judged: false });
}

export interface LearnContext {
  readonly limits: PolicyConstants;
  readonly nowMs: number;
}

/** A first byte before any older request ended: it did not wait, whatever it took. */
export function onFirstByte(slots: Slots, id: string, ctx: LearnContext): void {
  const sent = slots.sent.get(id);
  if (sent === undefined || sent.judged || slots.ended !== sent.endedBefore) return;
  judge(slots, sent, { least: sent.ahead + 1, waited: false }, ctx);
}

/** What is known of a request that was served to its end. */
export type Served =
  /** The backend told how long it worked and how much of the time before was waiting for a slot. */
  | { readonly kind: 'told'; readonly workedMs: number; readonly waitedMs: number }
  /** Only how long it took until `seenMs`, and what was expected of it. */
  | {
      readonly kind: 'guessed';
      readonly seenMs: number;
      readonly tookMs: number;
      readonly expectedMs: number;
    };

/** A request of this runner ended. `served` is absent when it was not served to its end. */
export function onEnd(slots: Slots, id: string, served: Served | undefined, ctx: LearnContext): void {
  const sent = slots.sent.get(id);
  if (sent === undefined) return;
  slots.sent.delete(id);
  if (!sent.judged) judge(slots, sent, served && verdictOn(slots, sent, served, ctx.nowMs), ctx);
  slots.ended += 1;
  slots.endedAtMs.push(ctx.nowMs);
  if (slots.endedAtMs.length > 2 * ctx.limits.slotsMax) slots.endedAtMs.shift();
}

/** Has a request lately had to wait inside the known slots? Then its times teach nothing about the model. */
export function isDoubtful(slots: Slots): boolean {
  return slots.proofs.length > 0;
}

interface Verdict {
  /** At least so many were served at once when it began. */
  readonly least: number;
  readonly waited: boolean;
}

/**
 * Requests are begun in the order in which they were sent: so when this one began, those ahead of it that had not ended
 * were being served with it.
 */
function verdictOn(slots: Slots, sent: Sent, served: Served, nowMs: number): Verdict {
  const endedSince = slots.ended - sent.endedBefore;
  if (endedSince === 0) return { least: sent.ahead + 1, waited: false };
  const since = slots.endedAtMs.slice(-endedSince);
  const leastIfBegunBy = (byMs: number): number =>
    Math.max(1, sent.ahead + 1 - since.filter(endMs => endMs <= byMs).length);
  if (served.kind === 'told') {
    const waited = served.waitedMs > Math.max(lagMs, waitedShare * served.workedMs);
    return { least: leastIfBegunBy(nowMs - served.workedMs + lagMs), waited };
  }
  const least = leastIfBegunBy(served.seenMs - surelyServedShare * served.expectedMs);
  const late = served.tookMs > waitedTimes * served.expectedMs + lagMs;
  return { least, waited: late && least <= sent.ahead };
}

function judge(slots: Slots, sent: Sent, verdict: Verdict | undefined, ctx: LearnContext): void {
  sent.judged = true;
  if (verdict !== undefined) {
    if (verdict.least > slots.value) raise(slots, Math.min(verdict.least, ctx.limits.slotsMax));
    else if (sent.ahead + 1 >= slots.value) notePossibleFall(slots, verdict, ctx);
  }
  if (!sent.probe) return;
  if (verdict?.waited === true) slots.batch = 'waited';
  else if (slots.batch === 'proven' && (verdict?.least ?? 0) <= sent.ahead) slots.batch = 'unclear';
  slots.probing -= 1;
  if (slots.probing === 0) endBatch(slots, ctx);
}

function raise(slots: Slots, value: number): void {
  slots.value = value;
  slots.proofs = [];
}

function notePossibleFall(slots: Slots, verdict: Verdict, ctx: LearnContext): void {
  if (!verdict.waited) {
    slots.proofs = [];
    return;
  }
  slots.proofs.push(verdict.least);
  if (slots.proofs.length < proofsToFall) return;
  const most = Math.max(...slots.proofs);
  slots.proofs = [];
  if (most >= slots.value) return;
  slots.value = most;
  pause(slots, ctx);
}

function endBatch(slots: Slots, ctx: LearnContext): void {
  const { batch } = slots;
  slots.batch = 'proven';
  if (batch !== 'proven') {
    pause(slots, ctx);
    return;
  }
  slots.step = Math.min(slots.value, slots.step * 2);
  slots.pauseMs = ctx.limits.slotProbePauseMs;
}

function pause(slots: Slots, ctx: LearnContext): void {
  slots.step = 1;
  slots.pauseUntilMs = ctx.nowMs + slots.pauseMs;
  slots.pauseMs = Math.min(slots.pauseMs * 2, ctx.limits.slotProbePauseMsMax);
}
