// The last requests with their reasons, for `bigo status` and the UI. A ring of fixed size; never a prompt or an answer.

import type { Consideration } from './core/scheduler/messages.ts';

export interface RequestRecord {
  readonly id: string;
  readonly tenant: string;
  readonly route: string;
  readonly model: string;
  readonly backend: string | undefined;
  readonly reason: string | undefined;
  readonly priority: string;
  readonly code: number;
  readonly error: string | undefined;
  readonly attempts: number;
  readonly waitMs: number;
  /** Until the first token, as it looked when the request came. */
  readonly estimateMs: number | undefined;
  readonly firstByteMs: number | undefined;
  readonly durationMs: number;
  readonly promptTokens: number | undefined;
  readonly tokens: number | undefined;
  /** What every backend would have meant when it was sent; absent when there was only one. */
  readonly considered: readonly Consideration[] | undefined;
}

const recordsMax = 1_000;

export class RecentRequests {
  private readonly ring: { readonly record: RequestRecord; readonly at: string }[] = [];
  private next = 0;

  /** `at` = when it ended, in ISO form. */
  add(record: RequestRecord, at: string): void {
    this.ring[this.next] = { record, at };
    this.next = (this.next + 1) % recordsMax;
  }

  /** Newest first. */
  list(limit: number): (RequestRecord & { readonly at: string })[] {
    const inOrder = [...this.ring.slice(this.next), ...this.ring.slice(0, this.next)];
    return inOrder
      .reverse()
      .slice(0, limit)
      .map(({ record, at }) => ({ at, ...record }));
  }
}
