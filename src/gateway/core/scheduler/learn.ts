// Learned figures: means that forget, rates that decay, and how many runners fit. Never asks what time it is.

/** Exponentially weighted mean; the first samples count fully, so that a prior is left quickly. */
export interface Mean {
  value: number;
  samples: number;
}

export function meanOf(prior: number): Mean {
  return { value: prior, samples: 0 };
}

export function learn(mean: Mean, sample: number, weight: number): void {
  mean.samples += 1;
  mean.value += (sample - mean.value) * Math.max(weight, 1 / mean.samples);
}

/** Events per ms, forgetting with time constant `memoryMs`. */
export interface Rate {
  count: number;
  atMs: number;
  sinceMs: number;
}

export function rateFrom(nowMs: number): Rate {
  return { count: 0, atMs: nowMs, sinceMs: nowMs };
}

/** A clock that jumped back must not make old counts grow. */
function elapsedMs(sinceMs: number, nowMs: number): number {
  return Math.max(0, nowMs - sinceMs);
}

export function hit(rate: Rate, nowMs: number, memoryMs: number): void {
  rate.count = rate.count * Math.exp(-elapsedMs(rate.atMs, nowMs) / memoryMs) + 1;
  rate.atMs = nowMs;
}

export function perMs(rate: Rate, nowMs: number, memoryMs: number): number {
  const count = rate.count * Math.exp(-elapsedMs(rate.atMs, nowMs) / memoryMs);
  const watchedMs = memoryMs * (1 - Math.exp(-elapsedMs(rate.sinceMs, nowMs) / memoryMs));
  return count / Math.max(watchedMs, memoryMs / 10);
}

/**
 * A map with a bound; what was not touched for long goes first. Peeking does not touch.
 * Two generations instead of an order: putting a key behind the others with every touch would leave a table behind each time.
 */
export class Bounded<V> {
  #young = new Map<string, V>();
  #old = new Map<string, V>();
  readonly #generationMax: number;

  constructor(max: number) {
    this.#generationMax = Math.max(1, Math.floor(max / 2));
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  peek(key: string): V | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  /** Makes the entry when it is missing; touching keeps it from being forgotten. */
  touch(key: string, make: () => V): V {
    const found = this.#young.get(key);
    if (found !== undefined) return found;
    const value = this.#old.get(key) ?? make();
    this.#old.delete(key);
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
    return value;
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  /** Those not touched for longest come first. */
  *entries(): Generator<[string, V]> {
    yield* this.#old;
    yield* this.#young;
  }
}
