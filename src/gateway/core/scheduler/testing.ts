// Builders for tests of the scheduler: one line per fact that matters, defaults for the rest. Never used by the gateway.
import type {
  BackendSpec,
  BackendView,
  FleetSnapshot,
  LoadedModel,
  ModelOnDisk,
} from '../../../api/fleet.ts';
import type { Effect, ServiceSample, TicketSpec } from './messages.ts';
import { createScheduler } from './scheduler.ts';
import type { Scheduler, SchedulerOptions } from './scheduler.ts';

export function aModel(name: string, changes: Partial<ModelOnDisk> = {}): ModelOnDisk {
  const key = `${name}:latest`;
  return {
    name: key,
    key,
    digest: `d-${name}`,
    sizeBytes: 1e9,
    modifiedAt: '',
    details: {},
    capabilities: ['completion'],
    weights: `w-${name}`,
    reloadDefaults: {},
    raw: {},
    ...changes,
  };
}

export interface BackendFacts {
  readonly spec?: Partial<BackendSpec>;
  readonly models?: readonly ModelOnDisk[];
  readonly loaded?: readonly string[];
  readonly state?: BackendView['state'];
  readonly draining?: boolean;
  readonly version?: string;
}

export function aBackend(name: string, facts: BackendFacts = {}): BackendView {
  const models = facts.models ?? [aModel('m')];
  return {
    spec: { name, url: `http://${name}`, store: name, class: 'default', slots: 1, ...facts.spec },
    state: facts.state ?? 'up',
    stateSinceMs: 0,
    draining: facts.draining ?? false,
    version: facts.version ?? '0.24.0',
    polledAtMs: 0,
    models: new Map(models.map(model => [model.key, model])),
    loaded: (facts.loaded ?? []).map(loadedModel),
  };
}

function loadedModel(name: string): LoadedModel {
  return {
    name: `${name}:latest`,
    key: `${name}:latest`,
    digest: `d-${name}`,
    sizeBytes: 1e9,
    sizeVramBytes: 1e9,
    contextLength: undefined,
    expiresAt: '',
    raw: {},
  };
}

/** A scheduler with a fleet, driven line by line. */
export class Rig {
  readonly scheduler: Scheduler;
  nowMs = 0;
  #seq = 0;

  constructor(backends: readonly BackendView[], options: Partial<SchedulerOptions> = {}) {
    this.scheduler = createScheduler({ rng: () => 0, ticketsMax: 100, ...options });
    this.fleet(backends);
  }

  fleet(backends: readonly BackendView[]): Effect[] {
    const polled = backends.map(view => ({ ...view, polledAtMs: this.nowMs }));
    const snapshot: FleetSnapshot = { seq: ++this.#seq, atMs: this.nowMs, backends: polled };
    return this.scheduler.on({ type: 'fleet', snapshot }, this.nowMs);
  }

  after(ms: number): this {
    this.nowMs += ms;
    return this;
  }

  arrive(id: string, changes: Partial<TicketSpec> = {}): Effect[] {
    return this.scheduler.on({ type: 'arrive', ticket: this.ticket(id, changes) }, this.nowMs);
  }

  ticket(id: string, changes: Partial<TicketSpec> = {}): TicketSpec {
    return {
      id,
      model: 'm:latest',
      kind: 'generate',
      versionMin: '0.0.0',
      options: {},
      priority: 'normal',
      tenant: 'anonymous',
      bodyBytes: 300,
      promptBytes: 100,
      prefix: [],
      arrivedAtMs: this.nowMs,
      queueDeadlineMs: this.nowMs + 60_000,
      tried: [],
      ...changes,
    };
  }

  done(id: string, outcome: 'ok' | 'failed' | 'refused' | 'aborted' = 'ok'): Effect[] {
    return this.scheduler.on({ type: 'done', id, outcome }, this.nowMs);
  }

  /** Served to its end, with what the backend told of it. */
  end(id: string, sample: ServiceSample): Effect[] {
    return this.scheduler.on({ type: 'done', id, outcome: 'ok', sample }, this.nowMs);
  }

  firstByte(id: string): Effect[] {
    return this.scheduler.on({ type: 'first_byte', id }, this.nowMs);
  }

  cancel(id: string): Effect[] {
    return this.scheduler.on({ type: 'cancel', id }, this.nowMs);
  }

  loaded(backend: string, key: string): Effect[] {
    return this.scheduler.on({ type: 'loaded', backend, key }, this.nowMs);
  }

  tick(): Effect[] {
    return this.scheduler.on({ type: 'tick' }, this.nowMs);
  }
}

/** Effects as short words, e.g. `dispatch r1 b0 warm_free`, `load b0 w-m`. */
export function words(effects: readonly Effect[]): string[] {
  return effects.map(effect => {
    switch (effect.type) {
      case 'dispatch':
        return `dispatch ${effect.id} ${effect.backend} ${effect.reason}`;
      case 'reject':
        return `reject ${effect.id} ${effect.code}`;
      case 'load':
      case 'unload':
      case 'cancel_load':
        return `${effect.type} ${effect.backend} ${effect.key}`;
    }
  });
}
