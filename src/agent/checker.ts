// Hashes the blobs of the store, one at a time and slowly, and knows which are wrong. Never deletes anything.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  doubted,
  hashed,
  nextToHash,
  seenBlobs,
  wrongBlobs,
  type BlobBook,
  type BlobRecord,
} from './core/blobs.ts';
import { hashFile } from './hasher.ts';
import type { StoreFiles } from './store-files.ts';

export interface CheckerDeps {
  readonly store: StoreFiles;
  readonly nowMs: () => number;
  /** As the file of models says now. */
  readonly limits: () => { readonly bytesPerSecond: number; readonly intervalMs: number };
  readonly onBytes: (bytes: number) => void;
  readonly onWrong: (digest: string, found: string) => void;
}

const idleMs = 1_000;

export class Checker {
  readonly #deps: CheckerDeps;
  readonly #stop = new AbortController();
  #book: BlobBook = new Map();
  #running: Promise<void> | undefined;

  constructor(deps: CheckerDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the agent ends'));
    await this.#running;
  }

  /** What lies in the store now; new and changed blobs are hashed next. */
  async scan(): Promise<void> {
    this.#book = seenBlobs(this.#book, await this.#deps.store.blobs());
  }

  /** Somebody could not load this model: its blobs are hashed before all others. */
  async doubt(model: string): Promise<boolean> {
    const layers = await this.#deps.store.layersOf(model);
    if (layers === undefined) return false;
    await this.scan();
    this.#book = doubted(
      this.#book,
      layers.map(layer => layer.digest),
    );
    return true;
  }

  wrong(): string[] {
    return wrongBlobs(this.#book).map(blob => blob.digest);
  }

  counts(): { count: number; hashed: number } {
    const blobs = [...this.#book.values()];
    return { count: blobs.length, hashed: blobs.filter(blob => blob.hashedAtMs !== undefined).length };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const { intervalMs } = this.#deps.limits();
      const next = nextToHash(this.#book, this.#deps.nowMs(), intervalMs);
      if (next === undefined) await sleep(idleMs, undefined, { signal, ref: false }).catch(() => undefined);
      else await this.#hash(next);
    }
  }

  async #hash(blob: BlobRecord): Promise<void> {
    const { store, limits, onBytes, onWrong, nowMs } = this.#deps;
    const found = await hashFile(store.blobPath(blob.digest), {
      bytesPerSecond: limits().bytesPerSecond,
      signal: this.#stop.signal,
      onBytes,
    }).catch((error: NodeJS.ErrnoException) => error);
    if (this.#stop.signal.aborted) return;
    const isUnreadable = found instanceof Error && found.code === 'EIO';
    // Gone, or not ours to read: that says nothing about its bytes. The next scan tells.
    if (found instanceof Error && !isUnreadable) {
      this.#book = hashed(this.#book, blob, { isRight: true, nowMs: nowMs() });
      return;
    }
    await this.scan();
    const isRight = found === blob.digest;
    this.#book = hashed(this.#book, blob, { isRight, nowMs: nowMs() });
    if (this.#book.get(blob.digest)?.isWrong === true)
      onWrong(blob.digest, found instanceof Error ? 'it cannot be read' : found);
  }
}
