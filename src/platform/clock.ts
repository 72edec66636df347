// Time for shells: monotonic milliseconds for decisions, wall time only for what people read. Never used in core/.
import { performance } from 'node:perf_hooks';

export interface Clock {
  /** Monotonic; only differences mean something. */
  nowMs(): number;
  wallIso(): string;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallIso: () => isoOf(Date.now()),
};

let secondOf = -1;
let upToSecond = '';

/** As Date's toISOString, with all but the milliseconds made once a second. */
export function isoOf(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  if (second !== secondOf) upToSecond = new Date(second * 1000).toISOString().slice(0, -4);
  secondOf = second;
  const ms = epochMs - second * 1000;
  return `${upToSecond}${ms < 100 ? (ms < 10 ? '00' : '0') : ''}${ms}Z`;
}
