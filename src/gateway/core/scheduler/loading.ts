// Carries out a load that was decided (place.ts): victims that are idle go first, then the runner is loaded. Never decides which.
import type { Moment } from './estimate.ts';
import { Registry } from './registry.ts';
import { slotsOf } from './slots.ts';
import type { Backend, Emit, PendingLoad, Place, State } from './state.ts';

export function setState(place: Place, state: Place['state'], nowMs: number): void {
  place.state = state;
  place.sinceMs = nowMs;
}

/** Moves a load on: victims that are idle are unloaded; when all are gone, the load begins. */
export function advanceLoad(moment: Moment, backend: Backend, emit: Emit): void {
  const load = backend.load;
  if (load?.phase !== 'clear') return;
  let blocked = false;
  for (const key of load.victims) {
    const place = backend.places.get(key);
    if (place === undefined) continue;
    blocked = true;
    if (place.state !== 'closing' || place.running.size > 0) continue;
    setState(place, 'unloading', moment.nowMs);
    const model = backend.view.models.get(place.model)?.name ?? place.model;
    emit({
      type: 'unload',
      backend: backend.name,
      key,
      model,
      kind: place.kind,
      reason: load.evictReason,
    });
  }
  if (!blocked) startLoad(moment, backend, load, emit);
}

function startLoad(moment: Moment, backend: Backend, load: PendingLoad, emit: Emit): void {
  const { state, nowMs } = moment;
  const kind = load.ask.kind === 'embed' ? 'embed' : 'generate';
  load.phase = 'load';
  load.startedMs = nowMs;
  backend.places.set(load.key, newPlace(state, backend, { key: load.key, disk: load.disk, kind, nowMs }));
  emit({
    type: 'load',
    backend: backend.name,
    key: load.key,
    model: load.disk.name,
    options: load.ask.options,
    kind,
    reason: load.reason,
    decided: load.decided,
  });
}

export interface NewPlace {
  readonly key: string;
  readonly disk: { readonly key: string; readonly weights: string; readonly sizeBytes: number };
  readonly kind: 'generate' | 'embed';
  readonly nowMs: number;
}

export function newPlace(state: State, backend: Backend, made: NewPlace): Place {
  const slots = slotsOf(backend.view.spec.slots, state.limits);
  if (slots.given === undefined) slots.value = backend.learnedSlots.peek(made.disk.weights)?.value ?? 1;
  return {
    key: made.key,
    weights: made.disk.weights,
    model: made.disk.key,
    kind: made.kind,
    sizeBytes: made.disk.sizeBytes,
    slots,
    state: 'loading',
    sinceMs: made.nowMs,
    provenMs: made.nowMs,
    lastUsedMs: made.nowMs,
    running: new Registry(),
    served: 0,
  };
}

/** Nobody waits for this load any more: victims that still stand are opened again; a load that runs is hung up. */
export function abandonLoad(moment: Moment, backend: Backend, emit: Emit): void {
  const load = backend.load;
  if (load === undefined || load.phase === 'cancelling') return;
  if (load.phase === 'load') {
    load.phase = 'cancelling';
    emit({ type: 'cancel_load', backend: backend.name, key: load.key });
    return;
  }
  reopen(backend, load, moment.nowMs);
  backend.load = undefined;
}

export function reopen(backend: Backend, load: PendingLoad, nowMs: number): void {
  for (const key of load.victims) {
    const place = backend.places.get(key);
    if (place?.state === 'closing') setState(place, 'ready', nowMs);
  }
}
