// One timer for all time limits of requests: each request carries its deadline, a sweep looks at all of them.
// Never more exact than its step; in exchange, a chunk costs no timer.
import type { Clock } from '../platform/clock.ts';
import { Roster } from './roster.ts';
import type { Seated } from './roster.ts';

export interface Timed extends Seated {
  /** Monotonic; Infinity = none now. */
  deadlineMs: number;
  /** Called once per pass of the deadline; it sets a new one or leaves the set. */
  onDeadline(nowMs: number): void;
  /** The gateway stops. */
  stop?(): void;
}

export class Deadlines {
  private readonly timed = new Roster<Timed>();
  private readonly clock: Clock;
  private readonly timer: NodeJS.Timeout;

  constructor(clock: Clock, stepMs: number) {
    this.clock = clock;
    this.timer = setInterval(() => this.sweep(), stepMs);
    this.timer.unref();
  }

  add(timed: Timed): void {
    this.timed.add(timed);
  }

  delete(timed: Timed): void {
    this.timed.delete(timed);
  }

  get size(): number {
    return this.timed.size;
  }

  /** Ends what can be ended. */
  stop(): void {
    for (const timed of this.timed.all()) timed.stop?.();
  }

  close(): void {
    clearInterval(this.timer);
  }

  private sweep(): void {
    const nowMs = this.clock.nowMs();
    for (const timed of this.timed.all()) {
      if (timed.deadlineMs > nowMs) continue;
      timed.deadlineMs = Infinity;
      timed.onDeadline(nowMs);
    }
  }
}

/** Fine enough for the shortest limit, coarse enough to cost nothing. */
export function sweepStepMs(limits: readonly number[]): number {
  const shortest = Math.min(...limits.filter(limit => limit > 0));
  return Math.min(250, Math.max(5, Math.floor(shortest / 8)));
}
