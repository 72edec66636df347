// A running hash over the bytes of a conversation, to recognise its beginning next time. Never for security.

/** Two 32-bit lanes, fed four bytes at a time; how the bytes were cut into pieces makes no difference. */
export class PrefixHash {
  private one = 0;
  private two = 0;
  private word = 0;
  private filled = 0;

  reset(): void {
    this.one = 0x811c9dc5 | 0;
    this.two = 0x9e3779b9 | 0;
    this.word = 0;
    this.filled = 0;
  }

  update(bytes: Uint8Array, from: number, to: number): void {
    let at = from;
    while (this.filled !== 0 && at < to) this.addByte(bytes[at++] as number);
    let { one, two } = this;
    for (; at + 4 <= to; at += 4) {
      const word =
        (bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24);
      one = mix(one, word, 0x01000193);
      two = mix(two, word, 0x85ebca6b);
    }
    this.one = one;
    this.two = two;
    while (at < to) this.addByte(bytes[at++] as number);
  }

  /** The two lanes as of now, the unfinished word included. */
  lane1(): number {
    return mix(this.one, this.word ^ this.filled, 0xc2b2ae35);
  }
  lane2(): number {
    return mix(this.two, this.word ^ this.filled, 0x27d4eb2f);
  }

  private addByte(byte: number): void {
    this.word |= byte << (8 * this.filled++);
    if (this.filled < 4) return;
    this.one = mix(this.one, this.word, 0x01000193);
    this.two = mix(this.two, this.word, 0x85ebca6b);
    this.word = 0;
    this.filled = 0;
  }
}

export function mix(lane: number, word: number, factor: number): number {
  const product = Math.imul(lane ^ word, factor);
  return (product << 13) | (product >>> 19);
}

/** Decimal, since V8 writes small integers fastest so. */
export function hashText(lane1: number, lane2: number): string {
  return `${lane1 | 0}:${lane2 | 0}`;
}

/** A short word as a number, to compare keys without making strings of them (FNV-1a). */
export const wordHashStart = 0x811c9dc5 | 0;

export function stepHash(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}

export function wordHash(word: string): number {
  let hash = wordHashStart;
  for (const byte of new TextEncoder().encode(word)) hash = stepHash(hash, byte);
  return hash;
}
