// How many runners fit in one backend, learned from what stayed loaded together and from what vanished. Never told.

/** A set of runners, as it matters for fitting. */
export interface Load {
  readonly count: number;
  readonly bytes: number;
}

export interface Capacity {
  /** Largest sets seen loaded together. */
  fits: Load;
  /** Sets that made another runner vanish; a set that is at least as large in both does not fit. */
  overfull: Load[];
}

const overfullMax = 4;

export function unknownCapacity(): Capacity {
  return { fits: { count: 1, bytes: 0 }, overfull: [] };
}

/** Believed to fit: unless a set known to be too much is no larger. Unknown sets are tried once. */
export function mayFit(capacity: Capacity, load: Load): boolean {
  if (load.count <= 1) return true;
  return !capacity.overfull.some(bad => load.count >= bad.count && load.bytes >= bad.bytes);
}

export function sawTogether(capacity: Capacity, load: Load): void {
  capacity.fits = {
    count: Math.max(capacity.fits.count, load.count),
    bytes: Math.max(capacity.fits.bytes, load.bytes),
  };
  // What was seen to fit refutes what was believed too much.
  capacity.overfull = capacity.overfull.filter(bad => bad.count > load.count || bad.bytes > load.bytes);
}

/** `load` is the set that was wanted when a runner vanished before its time. */
export function sawVanish(capacity: Capacity, load: Load): void {
  if (load.count <= 1) return;
  const again = capacity.overfull.some(bad => bad.count === load.count);
  // Twice too much at one count with different sizes: the count is the limit, not the bytes.
  const bad = again ? { count: load.count, bytes: 0 } : load;
  const kept = capacity.overfull.filter(old => old.count < bad.count || old.bytes < bad.bytes);
  capacity.overfull = [bad, ...kept].slice(0, overfullMax);
}
