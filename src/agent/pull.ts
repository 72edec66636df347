// One pull through the local Ollama: room first, then bytes with progress, given up when it stands still. Never tries twice.
import { failureOf as httpFailureOf, HttpFailure } from '../platform/http-failure.ts';
import { neededBytes, tooLarge, type Disk } from './core/disk.ts';
import type { Layer } from './core/manifest.ts';
import { hexOf } from './core/manifest.ts';
import { bytesOf, newProgress, onLine, stalledAtMs, type PullProgress } from './core/progress.ts';
import { failureOf } from './core/retry.ts';
import type { Failure } from './core/types.ts';
import type { LocalOllama } from './ollama.ts';
import { isInsecure, layersInRegistry } from './registry-size.ts';
import type { StoreFiles } from './store-files.ts';

export interface PullParts {
  readonly ollama: LocalOllama;
  readonly store: StoreFiles;
  readonly disk: () => Promise<Disk>;
  readonly nowMs: () => number;
  readonly insecureRegistries: readonly string[];
  readonly reserveBytes: number;
  readonly stallMsMax: number;
}

export type PullResult =
  | { readonly outcome: 'ok' }
  | { readonly outcome: 'given_up' }
  /** Ollama itself went away: nothing is known about the model. */
  | { readonly outcome: 'interrupted' }
  | { readonly outcome: 'failed'; readonly failure: Failure };

const stallLookMs = 1_000;
/** Words of Go's JSON decoder: a crash left an empty or half file about a part, and Ollama stumbles over it for ever. */
const BROKEN_PART = /^(unexpected )?EOF$|^invalid character/;

export class Pull {
  readonly name: string;
  readonly key: string;
  readonly #parts: PullParts;
  readonly #abort = new AbortController();
  #progress: PullProgress;
  #layers: readonly Layer[] | undefined;
  #failure: Failure | undefined;

  constructor(model: { readonly name: string; readonly key: string }, parts: PullParts) {
    this.name = model.name;
    this.key = model.key;
    this.#parts = parts;
    this.#progress = newProgress(parts.nowMs());
  }

  /** The download stops; what has arrived is kept by Ollama for the next try. */
  giveUp(): void {
    this.#abort.abort(new Error('the pull is not wanted any more'));
  }

  async run(
    onProgress: (bytes: { completedBytes: number; totalBytes: number }) => void,
  ): Promise<PullResult> {
    const tooBig = await this.#checkRoom();
    if (tooBig !== undefined) return { outcome: 'failed', failure: tooBig };
    const watch = setInterval(() => this.#checkStall(), stallLookMs);
    try {
      return await this.#follow(onProgress);
    } catch (error) {
      return await this.#explain(error);
    } finally {
      clearInterval(watch);
    }
  }

  async #checkRoom(): Promise<Failure | undefined> {
    const { store, disk, insecureRegistries, reserveBytes } = this.#parts;
    this.#layers = await layersInRegistry(this.name, insecureRegistries);
    if (this.#layers === undefined) return undefined;
    const needBytes = neededBytes(this.#layers, await store.bytesOnDisk());
    return tooLarge(needBytes, await disk(), reserveBytes);
  }

  async #follow(
    onProgress: (bytes: { completedBytes: number; totalBytes: number }) => void,
  ): Promise<PullResult> {
    const { ollama, insecureRegistries, nowMs } = this.#parts;
    const call = {
      name: this.name,
      insecure: isInsecure(this.name, insecureRegistries),
      signal: this.#abort.signal,
    };
    for await (const line of ollama.pull(call)) {
      const before = this.#progress;
      this.#progress = onLine(before, line, nowMs());
      if (this.#progress.layers === before.layers) continue;
      onProgress(this.#bytes());
      // The registry would not say how large the model is, so each layer tells when it begins.
      if (this.#layers === undefined && this.#progress.layers.size > before.layers.size)
        await this.#checkLayer();
    }
    const { end } = this.#progress;
    if (end === 'success') return { outcome: 'ok' };
    if (end === undefined) return { outcome: 'interrupted' };
    return { outcome: 'failed', failure: await this.#tidied(failureOf(end.error, 'PullFailed')) };
  }

  #bytes(): { completedBytes: number; totalBytes: number } {
    const { completedBytes, totalBytes } = bytesOf(this.#progress);
    const wholeBytes = this.#layers?.reduce((sum, layer) => sum + layer.sizeBytes, 0) ?? 0;
    return { completedBytes, totalBytes: Math.max(totalBytes, wholeBytes) };
  }

  async #checkLayer(): Promise<void> {
    const { completedBytes, totalBytes } = bytesOf(this.#progress);
    const problem = tooLarge(totalBytes - completedBytes, await this.#parts.disk(), this.#parts.reserveBytes);
    if (problem !== undefined) this.#fail(problem);
  }

  #checkStall(): void {
    const standsMs = this.#parts.nowMs() - stalledAtMs(this.#progress, this.#parts.stallMsMax);
    if (standsMs < 0 || this.#abort.signal.aborted) return;
    const message = `the pull stood still for ${Math.round(this.#parts.stallMsMax / 1000)} s while "${this.#progress.phase}"`;
    this.#fail({ reason: 'Stalled', message });
  }

  #fail(failure: Failure): void {
    this.#failure ??= failure;
    this.#abort.abort(new Error(failure.message));
  }

  async #explain(error: unknown): Promise<PullResult> {
    if (this.#failure !== undefined) return { outcome: 'failed', failure: await this.#tidied(this.#failure) };
    if (this.#abort.signal.aborted) return { outcome: 'given_up' };
    const known = error instanceof HttpFailure ? error : httpFailureOf(error, 'Ollama');
    if (known.kind === 'reset' || known.kind === 'refused') return { outcome: 'interrupted' };
    return { outcome: 'failed', failure: { reason: 'PullFailed', message: known.message } };
  }

  /** Parts are kept for the next try, but not where they take the room of other models or are broken. */
  async #tidied(failure: Failure): Promise<Failure> {
    if (failure.reason === 'InsufficientStorage' || BROKEN_PART.test(failure.message)) {
      const seen = [...this.#progress.layers.keys()].map(hexOf).filter(digest => digest !== undefined);
      await this.#parts.store.removeParts([...seen, ...(this.#layers ?? []).map(layer => layer.digest)]);
    }
    return failure;
  }
}
