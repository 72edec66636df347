// Does what a store missed while it was away, when it returns. Never more than one change at a time per store.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { storesOf, type Store } from '../../fleet/stores.ts';
import type { Fleet, Log } from '../../fleet/types.ts';
import type { Clock } from '../../platform/clock.ts';
import {
  dueNow,
  forget,
  fromFile,
  refusedAgain,
  remember,
  rememberedBodyBytesMax,
  type Remembered,
  type RememberedKind,
} from '../core/models/remembered.ts';
import type { StoreResult } from '../core/models/verdict.ts';
import type { Asker } from './asker.ts';
import type { Turns } from './turns.ts';

export interface RememberedDeps {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly log: Log;
  readonly asker: Asker;
  readonly turns: Turns;
  /** Outlives a restart when given. */
  readonly file: string | undefined;
}

/** A store that is thought to be up and did not answer is not asked again at once. */
const breathMs = 2_000;

export class RememberedChanges {
  readonly #deps: RememberedDeps;
  readonly #stop = new AbortController();
  readonly #busy = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  readonly #off: () => void;
  #list: readonly Remembered[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: RememberedDeps) {
    this.#deps = deps;
    this.#list = deps.file === undefined ? [] : readList(deps.file, deps.log);
    this.#off = deps.fleet.onChange(() => this.#look());
    this.#look();
  }

  get list(): readonly Remembered[] {
    return this.#list;
  }

  /** false = it cannot be kept, so nobody may promise it. */
  add(change: { kind: RememberedKind; store: string; key: string; body: string }): boolean {
    if (change.body.length > rememberedBodyBytesMax) return false;
    const notBeforeMs = this.#deps.clock.nowMs() + breathMs;
    const { list, lost } = remember(this.#list, { ...change, refusals: 0, notBeforeMs });
    if (lost !== undefined)
      this.#deps.log.warn(wordsFor(lost), 'a remembered change was lost: too many are remembered');
    this.#set(list);
    return true;
  }

  /** A newer change of the model takes the place of what was remembered. */
  supersede(stores: readonly Store[], key: string): void {
    this.#set(stores.reduce((list, store) => forget(list, store.id, key), this.#list));
  }

  async stop(): Promise<void> {
    this.#off();
    clearTimeout(this.#timer);
    this.#stop.abort(new Error('the gateway stops'));
    await Promise.allSettled(this.#running);
  }

  #look(): void {
    clearTimeout(this.#timer);
    if (this.#list.length === 0 || this.#stop.signal.aborted) return;
    const nowMs = this.#deps.clock.nowMs();
    const stores = new Map(storesOf(this.#deps.fleet.snapshot()).map(store => [store.id, store]));
    const reachable = new Set(
      [...stores.values()].filter(store => store.writer !== undefined).map(store => store.id),
    );
    for (const change of dueNow(this.#list, reachable, nowMs)) {
      const store = stores.get(change.store);
      if (store !== undefined && !this.#busy.has(store.id)) this.#start(store, change);
    }
    const laterMs = this.#list.map(change => change.notBeforeMs - nowMs).filter(waitMs => waitMs > 0);
    if (laterMs.length === 0) return;
    this.#timer = setTimeout(() => this.#look(), Math.min(...laterMs));
    this.#timer.unref();
  }

  #start(store: Store, change: Remembered): void {
    this.#busy.add(store.id);
    const run = this.#apply(store, change)
      .catch(() => this.#set(this.#delayed(change)))
      .finally(() => {
        this.#busy.delete(store.id);
        this.#running.delete(run);
        this.#look();
      });
    this.#running.add(run);
  }

  /** A pull may take hours and follows the name's newest manifest anyway: nobody waits for it. */
  async #apply(store: Store, change: Remembered): Promise<void> {
    if (change.kind === 'pull') return this.#applyNow(store, change);
    const release = await this.#deps.turns.take({ writes: change.key });
    try {
      if (this.#list.includes(change) && !this.#stop.signal.aborted) await this.#applyNow(store, change);
    } finally {
      release();
    }
  }

  async #applyNow(store: Store, change: Remembered): Promise<void> {
    const result = await this.#ask(store, change);
    if (this.#stop.signal.aborted) return;
    this.#deps.log.info({ ...wordsFor(change), result }, 'a remembered change was tried');
    this.#set(this.#after(change, result));
    if (result.type === 'done') await this.#deps.asker.refresh([store]);
  }

  #delayed(change: Remembered): readonly Remembered[] {
    const notBeforeMs = this.#deps.clock.nowMs() + breathMs;
    return this.#list.map(other => (other === change ? { ...change, notBeforeMs } : other));
  }

  #ask(store: Store, change: Remembered): Promise<StoreResult> {
    const { asker } = this.#deps;
    const { body } = change;
    const { signal } = this.#stop;
    switch (change.kind) {
      case 'pull':
      case 'create':
        return asker.lines(store, { path: `/api/${change.kind}`, method: 'POST', body, signal }, () => {});
      case 'copy':
        return asker.plain(store, { path: '/api/copy', method: 'POST', body, signal });
      case 'delete':
        return asker.plain(store, { path: '/api/delete', method: 'DELETE', body, signal });
      default:
        return change.kind satisfies never;
    }
  }

  #after(change: Remembered, result: StoreResult): readonly Remembered[] {
    if (result.type === 'gone') return this.#delayed(change);
    const goneAlready = change.kind === 'delete' && result.type === 'refused' && result.status === 404;
    if (result.type === 'refused' && !goneAlready)
      return refusedAgain(this.#list, change, this.#deps.clock.nowMs());
    return this.#list.filter(other => other !== change);
  }

  #set(list: readonly Remembered[]): void {
    if (list === this.#list) return;
    this.#list = list;
    const { file, log } = this.#deps;
    if (file !== undefined) writeList(file, list, log);
    this.#look();
  }
}

function wordsFor({ kind, store, key }: Remembered): object {
  return { change: kind, store, model: key };
}

function readList(file: string, log: Log): readonly Remembered[] {
  try {
    return fromFile(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const isNew = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isNew) log.warn({ file, error }, 'the remembered changes of an earlier run cannot be read');
    return [];
  }
}

// Written beside and renamed, so that a crash leaves the old list or the new one.
function writeList(file: string, list: readonly Remembered[], log: Log): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.new`, JSON.stringify(list), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (error) {
    log.warn({ file, error }, 'the remembered changes cannot be written; a restart forgets them');
  }
}
