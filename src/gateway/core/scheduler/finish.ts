// What the scheduler learns and frees when something ends: a first byte, a request, a load, an unload. Never starts anything.
import type { Outcome, ServiceSample } from './messages.ts';
import { closedBreaker, onFailure, onNeutral, onSuccess } from './breaker.ts';
import { smallPromptBytes } from './estimate.ts';
import type { Moment } from './estimate.ts';
import { learn, meanOf } from './learn.ts';
import { learnLength } from './length.ts';
import { learnWithPace, ratioOf } from './pace.ts';
import { reopen, setState } from './loading.ts';
import { isDoubtful, onEnd, onFirstByte as slotsOnFirstByte } from './slots.ts';
import type { Served } from './slots.ts';
import type { Backend, Place, State, Ticket } from './state.ts';
import { figuresOf } from './state.ts';

export function firstByte(moment: Moment, ticket: Ticket): void {
  const { state, nowMs } = moment;
  if (ticket.firstByteMs !== undefined || ticket.backend === undefined) return;
  ticket.firstByteMs = nowMs;
  const place = placeOf(ticket);
  if (place === undefined) return;
  const tookMs = nowMs - ticket.dispatchedMs;
  const { limits } = state;
  const before = place.slots.value;
  slotsOnFirstByte(place.slots, ticket.spec.id, { limits, nowMs });
  if (place.slots.value !== before) rememberSlots(ticket.backend, place);
  if (!ticket.teaches || isDoubtful(place.slots)) return;
  learnPrompt(state, ticket, tookMs);
}

function learnPrompt(state: State, ticket: Ticket, tookMs: number): void {
  const className = ticket.backend?.view.spec.class ?? 'default';
  const figures = figuresOf(state, ticket.key, className);
  const classMs = tookMs / (ticket.backend === undefined ? 1 : ratioOf(ticket.backend.pace.serve));
  if (ticket.uncachedBytes <= smallPromptBytes) {
    learn(figures.firstByteMs, classMs, state.limits.learnWeight);
    return;
  }
  const beyond = ticket.uncachedBytes - smallPromptBytes;
  const perByteMs = Math.max(0, classMs - figures.firstByteMs.value) / beyond;
  learn(figures.promptMsPerByte, perByteMs, state.limits.learnWeight);
}

function rememberSlots(backend: Backend, place: Place): void {
  backend.learnedSlots.touch(place.weights, () => ({ value: 1 })).value = place.slots.value;
}

export interface Ending {
  readonly outcome: Outcome;
  readonly sample?: ServiceSample;
}

/** Frees the slot exactly once and lets breakers and figures learn. */
export function endTicket(moment: Moment, ticket: Ticket, ending: Ending): void {
  const { state, nowMs } = moment;
  const { backend } = ticket;
  state.tickets.delete(ticket.spec.id);
  if (backend === undefined) return;
  backend.slotless.delete(ticket.spec.id);
  const heldMs = nowMs - ticket.dispatchedMs;
  state.clock.charge(ticket.spec.tenant, heldMs);
  judge(moment, backend, ticket, ending.outcome);
  const place = placeOf(ticket);
  if (place === undefined) return;
  place.running.delete(ticket.spec.id);
  place.lastUsedMs = nowMs;
  place.provenMs = nowMs;
  const served = ending.outcome === 'ok' ? servedAs(moment, ticket, ending.sample) : undefined;
  onEnd(place.slots, ticket.spec.id, served, { limits: state.limits, nowMs });
  if (place.slots.given === undefined) rememberSlots(backend, place);
  if (ending.outcome !== 'ok') return;
  learnWork(state, ticket, { backend, heldMs, sample: ending.sample });
  if (ticket.spec.prefix.length > 0) {
    state.prefixes.remember(ticket.spec.prefix, backend.name, ticket.key, nowMs);
  }
}

interface Work {
  readonly backend: Backend;
  readonly heldMs: number;
  readonly sample: ServiceSample | undefined;
}

/** How fast the backend is shows best in the time per token, which does not depend on what was asked. */
function learnWork(state: State, ticket: Ticket, { backend, heldMs, sample }: Work): void {
  const { learnWeight } = state.limits;
  const { length, serviceMs } = figuresOf(state, ticket.key, backend.view.spec.class);
  const tokens = sample?.tokens ?? 0;
  // What it waited inside the backend is no work.
  const workedMs = Math.max(1, heldMs - (sample?.waitedMs ?? 0));
  const classWorkedMs = workedMs / ratioOf(backend.pace.serve);
  if (tokens > 0) {
    const { tokensMax } = ticket.spec;
    if (tokensMax !== undefined)
      learnLength(length, { tokens, tokensMax, workedMs: classWorkedMs, serviceMs }, learnWeight);
    if (sample?.evalMs !== undefined)
      learnWithPace(
        backend.pace.serve,
        length.msPerToken,
        { ms: sample.evalMs / tokens },
        { pace: learnWeight, mean: learnWeight },
      );
  }
  learn(serviceMs, workedMs / ratioOf(backend.pace.serve), learnWeight);
}

/** An answer that came whole has its first byte at its end, and says by it nothing about its prompt. */
const wholeShare = 0.1;

function servedAs(moment: Moment, ticket: Ticket, sample: ServiceSample | undefined): Served {
  const { state, nowMs } = moment;
  const heldMs = nowMs - ticket.dispatchedMs;
  if (sample?.promptMs !== undefined && sample.evalMs !== undefined && sample.waitedMs !== undefined) {
    return { kind: 'told', workedMs: sample.promptMs + sample.evalMs, waitedMs: sample.waitedMs };
  }
  const { firstByteMs } = ticket;
  if (firstByteMs !== undefined && nowMs - firstByteMs > wholeShare * heldMs) {
    const tookMs = firstByteMs - ticket.dispatchedMs;
    return { kind: 'guessed', seenMs: firstByteMs, tookMs, expectedMs: ticket.promptMsExpected };
  }
  const className = ticket.backend?.view.spec.class ?? 'default';
  const classMs = figuresOf(state, ticket.key, className).serviceMs.value;
  const expectedMs = classMs * (ticket.backend === undefined ? 1 : ratioOf(ticket.backend.pace.serve));
  return { kind: 'guessed', seenMs: nowMs, tookMs: heldMs, expectedMs };
}

