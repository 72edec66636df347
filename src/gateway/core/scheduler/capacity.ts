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

/** What else there is to go by. */
export interface Hints {
  /** Backends of the same class: probably set up alike, but nobody promised it. */
  readonly alike: readonly Capacity[];
  /** No request is on any runner that would stay: if the set is too much, only an idle one is put out. */
  readonly idle: boolean;
}

/**
 * 1. Too much here: no. 2. Fitted here: yes. 3. Unknown here: yes, unless it was too much on a backend alike
 *    (and fitted on none). 4. Even then once, while nobody would wait for the mistake: this backend may be larger.
 */
export function mayFit(capacity: Capacity, load: Load, { alike, idle }: Hints): boolean {
  if (load.count <= 1) return true;
  if (isTooMuch(capacity, load)) return false;
  if (fitted(capacity, load) || alike.some(other => fitted(other, load))) return true;
  if (!alike.some(other => isTooMuch(other, load))) return true;
  return idle && !capacity.overfull.some(bad => bad.count <= load.count);
}

function isTooMuch(capacity: Capacity, load: Load): boolean {
  return capacity.overfull.some(bad => load.count >= bad.count && load.bytes >= bad.bytes);
}

function fitted({ fits }: Capacity, load: Load): boolean {
  return load.count <= fits.count && load.bytes <= fits.bytes;
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
  // As many bytes fitted before, or it was too much twice at this count: the count is the limit, not the bytes.
  const bad = again || load.bytes <= capacity.fits.bytes ? { count: load.count, bytes: 0 } : load;
  const kept = capacity.overfull.filter(old => old.count < bad.count || old.bytes < bad.bytes);
  capacity.overfull = [bad, ...kept].slice(0, overfullMax);
}
