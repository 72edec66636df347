// Pulls models from a registry or from a GGUF file: one download per model however many ask; the last who leaves cancels it.
import { copyFile, rename, rm, stat } from 'node:fs/promises';
import { constants } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseModelName } from '../api/names.ts';
import type { ModelName } from '../api/names.ts';
import { EngineFailure, badRequest, requestCanceled } from './core/failure.ts';
import { ggufFacts } from './core/gguf.ts';
import type { GgufFacts } from './core/gguf.ts';
import type { JsonObject } from './core/json.ts';
import { blobsOf, layersOf, mediaTypeOf, parseManifest, writeManifest } from './core/manifest.ts';
import type { Layer, Manifest } from './core/manifest.ts';
import { STATUS, pulling } from './core/progress.ts';
import type { Progress } from './core/progress.ts';
import { download, partialPath } from './download.ts';
import { fullName } from './core/model.ts';
import type { Registry, RegistryRequest } from './registry.ts';
import { hashFile } from './store.ts';
import type { Store } from './store.ts';
import { readHeader } from './weights.ts';

export type OnProgress = (progress: Progress) => void;

export interface PullWish {
  /** A model name, or file:///…/model.gguf. */
  readonly model: string;
  readonly insecure: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

interface Job {
  readonly listeners: Set<OnProgress>;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  last: Progress;
}

const progressMsMin = 60;

export class Pulls {
  readonly #store: Store;
  readonly #registry: Registry;
  readonly #jobs = new Map<string, Job>();
  readonly #blobs = new Map<string, Promise<void>>();

  constructor(store: Store, registry: Registry) {
    this.#store = store;
    this.#registry = registry;
  }

