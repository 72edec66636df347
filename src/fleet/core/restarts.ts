// When a child that died is started again: soon after its first death, later the more often it dies young. Never gives up.

export interface RestartTiming {
  readonly firstDelayMs: number;
  readonly delayMsMax: number;
  /** A child that lived this long counts as healthy: its next death is a first one. */
  readonly healthyAfterMs: number;
}

export const DEFAULT_RESTARTS: RestartTiming = {
  firstDelayMs: 200,
  delayMsMax: 10_000,
  healthyAfterMs: 10_000,
};

export interface Restart {
  readonly deathsInARow: number;
  readonly delayMs: number;
}

export function nextRestart(deathsBefore: number, livedMs: number, timing: RestartTiming): Restart {
  const deathsInARow = livedMs >= timing.healthyAfterMs ? 1 : deathsBefore + 1;
  const delayMs = Math.min(timing.delayMsMax, timing.firstDelayMs * 2 ** Math.min(deathsInARow - 1, 20));
  return { deathsInARow, delayMs };
}
