// The brain: tickets, the slot ledger, loads. Events in, effects out, one thread, no I/O, no clock of its own.
// Where a routing decision is made: dispatch.ts (which slot), place.ts (which load), usable.ts (who may not).
import { arrivalEstimateMs } from './arrival.ts';
import { POLICY } from './constants.ts';
import type { PolicyConstants } from './constants.ts';
import { dispatchAsk, noteArrival, unqueue } from './dispatch.ts';
import { serviceMs } from './estimate.ts';
import type { Moment } from './estimate.ts';
import { dropClearing, endTicket, firstByte, loadDone, loadFailed, unloadDone } from './finish.ts';
import type { Effect, SchedulerEvent, TicketSpec } from './messages.ts';
import { observeFleet } from './observe.ts';
import { abandonLoad, advanceLoad } from './loading.ts';
import { planLoads } from './place.ts';
import type { Ask, State, Ticket } from './state.ts';
import { askOf, emptyState, refreshCandidates, wakeBy } from './state.ts';
import { barred } from './usable.ts';
import { lets } from './breaker.ts';
import { viewOf } from './view.ts';
import type { SchedulerView } from './view.ts';

export interface SchedulerOptions {
  /** Uniform in [0, 1): breaks ties. */
  readonly rng: () => number;
  /** Tickets that may wait; one more is refused. */
  readonly ticketsMax: number;
  /** modelKeys that should exist: tickets for them wait even while no backend has them. */
  readonly declared?: ReadonlySet<string>;
  readonly term?: number;
  readonly limits?: Partial<PolicyConstants>;
}

export interface Scheduler {
  on(event: SchedulerEvent, nowMs: number): Effect[];
  /** When to send a `tick`; undefined = nothing changes by itself. */
  nextWakeMs(): number | undefined;
  view(nowMs: number): SchedulerView;
  setLimits(limits: { ticketsMax: number; declared: ReadonlySet<string> }): void;
}

const wakeMsMax = 1_000;
const wakeMsMin = 1;

export function createScheduler(options: SchedulerOptions): Scheduler {
  const state = emptyState({
    limits: { ...POLICY, ...options.limits },
    rng: options.rng,
    ticketsMax: options.ticketsMax,
    term: options.term ?? 1,
    declared: options.declared ?? new Set(),
  });
  return {
    on: (event, nowMs) => handle(state, event, nowMs),
    nextWakeMs: () => state.wakeAtMs,
    view: nowMs => viewOf({ state, nowMs }),
    setLimits: limits => Object.assign(state, limits),
  };
}

function handle(state: State, event: SchedulerEvent, nowMs: number): Effect[] {
  const effects: Effect[] = [];
  const emit = (effect: Effect): void => void effects.push(effect);
  const moment: Moment = { state, nowMs };
  const settled = take(moment, event, emit);
  if (!settled) settle(moment, emit);
  if (event.type === 'arrive') tellWaiting(moment, event.ticket.id);
  return effects;
}

/** A ticket that did not go at once is told, once, how long it will take. */
function tellWaiting(moment: Moment, id: string): void {
  const ticket = moment.state.tickets.get(id);
  if (ticket?.state === 'queued') ticket.estimateMs = arrivalEstimateMs(moment, ticket);
}

/** Takes one event in. True = nobody else can be affected, so that the usual request costs no second look. */
function take(moment: Moment, event: SchedulerEvent, emit: (effect: Effect) => void): boolean {
  const { state, nowMs } = moment;
  switch (event.type) {
    case 'arrive':
      return arrive(moment, event.ticket, emit);
    case 'cancel':
      return cancel(moment, event.id, emit);
    case 'first_byte': {
      const ticket = state.tickets.get(event.id);
      if (ticket !== undefined) firstByte(moment, ticket);
      return state.queued === 0;
    }
    case 'done': {
      const ticket = state.tickets.get(event.id);
      if (ticket?.state === 'running') endTicket(moment, ticket, event);
      return state.queued === 0 && ticket?.backend?.load === undefined;
    }
    case 'loaded':
    case 'load_failed':
    case 'unloaded': {
      const backend = state.backends.get(event.backend);
      if (backend === undefined) return true;
      if (event.type === 'loaded') loadDone(moment, backend, event.key);
      else if (event.type === 'unloaded') unloadDone(moment, backend, event.key);
      else loadFailed(moment, backend, event);
      return false;
    }
    case 'fleet':
      observeFleet(state, event.snapshot, nowMs);
      return false;
    case 'tick':
      return false;
  }
}

