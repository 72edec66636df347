// Numbers that look random and follow from a text or a seed alone. Never uses the machine's randomness.

/** FNV-1a, 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash ^= text.charCodeAt(at);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}

/** mulberry32: numbers in [0, 1). */
export function rngOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Lognormal with this median: exp(ln median + sigma × normal). */
export function lognormal(rng: () => number, median: number, sigma: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - rng()));
  return median * Math.exp(sigma * radius * Math.cos(2 * Math.PI * rng()));
}
