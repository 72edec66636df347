// What the scheduler knows, as plain data for /bigo/v1/fleet and `bigo status`. Never lets the state itself out.
import { breakerState } from './breaker.ts';
import type { Moment } from './estimate.ts';
import { loaderFreeMs } from './estimate.ts';
import { consider } from './dispatch.ts';
import type { Consideration, Priority } from './messages.ts';
import type { Backend, Ticket } from './state.ts';

export interface PlaceView {
  readonly model: string;
  readonly key: string;
  readonly state: string;
  readonly inFlight: number;
  readonly slots: { readonly value: number; readonly source: 'given' | 'learned' };
}

export interface BackendLedger {
  readonly name: string;
  readonly inFlight: number;
  readonly queued: number;
  readonly breaker: 'closed' | 'open' | 'half_open';
  readonly slots: { readonly value: number; readonly source: 'given' | 'learned' };
  readonly places: readonly PlaceView[];
  readonly load?: {
    readonly model: string;
    readonly phase: string;
    readonly remainingMs: number;
    readonly reason: string;
  };
}

export interface TicketView {
  readonly id: string;
  readonly model: string;
  readonly state: 'queued' | 'running';
  readonly priority: Priority;
  readonly tenant: string;
  readonly waitMs: number;
  /** 1 = next; absent when running. */
  readonly position?: number;
  readonly backend?: string;
  readonly estimateMs?: number;
  readonly reason?: string;
  readonly considered: readonly Consideration[];
}

export interface SchedulerView {
  readonly queue: { readonly length: number; readonly bytes: number; readonly lengthMax: number };
  readonly tickets: readonly TicketView[];
  readonly backends: readonly BackendLedger[];
}

/** Tickets shown; the queue's length is always exact. */
const ticketsShownMax = 500;

export function viewOf(moment: Moment): SchedulerView {
  const { state } = moment;
  const tickets: TicketView[] = [];
  let position = 0;
  for (const ticket of [...state.tickets.values()].sort((a, b) => a.order - b.order)) {
    if (tickets.length >= ticketsShownMax) break;
    tickets.push(ticketView(moment, ticket, ticket.state === 'queued' ? ++position : 0));
  }
  return {
    queue: { length: state.queued, bytes: state.queuedBytes, lengthMax: state.ticketsMax },
    tickets,
    backends: [...state.backends.values()].map(backend => ledgerOf(moment, backend)),
  };
}

function ticketView(moment: Moment, ticket: Ticket, position: number): TicketView {
  const { spec } = ticket;
  const queued = ticket.state === 'queued';
  const untilMs = queued ? moment.nowMs : ticket.dispatchedMs;
  return {
    id: spec.id,
    model: spec.model,
    state: ticket.state,
    priority: spec.priority,
    tenant: spec.tenant,
    waitMs: Math.max(0, Math.round(untilMs - spec.arrivedAtMs)),
    ...(queued ? { position } : {}),
    ...(ticket.backend === undefined ? {} : { backend: ticket.backend.name }),
    ...(ticket.estimateMs === undefined ? {} : { estimateMs: Math.round(ticket.estimateMs) }),
    ...(ticket.reason === undefined ? {} : { reason: ticket.reason }),
    considered: queued ? consider(moment, ticket) : ticket.considered,
  };
}

function ledgerOf(moment: Moment, backend: Backend): BackendLedger {
  const { state } = moment;
  const places = [...backend.places.values()].map(place => ({
    model: place.model,
    key: place.key,
    state: place.state,
    inFlight: place.running.size,
    slots: { value: place.slots.value, source: sourceOf(place.slots.given) },
  }));
  const given = backend.view.spec.slots;
  const learned = Math.max(1, ...places.map(place => place.slots.value));
  let queued = 0;
  for (const ask of state.waitingAsks) {
    if (ask.candidates.some(candidate => candidate.backend === backend)) queued += ask.queue.size;
  }
  return {
    name: backend.name,
    inFlight: backend.slotless.size + places.reduce((sum, place) => sum + place.inFlight, 0),
    queued,
    breaker: breakerState(backend.breaker, moment.nowMs),
    slots: { value: given ?? learned, source: sourceOf(given) },
    places,
    ...loadView(moment, backend),
  };
}

function loadView(moment: Moment, backend: Backend): Pick<BackendLedger, 'load'> {
  const { load } = backend;
  if (load === undefined) return {};
  const remainingMs = Math.round(loaderFreeMs(moment, backend));
  return { load: { model: load.ask.model, phase: load.phase, remainingMs, reason: load.reason } };
}

function sourceOf(given: number | undefined): 'given' | 'learned' {
  return given === undefined ? 'learned' : 'given';
}