/**
 * 1. No backend has the model and it is not declared: 404. 2. A slot is free: dispatched at once.
 * 3. The queue is full: refused. 4. It waits.
 */
function arrive(moment: Moment, spec: TicketSpec, emit: (effect: Effect) => void): boolean {
  const { state } = moment;
  if (state.tickets.has(spec.id)) return true;
  const ask = askOf(state, spec);
  if (isNowhere(state, ask)) {
    const message = `model '${spec.model}' not found`;
    emit({ type: 'reject', id: spec.id, code: 'model_not_found', message, retryAfterMs: 0 });
    return true;
  }
  if (spec.tried.length === 0) noteArrival(state, ask, moment.nowMs);
  const ticket = newTicket(state, spec, ask);
  state.tickets.set(spec.id, ticket);
  enqueue(state, ticket);
  dispatchAsk(moment, ask, emit);
  if (ticket.state === 'running') return true;
  if (state.queued > state.ticketsMax) {
    reject(
      moment,
      ticket,
      { code: 'queue_full', message: `${state.ticketsMax} requests wait already` },
      emit,
    );
    return true;
  }
  wakeBy(state, spec.queueDeadlineMs);
  return false;
}

/** No backend has it, nobody declared it, and every backend was asked: a backend not asked yet may have it. */
function isNowhere(state: State, ask: Ask): boolean {
  if (ask.candidates.length > 0 || state.declared.has(ask.model)) return false;
  for (const backend of state.backends.values()) if (backend.view.state === 'unknown') return false;
  return true;
}

function newTicket(state: State, spec: TicketSpec, ask: Ask): Ticket {
  return {
    spec,
    order: ++state.order,
    ask,
    state: 'queued',
    backend: undefined,
    key: '',
    grantId: 0,
    dispatchedMs: 0,
    firstByteMs: undefined,
    promptMsExpected: 0,
    uncachedBytes: 0,
    teaches: false,
    considered: [],
    estimateMs: undefined,
    reason: undefined,
  };
}

function enqueue(state: State, ticket: Ticket): void {
  ticket.ask.queue.push(ticket);
  if (ticket.ask.queue.size === 1) state.waitingAsks.push(ticket.ask);
  ticket.ask.deadlineMs = Math.min(ticket.ask.deadlineMs, ticket.spec.queueDeadlineMs);
  state.clock.onWait(ticket.spec.tenant);
  state.queued += 1;
  state.queuedBytes += ticket.spec.bodyBytes;
}

function cancel(moment: Moment, id: string, emit: (effect: Effect) => void): boolean {
  const { state } = moment;
  const ticket = state.tickets.get(id);
  if (ticket === undefined) return true;
  if (ticket.state === 'running') {
    endTicket(moment, ticket, { outcome: 'aborted' });
    return false;
  }
  unqueue(state, ticket);
  state.tickets.delete(id);
  if (ticket.ask.queue.size > 0) return true;
  for (const { backend, key } of ticket.ask.candidates) {
    if (backend.load?.key === key && backend.load.ask === ticket.ask) abandonLoad(moment, backend, emit);
  }
  return false;
}

function reject(
  moment: Moment,
  ticket: Ticket,
  why: { code: Extract<Effect, { type: 'reject' }>['code']; message: string },
  emit: (effect: Effect) => void,
): void {
  const { state } = moment;
  unqueue(state, ticket);
  state.tickets.delete(ticket.spec.id);
  emit({ type: 'reject', id: ticket.spec.id, ...why, retryAfterMs: retryAfterMs(moment, ticket.ask) });
}

/** About when the queue of this ask will be empty, within bounds. */
function retryAfterMs(moment: Moment, ask: Ask): number {
  const { limits } = moment.state;
  const first = ask.candidates[0];
  const meanMs =
    first === undefined ? limits.serviceMsPrior : serviceMs(moment.state, first.key, first.backend);
  const expectedMs = (meanMs * (ask.queue.size + 1)) / Math.max(1, ask.candidates.length);
  return Math.round(Math.min(limits.retryAfterMsMax, Math.max(limits.retryAfterMsMin, expectedMs)));
}

