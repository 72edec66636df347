// The order in which resources are reconciled: keys, never objects; one key is never worked on twice at once.
// Never reads a clock: callers pass the time, and ask when the next delayed key is due.

export interface QueueLimits {
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** Retries of all keys together: a bucket that holds so many, refilled at this rate. */
  readonly retriesBurst: number;
  readonly retriesPerSecond: number;
}

/** As controller-runtime's defaults. */
export const QUEUE_LIMITS: QueueLimits = {
  backoffMsMin: 5,
  backoffMsMax: 1_000_000,
  retriesBurst: 100,
  retriesPerSecond: 10,
};

/**
 * Of a key whose pass failed because the API server was away, overloaded or slower than somebody else: that ends for all keys
 * at once, and after an outage of minutes nobody should wait as many more. The bucket keeps all of them together slow.
 */
export const SERVER_AWAY_MS_MAX = 10_000;

/**
 * `news`: something happened to a resource that is being looked after. `whole`: it is to be made, or looked at again without news,
 * which waits behind news, so that a thousand new resources do not keep the others from telling how they are.
 */
export type Why = 'news' | 'whole';

/** Of so many that are taken, one is from the line behind: it never starves. One that is made has news five times or so. */
const turnsPerWhole = 16;

export interface TakenKey {
  readonly key: string;
  readonly waitedMs: number;
}

export class KeyQueue {
  private readonly limits: QueueLimits;
  /** Waiting, in order, with the time since when; a key waits in one line only. */
  private readonly lines: Readonly<Record<Why, Map<string, number>>> = { news: new Map(), whole: new Map() };
  /** Added again while being worked on. */
  private readonly again = new Set<string>();
  private readonly working = new Set<string>();
  private readonly dueAtMs = new Map<string, number>();
  private readonly failures = new Map<string, number>();
  private turn = 0;
  private tokens: number;
  private refilledAtMs = 0;

  constructor(limits: QueueLimits = QUEUE_LIMITS) {
    this.limits = limits;
    this.tokens = limits.retriesBurst;
  }

  get depth(): number {
    return this.lines.news.size + this.lines.whole.size;
  }

  get active(): number {
    return this.working.size;
  }

  add(key: string, nowMs: number, why: Why = 'news'): void {
    const { news, whole } = this.lines;
    if (this.working.has(key)) this.again.add(key);
    else if (!news.has(key)) {
      this.lines[why].set(key, whole.get(key) ?? nowMs);
      if (why === 'news') whole.delete(key);
    }
  }

  /** The earliest of several wishes for one key counts. */
  addAt(key: string, dueAtMs: number): void {
    const known = this.dueAtMs.get(key);
    if (known === undefined || dueAtMs < known) this.dueAtMs.set(key, dueAtMs);
  }

  take(nowMs: number): TakenKey | undefined {
    this.release(nowMs);
    const line = this.nextLine();
    const first = line.entries().next();
    if (first.done === true) return undefined;
    const [key, sinceMs] = first.value;
    line.delete(key);
    this.working.add(key);
    return { key, waitedMs: nowMs - sinceMs };
  }

  done(key: string, nowMs: number): void {
    this.working.delete(key);
    if (this.again.delete(key)) this.add(key, nowMs);
  }

  /** Says when the key comes again: twice as late after each failure, never faster than the bucket allows or the server asked. */
  retry(key: string, nowMs: number, askedMs = 0, ownMsMax = this.limits.backoffMsMax): number {
    const failures = this.failures.get(key) ?? 0;
    this.failures.set(key, failures + 1);
    const ownMs = Math.min(this.limits.backoffMsMin * 2 ** Math.min(failures, 40), ownMsMax);
    const delayMs = Math.max(ownMs, this.reserve(nowMs), askedMs);
    this.addAt(key, nowMs + delayMs);
    return delayMs;
  }

  /** Success, or an error that trying again cannot mend. */
  forget(key: string): void {
    this.failures.delete(key);
  }

  /** When `take` may give something that it does not give now. */
  nextDueAtMs(): number | undefined {
    let least: number | undefined;
    for (const dueAtMs of this.dueAtMs.values()) if (least === undefined || dueAtMs < least) least = dueAtMs;
    return least;
  }

  private nextLine(): Map<string, number> {
    const { news, whole } = this.lines;
    if (news.size === 0 || whole.size === 0) return news.size === 0 ? whole : news;
    this.turn = (this.turn + 1) % turnsPerWhole;
    return this.turn === 0 ? whole : news;
  }

  private release(nowMs: number): void {
    for (const [key, dueAtMs] of this.dueAtMs) {
      if (dueAtMs > nowMs) continue;
      this.dueAtMs.delete(key);
      this.add(key, nowMs);
    }
  }

  /** Takes one token, if need be one of the future; says how far away it is. */
  private reserve(nowMs: number): number {
    const { retriesBurst, retriesPerSecond } = this.limits;
    const grown = ((nowMs - this.refilledAtMs) / 1000) * retriesPerSecond;
    this.tokens = Math.min(retriesBurst, this.tokens + Math.max(0, grown));
    this.refilledAtMs = nowMs;
    this.tokens -= 1;
    return this.tokens >= 0 ? 0 : (-this.tokens / retriesPerSecond) * 1000;
  }
}
