// What /api/show taught about each manifest of each store: asked once, kept within a bound, few questions at a time.
// Never asks about a model that no list named.
import { hash } from 'node:crypto';
import { HOP_HEADER, type BackendView, type ModelOnDisk } from '../api/fleet.ts';
import type { HttpClient } from '../platform/http.ts';
import { factsFromShow, type ModelFacts } from './core/models.ts';
import type { Timing } from './core/timing.ts';
import type { Log } from './types.ts';

interface Entry {
  facts: ModelFacts | undefined;
  failures: number;
  asking: boolean;
}

/** A model whose show fails is asked again with the next lists, this often. */
const failuresMax = 3;
/** Facts reach the snapshot in groups: with 10⁴ models each change of it costs. */
const groupMax = 64;
const pruneEveryMs = 60_000;

export class FactStore {
  readonly #entries = new Map<string, Entry>();
  readonly #timing: Timing;
  readonly #http: HttpClient;
  readonly #log: Log;
  readonly #instanceId: string;
  #prunedAtMs = -Infinity;

  constructor(parts: { timing: Timing; http: HttpClient; log: Log; instanceId: string }) {
    this.#timing = parts.timing;
    this.#http = parts.http;
    this.#log = parts.log;
    this.#instanceId = parts.instanceId;
  }

  of(store: string, digest: string): ModelFacts | undefined {
    return this.#entries.get(`${store}\n${digest}`)?.facts;
  }

  /** Resolves when nothing more is to learn from this backend now; never rejects. */
  async learn(
    view: BackendView,
    signal: AbortSignal,
    learned: (byDigest: ReadonlyMap<string, ModelFacts>) => void,
  ): Promise<void> {
    const wanted = this.#claim(view);
    let group = new Map<string, ModelFacts>();
    const tell = (): void => {
      if (group.size > 0 && !signal.aborted) learned(group);
      group = new Map();
    };
    const worker = async (): Promise<void> => {
      for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
        const facts = signal.aborted ? undefined : await this.#show(view, next.model, signal);
        this.#settle(next.entry, facts);
        if (facts !== undefined) group.set(next.model.digest, facts);
        if (group.size >= groupMax) tell();
      }
    };
    await Promise.all(Array.from({ length: this.#timing.showsAtOncePerBackend }, worker));
    tell();
  }

  #claim(view: BackendView): { model: ModelOnDisk; entry: Entry }[] {
    const wanted: { model: ModelOnDisk; entry: Entry }[] = [];
    for (const model of view.models.values()) {
      if (model.digest === '') continue;
      const entry = this.#entry(`${view.spec.store}\n${model.digest}`);
      if (entry === undefined) break;
      if (entry.asking || entry.facts !== undefined || entry.failures >= failuresMax) continue;
      entry.asking = true;
      wanted.push({ model, entry });
    }
    return wanted.reverse();
  }

  // When full, models beyond the bound keep their manifest digest as identity: right, only less shared.
  #entry(key: string): Entry | undefined {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    if (this.#entries.size >= this.#timing.factsMax) return undefined;
    const entry: Entry = { facts: undefined, failures: 0, asking: false };
    this.#entries.set(key, entry);
    return entry;
  }

  /** When full: forgets what no list names any more. Looking through all lists costs, so not often. */
  prune(views: readonly BackendView[], nowMs: number): void {
    if (this.#entries.size < this.#timing.factsMax || nowMs - this.#prunedAtMs < pruneEveryMs) return;
    this.#prunedAtMs = nowMs;
    const named = new Set<string>();
    for (const view of views) {
      for (const model of view.models.values()) named.add(`${view.spec.store}\n${model.digest}`);
    }
    for (const [key, entry] of this.#entries) if (!named.has(key) && !entry.asking) this.#entries.delete(key);
  }

  #settle(entry: Entry, facts: ModelFacts | undefined): void {
    entry.asking = false;
    entry.facts = facts;
    if (facts === undefined) entry.failures++;
  }

  async #show(view: BackendView, model: ModelOnDisk, signal: AbortSignal): Promise<ModelFacts | undefined> {
    const { showMsMax, showBytesMax } = this.#timing;
    try {
      const answer = await this.#http.ask(view.spec, {
        method: 'POST',
        path: '/api/show',
        headers: { [HOP_HEADER]: this.#instanceId },
        body: JSON.stringify({ model: model.name }),
        timeMsMax: showMsMax,
        bytesMax: showBytesMax,
        signal,
      });
      if (answer.status !== 200) throw new Error(`status ${answer.status}`);
      return factsFromShow(JSON.parse(answer.body.toString('utf8')), text => hash('sha256', text));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (!signal.aborted)
        this.#log.debug({ backend: view.spec.name, model: model.name, why }, 'show failed');
      return undefined;
    }
  }
}
