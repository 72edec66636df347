// The fleet as one value that is swapped whole: one poller per backend, one snapshot of all. Never chooses a backend.
import type { BackendSpec, FleetSnapshot } from '../api/fleet.ts';
import { createHttpClient } from '../platform/http.ts';
import { sameView, wasAsked, type BackendRecord, type Probe } from './core/record.ts';
import { DEFAULT_TIMING, type Timing } from './core/timing.ts';
import { FactStore } from './facts.ts';
import { Poller, type PollerDeps } from './poller.ts';
import type { DrainSource, Fleet, FleetDeps } from './types.ts';

const backendsMax = 1024;
const connectMsMax = 3_000;

export function createFleet(deps: FleetDeps): Fleet {
  return new PolledFleet(deps);
}

class PolledFleet implements Fleet {
  readonly #deps: FleetDeps;
  readonly #timing: Timing;
  readonly #http = createHttpClient({ connectMsMax });
  readonly #facts: FactStore;
  readonly #listeners = new Set<(snapshot: FleetSnapshot) => void>();
  readonly #drains = new Map<string, Set<DrainSource>>();
  #pollers = new Map<string, Poller>();
  #snapshot: FleetSnapshot;
  #started = false;

  constructor(deps: FleetDeps) {
    this.#deps = deps;
    this.#timing = { ...DEFAULT_TIMING, ...deps.timing };
    this.#facts = new FactStore({ ...deps, timing: this.#timing, http: this.#http });
    this.#snapshot = { seq: 0, atMs: deps.clock.nowMs(), backends: [] };
    this.setBackends(deps.specs);
  }

  snapshot(): FleetSnapshot {
    return this.#snapshot;
  }

  onChange(listener: (snapshot: FleetSnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  start(): void {
    this.#started = true;
    for (const poller of this.#pollers.values()) poller.start();
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#listeners.clear();
    const pollers = [...this.#pollers.values()];
    this.#pollers = new Map();
    await Promise.all(pollers.map(poller => poller.stop()));
    await this.#http.close();
  }

  async refresh(name?: string): Promise<void> {
    const pollers = [...this.#pollers.values()].filter(
      ({ record }) => name === undefined || record.view.spec.name === name,
    );
    await Promise.all(pollers.map(poller => poller.refresh()));
  }

  setBackends(specs: readonly BackendSpec[]): void {
    if (specs.length > backendsMax) throw new RangeError(`more than ${backendsMax} backends`);
    const before = this.#pollers;
    this.#pollers = new Map(specs.map(spec => [spec.name, this.#keepOrMake(spec, before.get(spec.name))]));
    const kept = new Set(this.#pollers.values());
    for (const poller of before.values()) if (!kept.has(poller)) void poller.stop();
    for (const name of this.#drains.keys()) if (!this.#pollers.has(name)) this.#drains.delete(name);
    if (this.#started) for (const poller of kept) poller.start();
    this.#publish();
  }

  setDraining(name: string, draining: boolean, source: DrainSource = 'admin'): void {
    const poller = this.#pollers.get(name);
    if (poller === undefined) return;
    const sources = this.#drains.get(name) ?? new Set();
    if (draining) sources.add(source);
    else sources.delete(source);
    this.#drains.set(name, sources);
    poller.apply({ type: 'draining', on: sources.size > 0 });
  }

  forgetModel(name: string, key: string): void {
    this.#pollers.get(name)?.apply({ type: 'forget', key });
  }

  noteDown(name: string, error: string): void {
    this.#deps.log.debug({ backend: name, error }, 'a request failed there');
    this.#ask(name, ['version']);
  }

  noteUp(name: string): void {
    if (this.#pollers.get(name)?.record.view.state !== 'up') this.#ask(name, ['version']);
  }

  noteLoaded(name: string): void {
    this.#ask(name, ['ps']);
  }

  noteUnloaded(name: string): void {
    this.#ask(name, ['ps']);
  }

  ready(): boolean {
    const isComplete = this.#deps.isComplete?.() ?? true;
    return isComplete && [...this.#pollers.values()].every(poller => wasAsked(poller.record));
  }

  #ask(name: string, probes: readonly Probe[]): void {
    this.#pollers.get(name)?.apply({ type: 'ask', probes });
  }

  // A backend under another address or identity is another backend; slots and class only change what is said about it.
  #keepOrMake(spec: BackendSpec, poller: Poller | undefined): Poller {
    if (poller === undefined || placeOf(spec) !== placeOf(poller.record.view.spec)) {
      this.#drains.delete(spec.name);
      return new Poller(spec, this.#pollerDeps());
    }
    if (JSON.stringify(spec) !== JSON.stringify(poller.record.view.spec))
      poller.apply({ type: 'spec', spec });
    return poller;
  }

  #pollerDeps(): PollerDeps {
    return {
      ...this.#deps,
      timing: this.#timing,
      http: this.#http,
      facts: this.#facts,
      changed: (before, after) => this.#onRecord(before, after),
    };
  }

  #onRecord(before: BackendRecord, after: BackendRecord): void {
    if (before.view === after.view) return;
    if (this.#pollers.get(after.view.spec.name)?.record !== after) return;
    if (before.view.state !== after.view.state) this.#tellState(after);
    if (sameView(before.view, after.view)) this.#swap(this.#snapshot.seq);
    else this.#publish();
  }

  #publish(): void {
    this.#swap(this.#snapshot.seq + 1);
    this.#facts.prune(this.#snapshot.backends, this.#snapshot.atMs);
    for (const listener of [...this.#listeners]) this.#tell(listener);
  }

  // One listener's mistake must neither end a poll nor keep the others from hearing.
  #tell(listener: (snapshot: FleetSnapshot) => void): void {
    try {
      listener(this.#snapshot);
    } catch (error) {
      this.#deps.log.warn({ error }, 'a listener of the fleet failed');
    }
  }

  #swap(seq: number): void {
    const backends = [...this.#pollers.values()].map(poller => poller.record.view);
    this.#snapshot = { seq, atMs: this.#deps.clock.nowMs(), backends };
  }

  #tellState({ view }: BackendRecord): void {
    const fields = { backend: view.spec.name, state: view.state, error: view.error };
    if (view.state === 'up') this.#deps.log.info(fields, 'the backend is up');
    else this.#deps.log.warn(fields, 'the backend cannot be used');
  }
}

function placeOf(spec: BackendSpec): string {
  return JSON.stringify([spec.name, spec.url, spec.store, spec.access, spec.ca, spec.headers]);
}
