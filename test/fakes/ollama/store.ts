// The models of the fake: names, manifests, blobs and what each would load. Holds no weights, only their digests and sizes.
import { createHash } from 'node:crypto';
import { displayName, modelKey, parseModelName } from '../../../src/api/names.ts';
import type { ReloadOptions } from '../../../src/api/fleet.ts';
import type { FakeOptions, ModelSeed } from './options.ts';

export interface Model {
  readonly name: string;
  /** Manifest digest, 64 hex digits. */
  readonly digest: string;
  /** Digest of the weights blob, 64 hex digits. */
  readonly weights: string;
  readonly adapters: string;
  readonly seed: ModelSeed;
  readonly sizeBytes: number;
  readonly loadMs: number;
  readonly modifiedAt: string;
  readonly parent: string;
  readonly messages: readonly unknown[];
}

const gib = 1024 ** 3;
const removedMax = 1000;

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export function shownName(text: string): string {
  const name = parseModelName(text);
  return name === undefined ? text : displayName(name);
}

export class Store {
  readonly #models = new Map<string, Model>();
  /** Digest without prefix → bytes. */
  readonly #blobs = new Map<string, number>();
  /** Models that were deleted: their runners go on, and ps shows them. */
  readonly #removed = new Map<string, Model>();
  readonly #options: FakeOptions;

  constructor(options: FakeOptions) {
    this.#options = options;
    for (const seed of options.models) this.add(seed);
  }

  add(
    seed: ModelSeed,
    extra: { weights?: string; adapters?: string; parent?: string; messages?: readonly unknown[] } = {},
  ): Model {
    const name = shownName(seed.name);
    const sizeBytes = Math.round(seed.sizeBytes ?? gib);
    const weights = extra.weights ?? sha256(`weights ${seed.weights ?? name}`);
    const model: Model = {
      name,
      digest: sha256(
        JSON.stringify([
          weights,
          extra.adapters,
          seed.parameters,
          seed.system,
          seed.template,
          extra.messages,
        ]),
      ),
      weights,
      adapters: extra.adapters ?? '',
      seed,
      sizeBytes,
      loadMs: seed.loadMs ?? this.#options.loadMs ?? (sizeBytes / gib) * this.#options.loadMsPerGib,
      modifiedAt: new Date().toISOString(),
      parent: extra.parent ?? '',
      messages: extra.messages ?? [],
    };
    this.#models.set(keyOf(name), model);
    this.#blobs.set(weights, sizeBytes);
    return model;
  }

  find(name: string): Model | undefined {
    return this.#models.get(keyOf(name));
  }

  findLoaded(name: string): Model | undefined {
    return this.find(name) ?? this.#removed.get(name);
  }

  /** Most recently modified first. */
  list(): Model[] {
    return [...this.#models.values()].sort((a, b) => secondsOf(b.modifiedAt) - secondsOf(a.modifiedAt));
  }

  copy(source: Model, destination: string): void {
    const name = shownName(destination);
    this.#models.set(keyOf(name), { ...source, name, modifiedAt: new Date().toISOString() });
  }

  /** Takes the blob with it when no other model needs it. */
  remove(model: Model): void {
    this.#models.delete(keyOf(model.name));
    if (this.#removed.size >= removedMax) this.#removed.clear();
    this.#removed.set(model.name, model);
    if (!this.list().some(other => other.weights === model.weights)) this.#blobs.delete(model.weights);
  }

  hasBlob(digest: string): boolean {
    return this.#blobs.has(digest);
  }

  blobBytes(digest: string): number {
    return this.#blobs.get(digest) ?? 0;
  }

  addBlob(digest: string, sizeBytes: number): void {
    this.#blobs.set(digest, sizeBytes);
  }

  /** What a runner of this model would be loaded with; undefined `bad` names an option of the wrong type. */
  reloadOptions(model: Model, requested: Readonly<Record<string, unknown>>): ReloadOptions {
    const all = {
      num_ctx: this.#options.contextLength,
      num_batch: 512,
      ...model.seed.parameters,
      ...requested,
    };
    const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
    const pick: Record<string, number | boolean> = {};
    for (const name of ['num_ctx', 'num_batch', 'num_gpu', 'main_gpu', 'num_thread'] as const) {
      const value = numberOf(all[name as keyof typeof all]);
      if (value !== undefined) pick[name] = name === 'num_ctx' ? Math.max(4, value) : value;
    }
    const mmap = (all as Record<string, unknown>)['use_mmap'];
    if (typeof mmap === 'boolean') pick['use_mmap'] = mmap;
    return pick;
  }

  capabilities(model: Model): readonly string[] {
    return model.seed.capabilities ?? ['completion'];
  }
}

function secondsOf(iso: string): number {
  return Math.floor(Date.parse(iso) / 1000);
}

function keyOf(name: string): string {
  return modelKey(name) ?? name;
}
