// Time for shells: monotonic milliseconds for decisions, wall time only for what people read. Never used in core/.
import { performance } from 'node:perf_hooks';

export interface Clock {
  /** Monotonic; only differences mean something. */
  nowMs(): number;
  wallIso(): string;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallIso: () => new Date().toISOString(),
};
