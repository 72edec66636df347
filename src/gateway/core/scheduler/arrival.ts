// When the first token of a ticket will come, as it looks at the moment it arrives: who is ahead, what is being loaded.
// Never changes the state; the figure is for people (log, `bigo status`), no decision rests on it.
import { expectedMs, loadMs, loaderFreeMs, promptMs, residualMs, serviceMs, unloadMs } from './estimate.ts';
import type { Moment } from './estimate.ts';
import { coldStart } from './place.ts';
import type { Backend, Candidate, Place, Ticket } from './state.ts';
import { choose } from './usable.ts';

/** Tickets ahead that are played one by one; a longer queue is only divided by its slots. */
const playedMax = 512;

/** A slot, and how long until it can take a ticket. */
interface Server {
  freeMs: number;
  readonly candidate: Candidate;
}

/** Ms from its arrival to its first token; undefined while nobody can serve it. */
export function arrivalEstimateMs(moment: Moment, ticket: Ticket): number | undefined {
  const { usable } = choose(ticket, moment.nowMs);
  const servers = usable.flatMap(candidate => serversOf(moment, candidate));
  if (servers.length === 0) servers.push(...coldServer(moment, ticket, usable));
  const first = play(moment, servers, aheadOf(ticket));
  if (first === undefined) return undefined;
  const waitedMs = moment.nowMs - ticket.spec.arrivedAtMs;
  return waitedMs + first.freeMs + promptMs(moment.state, first.candidate, ticket.spec.promptBytes);
}

/** Those ahead take the slots as they become free; the one that is free next is the ticket's. */
function play(moment: Moment, servers: readonly Server[], ahead: readonly Ticket[]): Server | undefined {
  for (const ticket of ahead.slice(0, playedMax)) {
    const next = soonest(servers);
    if (next !== undefined) next.freeMs += workMs(moment, ticket, next.candidate);
  }
  const first = soonest(servers);
  if (first === undefined || ahead.length <= playedMax) return first;
  const { backend, key } = first.candidate;
  const restMs = ((ahead.length - playedMax) / servers.length) * serviceMs(moment.state, key, backend);
  return { ...first, freeMs: first.freeMs + restMs };
}

function soonest(servers: readonly Server[]): Server | undefined {
  let best: Server | undefined;
  for (const server of servers) if (best === undefined || server.freeMs < best.freeMs) best = server;
  return best;
}

function aheadOf(ticket: Ticket): Ticket[] {
  return [...ticket.ask.queue].filter(other => other !== ticket);
}

/** How long this very request will hold a slot there. */
function workMs(moment: Moment, ticket: Ticket, { backend, key }: Candidate): number {
  return expectedMs(moment.state, ticket, { backend, key }).ms;
}

function serversOf(moment: Moment, candidate: Candidate): Server[] {
  const { backend, key } = candidate;
  const place = backend.places.get(key);
  if (place?.state === 'ready') return slotsFreeMs(moment, place).map(freeMs => ({ freeMs, candidate }));
  if (backend.load?.key !== key || backend.load.phase === 'cancelling') return [];
  const count = Math.max(1, place?.slots.value ?? backend.view.spec.slots ?? 1);
  const freeMs = loaderFreeMs(moment, backend);
  return Array.from({ length: count }, () => ({ freeMs, candidate }));
}

/** For each slot of the place, how long until it is free; those that were sent beyond the slots wait inside the backend. */
function slotsFreeMs(moment: Moment, place: Place): number[] {
  const inOrder = [...place.running.values()].sort((a, b) => a.grantId - b.grantId);
  const busy = inOrder.map(running => residualMs(moment.state, running, moment.nowMs));
  const slots = Array.from({ length: Math.max(1, place.slots.value) }, () => 0);
  for (const ms of busy) {
    const index = slots.indexOf(Math.min(...slots));
    slots[index] = (slots[index] ?? 0) + ms;
  }
  return slots;
}

/** Nobody loads it yet: as soon as its turn and its patience allow, on the backend that would be first. */
function coldServer(moment: Moment, ticket: Ticket, usable: readonly Candidate[]): Server[] {
  const start = coldStart(moment, ticket.ask, usable);
  const { state } = moment;
  if (start !== undefined) {
    const { candidate, readyMs } = start;
    return [{ candidate, freeMs: readyMs }];
  }
  const turns = usable
    .map(candidate => {
      const { backend } = candidate;
      const clearMs = clearingMs(moment, backend) + unloadMs(state, backend.view.spec.class);
      return { candidate, freeMs: loaderFreeMs(moment, backend) + clearMs + loadMs(state, candidate) };
    })
    .sort((a, b) => a.freeMs - b.freeMs);
  const turn = turns[Math.min(turns.length - 1, coldAhead(moment, ticket))];
  return turn === undefined ? [] : [turn];
}

/** Until the runner that is idle first has no request left. */
function clearingMs(moment: Moment, backend: Backend): number {
  const each = [...backend.places.values()].map(place => Math.max(0, ...slotsFreeMs(moment, place)));
  return each.length === 0 ? 0 : Math.min(...each);
}

/** Models that wait for a loader and came first. */
function coldAhead(moment: Moment, ticket: Ticket): number {
  let count = 0;
  for (const ask of moment.state.waitingAsks) {
    if (ask === ticket.ask) continue;
    const isCold = ask.candidates.every(
      ({ backend, key }) => !backend.places.has(key) && backend.load?.key !== key,
    );
    if (isCold) count += 1;
  }
  return count;
}
