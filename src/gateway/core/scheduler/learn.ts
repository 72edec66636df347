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

/** A map with a bound; what was touched longest ago goes first. Peeking does not touch. */
export class Bounded<V> {
  readonly #entries = new Map<string, V>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  peek(key: string): V | undefined {
    return this.#entries.get(key);
  }

  /** Makes the entry when it is missing; touching keeps it from being forgotten. */
  touch(key: string, make: () => V): V {
    const found = this.#entries.get(key);
    if (found !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, found);
      return found;
    }
    const made = make();
    this.#entries.set(key, made);
    if (this.#entries.size > this.#max) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    return made;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  entries(): IterableIterator<[string, V]> {
    return this.#entries.entries();
  }
}
