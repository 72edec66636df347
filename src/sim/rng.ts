// Seeded random numbers, so that a run can be played again. Never used for anything secret.

export type Rng = () => number;

/** mulberry32: 32 bits of state, uniform in [0, 1). */
export function rngOf(seed: number): Rng {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function exponential(rng: Rng, mean: number): number {
  return -mean * Math.log(1 - rng());
}

/** Lognormal by its median and the deviation of its logarithm. */
export function lognormal(rng: Rng, median: number, sigma: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - rng())) * Math.cos(2 * Math.PI * rng());
  return median * Math.exp(sigma * normal);
}

export function intBelow(rng: Rng, bound: number): number {
  return Math.floor(rng() * bound);
}

export function pick<T>(rng: Rng, items: readonly T[]): T {
  const item = items[intBelow(rng, items.length)];
  if (item === undefined) throw new RangeError('pick from an empty list');
  return item;
}