  async pull(wish: PullWish): Promise<void> {
    const name = wish.model.startsWith('file:') ? undefined : await wantedName(this.#store, wish);
    const key = name === undefined ? wish.model : fullName(name).toLowerCase();
    const known = this.#jobs.get(key);
    if (known !== undefined && !known.stop.signal.aborted) {
      wish.onProgress(known.last);
      return this.#join(known, wish);
    }
    await known?.done.catch(() => undefined);
    const job = this.#start(key, (emit, signal) =>
      name === undefined
        ? pullFile(this.#store, { url: wish.model, signal }, emit)
        : this.#pullFromRegistry({ name, insecure: wish.insecure, signal }, emit),
    );
    return this.#join(job, wish);
  }

  async close(): Promise<void> {
    for (const job of this.#jobs.values()) job.stop.abort();
    await Promise.allSettled([...this.#jobs.values()].map(job => job.done));
    await this.#registry.close();
  }

  #start(key: string, work: (emit: OnProgress, signal: AbortSignal) => Promise<void>): Job {
    const stop = new AbortController();
    const listeners = new Set<OnProgress>();
    const emit = (progress: Progress): void => {
      job.last = progress;
      for (const listener of listeners) listener(progress);
    };
    // The work begins in a later turn, when the first listener is there.
    const done = Promise.resolve()
      .then(() => work(emit, stop.signal))
      .finally(() => this.#jobs.delete(key));
    const job: Job = { listeners, stop, last: STATUS.manifest, done };
    done.catch(() => undefined);
    this.#jobs.set(key, job);
    return job;
  }

  async #join(job: Job, wish: PullWish): Promise<void> {
    if (wish.signal.aborted) throw requestCanceled();
    const left = Promise.withResolvers<never>();
    left.promise.catch(() => undefined);
    const leave = (): void => left.reject(requestCanceled());
    wish.signal.addEventListener('abort', leave, { once: true });
    job.listeners.add(wish.onProgress);
    try {
      await Promise.race([job.done, left.promise]);
    } finally {
      wish.signal.removeEventListener('abort', leave);
      job.listeners.delete(wish.onProgress);
      if (job.listeners.size === 0) job.stop.abort();
    }
  }

  async #pullFromRegistry(request: RegistryRequest, emit: OnProgress): Promise<void> {
    const store = this.#store;
    emit(STATUS.manifest);
    const text = await this.#manifest(request);
    const manifest = checkedManifest(text);
    const before = await store.find(request.name).catch(() => undefined);
    for (const layer of blobsOf(manifest)) await this.#fetchBlob(request, layer, emit);
    emit(STATUS.verifying);
    for (const layer of blobsOf(manifest)) await verify(store, layer, request.signal);
    emit(STATUS.writing);
    await store.saveManifest(request.name, text);
    const unused = before === undefined ? [] : withoutThose(before.manifest, manifest);
    if (unused.length > 0) {
      emit(STATUS.removing);
      await store.prune(unused);
    }
    emit(STATUS.success);
  }

  async #manifest(request: RegistryRequest): Promise<string> {
    try {
      return await this.#registry.manifest(request);
    } catch (error) {
      if (request.signal.aborted) throw requestCanceled();
      const reason = error instanceof Error ? error.message : String(error);
      throw new EngineFailure(500, `pull model manifest: ${reason}`);
    }
  }

  /** Two models may share a blob: one fetches it, the other waits and looks again. */
  async #fetchBlob(request: RegistryRequest, layer: Layer, emit: OnProgress): Promise<void> {
    const running = this.#blobs.get(layer.digest);
    if (running !== undefined) {
      await running.catch(() => undefined);
      return this.#fetchBlob(request, layer, emit);
    }
    const size = await this.#store.blobSize(layer.digest);
    if (size !== undefined) return emit(pulling(layer.digest, size, size));
    const path = this.#store.blobPath(layer.digest);
    emit(pulling(layer.digest, layer.size, 0));
    const onProgress = throttled(completed => emit(pulling(layer.digest, layer.size, completed)));
    const work = download({ registry: this.#registry, request, layer, path, onProgress });
    const done = work.finally(() => this.#blobs.delete(layer.digest));
    this.#blobs.set(layer.digest, done);
    await done;
    emit(pulling(layer.digest, layer.size, layer.size));
  }
}

async function wantedName(store: Store, wish: PullWish): Promise<ModelName> {
  const name = parseModelName(wish.model);
  if (name === undefined) throw badRequest('invalid model name');
  if (/^http:\/\//i.test(wish.model) && !wish.insecure)
    throw new EngineFailure(500, 'insecure protocol http');
  return store.existing(name);
}

function checkedManifest(text: string): Manifest {
  const manifest = parseManifest(text);
  if (layersOf(manifest, 'tensor').length > 0 && layersOf(manifest, 'model').length === 0) {
    throw new EngineFailure(500, 'this model is not in GGUF format: the embedded engine cannot run it');
  }
  return manifest;
}

/** Only a verified file gets the blob's name; a wrong one is deleted. */
async function verify(store: Store, layer: Layer, signal: AbortSignal): Promise<void> {
  const path = store.blobPath(layer.digest);
  if ((await store.blobSize(layer.digest)) !== undefined) return;
  const partial = partialPath(path);
  const digest = await hashFile(partial, signal).catch((error: unknown) => {
    throw signal.aborted ? requestCanceled() : error;
  });
  if (digest === layer.digest) return rename(partial, path);
  await rm(partial, { force: true });
  const digests = `want ${layer.digest}, got ${digest}`;
  throw new EngineFailure(500, `digest mismatch, file must be downloaded again: ${digests}`);
}

function withoutThose(before: Manifest, now: Manifest): readonly Layer[] {
  const kept = new Set(blobsOf(now).map(layer => layer.digest));
  return blobsOf(before).filter(layer => !kept.has(layer.digest));
}

function throttled(emit: (completed: number) => void): (completed: number) => void {
  let nextMs = 0;
  return completed => {
    const nowMs = performance.now();
    if (nowMs < nextMs) return;
    nextMs = nowMs + progressMsMin;
    emit(completed);
  };
}

async function pullFile(
  store: Store,
  file: { url: string; signal: AbortSignal },
  emit: OnProgress,
): Promise<void> {
  const path = fileURLToPath(file.url);
  await importGguf(store, { path, name: nameOfFile(path), signal: file.signal }, emit);
  emit(STATUS.success);
}

function nameOfFile(path: string): ModelName {
  const text = basename(path)
    .replace(/\.gguf$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-');
  const name = parseModelName(text);
  if (name === undefined)
    throw badRequest(`the file name ${basename(path)} is no model name: rename the file`);
  return name;
}

export interface GgufImport {
  readonly path: string;
  readonly name: ModelName;
  readonly signal: AbortSignal;
  /** Refuses a file with another digest. */
  readonly digest?: string;
}

/** Makes a model of a GGUF file on this machine; the file itself stays where it is. */
export async function importGguf(store: Store, input: GgufImport, emit: OnProgress): Promise<void> {
  const facts = ggufFacts(await readHeader(input.path));
  const { size } = await stat(input.path);
  const digest = await hashFile(input.path, input.signal);
  if (input.digest !== undefined && input.digest !== digest) {
    throw new EngineFailure(500, `digest mismatch: want ${input.digest}, got ${digest}`);
  }
  emit(pulling(digest, size, 0));
  await copyBlob(store, input.path, digest);
  emit(pulling(digest, size, size));
  const layer: Layer = { mediaType: mediaTypeOf('model'), digest, size };
  const config = await store.addLayer('config', JSON.stringify(newConfig(facts, [layer])));
  emit(STATUS.writing);
  await store.saveManifest(await store.existing(input.name), writeManifest(config.layer, [layer]));
}

async function copyBlob(store: Store, from: string, digest: string): Promise<void> {
  if ((await store.blobSize(digest)) !== undefined) return;
  const half = partialPath(store.blobPath(digest));
  try {
    await copyFile(from, half, constants.COPYFILE_FICLONE);
    await rename(half, store.blobPath(digest));
  } finally {
    await rm(half, { force: true });
  }
}

/** Ollama's ConfigV2 of a new GGUF model. */
export function newConfig(facts: GgufFacts, layers: readonly Layer[]): JsonObject {
  return {
    model_format: 'gguf',
    model_family: facts.architecture,
    model_families: [facts.architecture],
    model_type: facts.parameterSize,
    file_type: facts.fileType,
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map(layer => layer.digest) },
  };
}
