// `/bigo/v1/fleet` as far as commands read it. Never trusts a field to be there: the gateway may be another version.
import { modelKey } from '../../api/names.ts';

type JsonObject = Readonly<Record<string, unknown>>;

export interface BackendRow {
  readonly name: string;
  readonly url: string;
  readonly state: string;
  readonly error: string;
  readonly isDraining: boolean;
  readonly store: string;
  readonly models: readonly string[];
  readonly loaded: readonly LoadedRow[];
  /** The model that is being loaded there. */
  readonly loading: string;
  readonly slots: { readonly value: number; readonly source: string };
  readonly inFlight: number;
  readonly breaker: string;
}

export interface LoadedRow {
  readonly name: string;
  readonly inFlight: number | undefined;
  readonly slots: number | undefined;
}

export interface TicketRow {
  readonly id: string;
  readonly model: string;
  readonly state: string;
  readonly priority: string;
  readonly waitMs: number;
  readonly position: number | undefined;
  readonly backend: string;
  readonly reason: string;
  readonly considered: readonly ConsideredRow[];
}

export interface ConsideredRow {
  readonly backend: string;
  readonly estimateMs: number | undefined;
  readonly isLoaded: boolean;
  readonly skipped: string;
}

export interface RequestRow {
  readonly id: string;
  readonly at: string;
  readonly model: string;
  readonly backend: string;
  readonly reason: string;
  readonly code: number;
  readonly error: string;
  readonly waitMs: number;
  readonly durationMs: number;
}

export interface FleetView {
  readonly backends: readonly BackendRow[];
  readonly queueLength: number;
  readonly queueMax: number;
  readonly tickets: readonly TicketRow[];
  /** Names whose digests differ between backends. */
  readonly differing: readonly string[];
  readonly isDraining: boolean;
}

export function readFleetView(body: JsonObject): FleetView {
  const queue = objectOf(body.queue);
  return {
    backends: objectsOf(body.backends).map(readBackend),
    queueLength: numberOf(queue.length) ?? 0,
    queueMax: numberOf(queue.lengthMax) ?? 0,
    tickets: objectsOf(body.tickets).map(readTicket),
    differing: objectsOf(body.differing).map(item => textOf(item.model)),
    isDraining: body.draining === true,
  };
}

/** `/bigo/v1/requests`, the newest first. */
export function readRequests(body: JsonObject): RequestRow[] {
  return objectsOf(body.requests).map(readRequest);
}

function readBackend(body: JsonObject): BackendRow {
  const slots = objectOf(body.slots);
  const places = objectsOf(body.places);
  return {
    name: textOf(body.name),
    url: textOf(body.url),
    state: textOf(body.state),
    error: textOf(body.error),
    isDraining: body.draining === true,
    store: textOf(body.store),
    models: listOf(body.models).map(nameOf),
    loaded: listOf(body.loaded).map(item => readLoaded(nameOf(item), places)),
    loading: textOf(objectOf(body.load).model),
    slots: { value: numberOf(slots.value) ?? 1, source: textOf(slots.source) },
    inFlight: numberOf(body.inFlight) ?? 0,
    breaker: textOf(body.breaker),
  };
}

function readLoaded(name: string, places: readonly JsonObject[]): LoadedRow {
  const place = places.find(candidate => modelKey(textOf(candidate.model)) === modelKey(name)) ?? {};
  return { name, inFlight: numberOf(place.inFlight), slots: numberOf(objectOf(place.slots).value) };
}

function readTicket(body: JsonObject): TicketRow {
  return {
    id: textOf(body.id),
    model: textOf(body.model),
    state: textOf(body.state),
    priority: textOf(body.priority),
    waitMs: numberOf(body.waitMs) ?? 0,
    position: numberOf(body.position),
    backend: textOf(body.backend),
    reason: textOf(body.reason),
    considered: objectsOf(body.considered).map(readConsidered),
  };
}

function readConsidered(body: JsonObject): ConsideredRow {
  return {
    backend: textOf(body.backend),
    estimateMs: numberOf(body.estimateMs),
    isLoaded: body.loaded === true,
    skipped: textOf(body.skipped),
  };
}

function readRequest(body: JsonObject): RequestRow {
  return {
    id: textOf(body.id),
    at: textOf(body.at),
    model: textOf(body.model),
    backend: textOf(body.backend),
    reason: textOf(body.reason),
    code: numberOf(body.code) ?? 0,
    error: textOf(body.error),
    waitMs: numberOf(body.waitMs) ?? 0,
    durationMs: numberOf(body.durationMs) ?? 0,
  };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const nameOf = (item: unknown): string => (typeof item === 'string' ? item : textOf(objectOf(item).name));
const objectsOf = (value: unknown): JsonObject[] => listOf(value).map(objectOf);

function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
