// Waiting that an abort ends, and the growing pauses between tries that fail. Never throws when it is aborted.
import { setTimeout as sleep } from 'node:timers/promises';

export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => {});
}

export class Backoff {
  private readonly msMin: number;
  private readonly msMax: number;
  private readonly rng: () => number;
  private failures = 0;

  constructor(limits: { readonly msMin: number; readonly msMax: number }, rng: () => number) {
    this.msMin = limits.msMin;
    this.msMax = limits.msMax;
    this.rng = rng;
  }

  reset(): void {
    this.failures = 0;
  }

  /** Doubles with each call; between half and the whole of it, so that many clients do not come back at once. */
  nextMs(): number {
    const wholeMs = Math.min(this.msMax, this.msMin * 2 ** Math.min(this.failures, 30));
    this.failures += 1;
    return wholeMs * (0.5 + 0.5 * this.rng());
  }
}
