// Which conversation ran where lately, so that its cached prompt can be used again. Bounded; forgets by time and by age.
import { Bounded } from './learn.ts';
import type { PolicyConstants } from './constants.ts';
import type { PrefixMark } from './messages.ts';

interface Seen {
  readonly backend: string;
  readonly key: string;
  readonly atMs: number;
}

export class PrefixMemory {
  readonly #seen: Bounded<{ last: Seen | undefined }>;
  readonly #limits: PolicyConstants;

  constructor(limits: PolicyConstants) {
    this.#limits = limits;
    this.#seen = new Bounded(limits.prefixesMax);
  }

  remember(marks: readonly PrefixMark[], backend: string, key: string, nowMs: number): void {
    for (const mark of marks) {
      this.#seen.touch(mark.hash, () => ({ last: undefined })).last = { backend, key, atMs: nowMs };
    }
  }

  /** The longest prefix that ran lately: where, and how many bytes need no prompt work there. */
  find(marks: readonly PrefixMark[], nowMs: number): { seen: Seen; bytes: number } | undefined {
    for (let index = marks.length - 1; index >= 0; index--) {
      const mark = marks[index];
      const last = mark && this.#seen.peek(mark.hash)?.last;
      if (mark && last && nowMs - last.atMs <= this.#limits.prefixMemoryMs)
        return { seen: last, bytes: mark.bytes };
    }
    return undefined;
  }

  get size(): number {
    return this.#seen.size;
  }
}