function judge(moment: Moment, backend: Backend, ticket: Ticket, outcome: Outcome): void {
  const { limits } = moment.state;
  const trouble = backend.modelBreakers.peek(ticket.key);
  if (outcome === 'ok') {
    onSuccess(backend.breaker);
    if (trouble !== undefined) backend.modelBreakers.delete(ticket.key);
    return;
  }
  if (outcome !== 'failed') {
    onNeutral(backend.breaker, ticket.spec.id);
    if (trouble !== undefined) onNeutral(trouble.breaker, ticket.spec.id);
    return;
  }
  const open = { openMs: limits.breakerOpenMs, openMsMax: limits.breakerOpenMsMax };
  onFailure(backend.breaker, { ...open, failuresMax: limits.breakerFailures }, moment.nowMs);
  if (ticket.key === '') return;
  const made = backend.modelBreakers.touch(ticket.key, () => ({ breaker: closedBreaker(), message: '' }));
  onFailure(made.breaker, { ...open, failuresMax: limits.modelBreakerFailures }, moment.nowMs);
}

function placeOf(ticket: Ticket): Place | undefined {
  const place = ticket.backend?.places.get(ticket.key);
  return place?.running.has(ticket.spec.id) === true ? place : undefined;
}

export function loadDone(moment: Moment, backend: Backend, key: string): void {
  const { state, nowMs } = moment;
  const { load } = backend;
  const place = backend.places.get(key);
  if (place?.state === 'loading') setState(place, 'ready', nowMs);
  if (place !== undefined) {
    place.provenMs = nowMs;
    place.lastUsedMs = nowMs;
  }
  if (load?.key !== key) return;
  backend.load = undefined;
  backend.modelBreakers.delete(key);
  onSuccess(backend.breaker);
  const tookMs = Math.max(1, nowMs - load.startedMs);
  learnLoad(state, backend, { key, ms: tookMs, bytes: load.disk.sizeBytes });
}

interface Loaded {
  readonly key: string;
  readonly ms: number;
  readonly bytes: number;
}

function learnLoad(state: State, { pace, view }: Backend, { key, ms, bytes }: Loaded): void {
  const className = view.spec.class;
  const { learnWeight, loadMsBase, loadBytesPerMsPrior } = state.limits;
  const speed = state.learned.loadBytesPerMs.touch(className, () => meanOf(loadBytesPerMsPrior));
  const bySizeMs = speed.samples > 0 ? { classMs: loadMsBase + bytes / speed.value } : {};
  const weights = { pace: learnWeight, mean: Math.max(learnWeight, 0.5) };
  learnWithPace(pace.load, figuresOf(state, key, className).loadMs, { ms, ...bySizeMs }, weights);
  learn(speed, bytes / Math.max(1, ms / ratioOf(pace.load) - loadMsBase), learnWeight);
}

export interface LoadFailure {
  readonly key: string;
  readonly message: string;
  readonly fault: 'backend' | 'model' | 'cancelled';
}

export function loadFailed(moment: Moment, backend: Backend, failure: LoadFailure): void {
  const { state, nowMs } = moment;
  const place = backend.places.get(failure.key);
  if (place?.state === 'loading') {
    backend.places.delete(failure.key);
    // Ollama shows a runner while it loads: a poll from that time must not make a place of it.
    backend.unloadedMs.touch(place.weights, () => ({ atMs: nowMs })).atMs = nowMs;
  }
  if (backend.load?.key === failure.key) backend.load = undefined;
  if (failure.fault === 'cancelled') return;
  const { limits } = state;
  const open = { openMs: limits.breakerOpenMs, openMsMax: limits.breakerOpenMsMax };
  const trouble = backend.modelBreakers.touch(failure.key, () => ({ breaker: closedBreaker(), message: '' }));
  if (failure.fault === 'model') {
    // One refused load is enough: trying again at once would only keep the loader from others.
    onFailure(trouble.breaker, { ...open, failuresMax: 1 }, nowMs);
    trouble.message = failure.message;
    return;
  }
  // A backend that died while loading is not the model's fault, unless it happens again and again.
  onFailure(backend.breaker, { ...open, failuresMax: 1 }, nowMs);
  onFailure(trouble.breaker, { ...open, failuresMax: limits.modelBreakerFailures }, nowMs);
  if (trouble.breaker.openUntilMs !== undefined) trouble.message = failure.message;
}

export function unloadDone(moment: Moment, backend: Backend, key: string): void {
  const { state, nowMs } = moment;
  const place = backend.places.get(key);
  if (place === undefined || place.state !== 'unloading') return;
  backend.places.delete(key);
  backend.unloadedMs.touch(place.weights, () => ({ atMs: nowMs })).atMs = nowMs;
  const className = backend.view.spec.class;
  const mean = state.learned.unloadMs.touch(className, () => meanOf(state.limits.unloadMsPrior));
  learn(mean, nowMs - place.sinceMs, state.limits.learnWeight);
}

/** A drained or vanished backend cannot finish clearing room: what was to give way stays. */
export function dropClearing(backend: Backend, nowMs: number): void {
  if (backend.load?.phase !== 'clear') return;
  reopen(backend, backend.load, nowMs);
  backend.load = undefined;
}
