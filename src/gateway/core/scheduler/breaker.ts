// A circuit breaker as a value that is changed by outcomes. Never counts a client that left or a 4xx against a backend.

export interface Breaker {
  failures: number;
  /** Closed while undefined; else no request until then, afterwards one trial at a time. */
  openUntilMs: number | undefined;
  openMs: number;
  trialId: string | undefined;
  failedAtMs: number;
}

export interface BreakerLimits {
  readonly failuresMax: number;
  readonly openMs: number;
  readonly openMsMax: number;
}

export function closedBreaker(): Breaker {
  return { failures: 0, openUntilMs: undefined, openMs: 0, trialId: undefined, failedAtMs: -Infinity };
}

/** May a request pass now? A half-open breaker lets one through at a time. */
export function lets(breaker: Breaker, nowMs: number): boolean {
  if (breaker.openUntilMs === undefined) return true;
  return nowMs >= breaker.openUntilMs && breaker.trialId === undefined;
}

/** Called for a request that passes: it becomes the trial of a half-open breaker. */
export function onPass(breaker: Breaker, id: string): void {
  if (breaker.openUntilMs !== undefined) breaker.trialId = id;
}

export function onSuccess(breaker: Breaker): void {
  breaker.failures = 0;
  breaker.openUntilMs = undefined;
  breaker.openMs = 0;
  breaker.trialId = undefined;
}

/** Neither good nor bad, e.g. the client left: only the trial's place is given back. */
export function onNeutral(breaker: Breaker, id: string): void {
  if (breaker.trialId === id) breaker.trialId = undefined;
}

export function onFailure(breaker: Breaker, limits: BreakerLimits, nowMs: number): void {
  breaker.failures += 1;
  breaker.failedAtMs = nowMs;
  breaker.trialId = undefined;
  const wasOpen = breaker.openUntilMs !== undefined;
  if (!wasOpen && breaker.failures < limits.failuresMax) return;
  breaker.openMs = wasOpen ? Math.min(breaker.openMs * 2, limits.openMsMax) : limits.openMs;
  breaker.openUntilMs = nowMs + breaker.openMs;
}

export function breakerState(breaker: Breaker, nowMs: number): 'closed' | 'open' | 'half_open' {
  if (breaker.openUntilMs === undefined) return 'closed';
  return nowMs < breaker.openUntilMs ? 'open' : 'half_open';
}
