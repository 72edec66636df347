// The gateway's clock and its one timer, as src/gateway/loop.ts arms it: a delay counts from now, whatever the clock says
// later, and an earlier timer is left alone. Never fires by itself.

const delayMsMax = 60_000;

export class GatewayTimer {
  /** How far the gateway's clock is ahead of simulated time. */
  skewMs = 0;
  /** Simulated time at which it fires. */
  firesMs = Infinity;
  #forMs = Infinity;

  arm(nowMs: number, wakeAtMs: number | undefined): void {
    const askedMs = wakeAtMs ?? Infinity;
    if (this.firesMs < Infinity && this.#forMs <= askedMs) return;
    this.#forMs = askedMs;
    const delayMs = Math.min(delayMsMax, Math.max(0, askedMs - this.skewMs - nowMs));
    this.firesMs = askedMs === Infinity ? Infinity : nowMs + delayMs;
  }

  /** True once, when it is due. */
  take(nowMs: number): boolean {
    if (this.firesMs > nowMs) return false;
    this.firesMs = Infinity;
    return true;
  }
}