/** After anything that may have freed or taken something: overdue tickets, loads under way, dispatches, new loads. */
function settle(moment: Moment, emit: (effect: Effect) => void): void {
  const { state, nowMs } = moment;
  state.wakeAtMs = undefined;
  for (const backend of state.backends.values()) {
    if (backend.load === undefined) continue;
    if (backend.view.draining || backend.view.state !== 'up') dropClearing(backend, nowMs);
    advanceLoad(moment, backend, emit);
  }
  if (state.queued === 0) return;
  for (const ask of [...state.waitingAsks]) {
    refreshCandidates(state, ask);
    rejectOverdue(moment, ask, emit);
    rejectHopeless(moment, ask, emit);
  }
  for (const ask of byHead(state)) dispatchAsk(moment, ask, emit);
  planLoads(moment, emit);
  if (state.queued > 0) wakeBy(state, nowMs + wakeMsMax);
  // A wake in the past would turn the loop without end.
  if (state.wakeAtMs !== undefined) state.wakeAtMs = Math.max(state.wakeAtMs, nowMs + wakeMsMin);
}

/** Two asks can share a runner: the one whose head came first is served first. */
function byHead(state: State): Ask[] {
  const asks = [...state.waitingAsks];
  if (asks.length < 2) return asks;
  const heads = new Map(asks.map(ask => [ask, ask.queue.head(state.clock)?.order ?? Infinity]));
  return asks.sort((a, b) => (heads.get(a) ?? 0) - (heads.get(b) ?? 0));
}

function rejectOverdue(moment: Moment, ask: Ask, emit: (effect: Effect) => void): void {
  const { state, nowMs } = moment;
  if (ask.deadlineMs > nowMs) return wakeBy(state, ask.deadlineMs);
  ask.deadlineMs = Infinity;
  for (const ticket of [...ask.queue]) {
    if (ticket.spec.queueDeadlineMs > nowMs) {
      ask.deadlineMs = Math.min(ask.deadlineMs, ticket.spec.queueDeadlineMs);
      continue;
    }
    const usable = ask.candidates.some(candidate => barred(candidate.backend, ticket) === undefined);
    const waitedS = ((nowMs - ticket.spec.arrivedAtMs) / 1000).toFixed(1);
    const why = usable
      ? ({ code: 'queue_timeout', message: `no slot was free for ${ask.model} within ${waitedS} s` } as const)
      : ({ code: 'no_backend', message: `no usable backend has ${ask.model}; waited ${waitedS} s` } as const);
    reject(moment, ticket, why, emit);
  }
  wakeBy(state, ask.deadlineMs);
}

/**
 * The model vanished everywhere, or wherever the ticket could go its load failed: lately, so that its breaker is shut,
 * or since the ticket came. Waiting longer would help nobody.
 */
function rejectHopeless(moment: Moment, ask: Ask, emit: (effect: Effect) => void): void {
  const { state, nowMs } = moment;
  if (isNowhere(state, ask)) {
    const why = { code: 'model_not_found', message: `model '${ask.model}' not found` } as const;
    for (const ticket of [...ask.queue]) reject(moment, ticket, why, emit);
    return;
  }
  if (!ask.candidates.some(({ backend, key }) => backend.modelBreakers.peek(key) !== undefined)) return;
  for (const ticket of [...ask.queue]) {
    const open = ask.candidates.filter(candidate => barred(candidate.backend, ticket) === undefined);
    if (open.length === 0) continue;
    const troubles = open.map(({ backend, key }) => backend.modelBreakers.peek(key));
    const { arrivedAtMs } = ticket.spec;
    const hopeless = troubles.every(
      trouble =>
        trouble !== undefined &&
        trouble.message !== '' &&
        (!lets(trouble.breaker, nowMs) || trouble.breaker.failedAtMs > arrivedAtMs),
    );
    if (!hopeless) continue;
    const said = troubles.find(trouble => trouble !== undefined)?.message ?? '';
    reject(
      moment,
      ticket,
      { code: 'load_failed', message: `${ask.model} could not be loaded: ${said}` },
      emit,
    );
  }
}
