// The answer of /bigo/v1/fleet: snapshot, ledger and tickets in one JSON value. Never a prompt, a key or a header of a backend.
import type { BackendView } from '../api/fleet.ts';
import type { BackendLedger, SchedulerView } from './core/scheduler/view.ts';
import { differingModels, type DifferingModel } from './core/models/differing.ts';
import type { GatewayContext } from './context.ts';

export interface FleetAnswer {
  readonly at: string;
  readonly version: string;
  readonly draining: boolean;
  readonly inFlight: number;
  readonly backends: readonly object[];
  readonly queue: {
    readonly length: number;
    readonly lengthMax: number;
    readonly bytes: number;
    readonly bytesMax: number;
  };
  readonly tickets: SchedulerView['tickets'];
  readonly loads: readonly object[];
  readonly differing: readonly DifferingModel[];
}

export function fleetView(context: GatewayContext): FleetAnswer {
  const view = context.loop.view();
  const { backends } = context.fleet.snapshot();
  const ledgers = new Map(view.backends.map(ledger => [ledger.name, ledger]));
  return {
    at: context.clock.wallIso(),
    version: context.version,
    draining: context.draining,
    inFlight: context.flights.inFlight,
    backends: backends.map(backend => backendView(context, backend, ledgers.get(backend.spec.name))),
    queue: {
      length: view.queue.length,
      lengthMax: view.queue.lengthMax,
      bytes: context.bodyBytesHeld,
      bytesMax: context.settings.queue.bytesMax,
    },
    tickets: view.tickets,
    loads: view.backends.flatMap(ledger =>
      ledger.load === undefined ? [] : [{ backend: ledger.name, ...ledger.load }],
    ),
    differing: differingModels(backends),
  };
}

function backendView(
  context: GatewayContext,
  backend: BackendView,
  ledger: BackendLedger | undefined,
): object {
  const { spec } = backend;
  return {
    name: spec.name,
    url: withoutPassword(spec.url),
    state: backend.state,
    stateForMs: Math.round(context.now() - backend.stateSinceMs),
    ...(backend.error !== undefined && { error: backend.error }),
    store: spec.store,
    class: spec.class,
    version: backend.version,
    draining: backend.draining,
    ageMs: backend.polledAtMs === undefined ? undefined : Math.round(context.now() - backend.polledAtMs),
    models: [...backend.models.values()].map(({ name, digest, sizeBytes }) => ({ name, digest, sizeBytes })),
    loaded: backend.loaded.map(({ name, digest, sizeBytes, sizeVramBytes, contextLength, expiresAt }) => ({
      name,
      digest,
      sizeBytes,
      sizeVramBytes,
      contextLength,
      expiresAt,
    })),
    slots: ledger?.slots ?? {
      value: spec.slots ?? 1,
      source: spec.slots === undefined ? 'learned' : 'given',
    },
    inFlight: ledger?.inFlight ?? 0,
    queued: ledger?.queued ?? 0,
    breaker: ledger?.breaker ?? 'closed',
    places: ledger?.places ?? [],
    ...(ledger?.load !== undefined && { load: ledger.load }),
  };
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}
