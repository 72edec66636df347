// The answer of /bigo/v1/fleet: snapshot, ledger and tickets in one JSON value. Never a prompt, a key or a header of a backend.
import type { BackendView } from '../api/fleet.ts';
import type { BackendLedger, SchedulerView } from './core/scheduler/view.ts';
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
  readonly differing: readonly object[];
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
    differing: differingDigests(backends),
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

/** Models that are not the same everywhere: by name, the digests and who has which. */
function differingDigests(backends: readonly BackendView[]): object[] {
  const holders = new Map<string, Map<string, string[]>>();
  for (const backend of backends) {
    for (const [key, model] of backend.models) {
      const digests = holders.get(key) ?? new Map<string, string[]>();
      digests.set(model.digest, [...(digests.get(model.digest) ?? []), backend.spec.name]);
      holders.set(key, digests);
    }
  }
  return [...holders]
    .filter(([, digests]) => digests.size > 1)
    .map(([model, digests]) => ({
      model,
      digests: [...digests].map(([digest, names]) => ({ digest, backends: names })),
    }));
}
