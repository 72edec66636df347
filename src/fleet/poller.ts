// Asks one backend when its record says so, and feeds what it hears back into the record. Never decides what an answer means.
import type { BackendSpec } from '../api/fleet.ts';
import type { HttpClient } from '../platform/http.ts';
import { observe, newRecord, type BackendRecord, type Observation, type Probe } from './core/record.ts';
import type { FactStore } from './facts.ts';
import { askPs, askTags, askVersion } from './probes.ts';
import type { Timing } from './core/timing.ts';
import type { FleetDeps } from './types.ts';

export interface PollerDeps extends Pick<FleetDeps, 'clock' | 'log' | 'rng' | 'instanceId'> {
  readonly timing: Timing;
  readonly http: HttpClient;
  readonly facts: FactStore;
  readonly changed: (before: BackendRecord, after: BackendRecord) => void;
}

const PROBES = { version: askVersion, tags: askTags, ps: askPs };
const ORDER = ['version', 'tags', 'ps'] as const satisfies readonly Probe[];

export class Poller {
  record: BackendRecord;
  readonly #deps: PollerDeps;
  readonly #stop = new AbortController();
  readonly #running = new Map<Probe, Promise<void>>();
  /** Hash of the last answer, to know an unchanged list without reading it. */
  readonly #lastSeen: Partial<Record<Probe, string>> = {};
  /** Asked for while that very question was under way: its answer may be older than the reason to ask. */
  readonly #again = new Set<Probe>();
  #timer: NodeJS.Timeout | undefined;
  #nextRefresh: Promise<void> | undefined;
  #learning: Promise<void> | undefined;
  #started = false;

  constructor(spec: BackendSpec, deps: PollerDeps) {
    this.#deps = deps;
    this.record = newRecord(spec, deps.clock.nowMs());
  }

  start(): void {
    this.#started = true;
    this.#arm();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stop.abort(new Error('this backend is no longer polled'));
    await Promise.allSettled([...this.#running.values(), this.#learning]);
  }

  apply(seen: Observation): void {
    if (seen.type === 'ask')
      for (const probe of seen.probes) if (this.#running.has(probe)) this.#again.add(probe);
    const { clock, rng, timing, instanceId, changed } = this.#deps;
    const before = this.record;
    this.record = observe(before, seen, { nowMs: clock.nowMs(), random: rng(), timing, instanceId });
    if (this.record !== before) changed(before, this.record);
    this.#arm();
  }

  /** Answers that were under way when this was called may be older than the call, so everything is asked anew. */
  refresh(): Promise<void> {
    this.#nextRefresh ??= this.#refreshOnce();
    return this.#nextRefresh;
  }

  async #refreshOnce(): Promise<void> {
    await Promise.allSettled(this.#running.values());
    this.#nextRefresh = undefined;
    if (this.record.view.state !== 'up') await this.#run('version');
    if (this.record.view.state !== 'up') return;
    await Promise.all([this.#run('tags'), this.#run('ps')]);
    await this.#learning;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (!this.#started || this.#stop.signal.aborted) return;
    const idle = ORDER.filter(probe => !this.#running.has(probe));
    const dueMs = Math.min(...idle.map(probe => this.record.dueMs[probe]));
    if (dueMs === Infinity) return;
    this.#timer = setTimeout(() => this.#runDue(), Math.max(0, dueMs - this.#deps.clock.nowMs()));
    this.#timer.unref();
  }

  #runDue(): void {
    const nowMs = this.#deps.clock.nowMs();
    for (const probe of ORDER) {
      if (!this.#running.has(probe) && this.record.dueMs[probe] <= nowMs) void this.#run(probe);
    }
    this.#arm();
  }

  #run(probe: Probe): Promise<void> {
    const running = this.#running.get(probe);
    if (running !== undefined) return running;
    const run = this.#probe(probe);
    this.#running.set(probe, run);
    return run;
  }

  async #probe(probe: Probe): Promise<void> {
    const { spec } = this.record.view;
    const asked = await PROBES[probe]({
      ...this.#deps,
      spec,
      signal: this.#stop.signal,
      lastSeen: this.#lastSeen[probe],
    });
    this.#running.delete(probe);
    if (this.#stop.signal.aborted) return;
    this.#lastSeen[probe] = asked.seen;
    this.apply(asked.observation);
    if (this.#again.delete(probe)) this.apply({ type: 'ask', probes: [probe] });
    if (probe === 'tags' && asked.observation.type !== 'failed') this.#learn();
  }

  #learn(): void {
    this.#learning ??= this.#deps.facts
      .learn(this.record.view, this.#stop.signal, byDigest => this.apply({ type: 'facts', byDigest }))
      .finally(() => (this.#learning = undefined));
  }
}
