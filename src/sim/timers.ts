// A heap of timers for simulated time: the earliest first, equal times in the order they were set. Never reads a clock.

export interface Timer<T> {
  readonly atMs: number;
  readonly seq: number;
  readonly value: T;
  cancelled: boolean;
}

export class Timers<T> {
  #heap: Timer<T>[] = [];
  #seq = 0;

  set(atMs: number, value: T): Timer<T> {
    const timer: Timer<T> = { atMs, seq: this.#seq++, value, cancelled: false };
    if (atMs !== Infinity) {
      this.#heap.push(timer);
      this.#up(this.#heap.length - 1);
    }
    return timer;
  }

  nextMs(): number {
    this.#dropCancelled();
    return this.#heap[0]?.atMs ?? Infinity;
  }

  /** Takes the earliest timer that is due; undefined when none is. */
  take(nowMs: number): Timer<T> | undefined {
    if (this.nextMs() > nowMs) return undefined;
    return this.#pop();
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.cancelled === true) this.#pop();
  }

  #pop(): Timer<T> | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first !== last && last !== undefined) {
      this.#heap[0] = last;
      this.#down(0);
    }
    return first;
  }

  #before(a: number, b: number): boolean {
    const left = this.#heap[a];
    const right = this.#heap[b];
    if (left === undefined || right === undefined) return left !== undefined;
    return left.atMs < right.atMs || (left.atMs === right.atMs && left.seq < right.seq);
  }

  #swap(a: number, b: number): void {
    const left = this.#heap[a];
    const right = this.#heap[b];
    if (left === undefined || right === undefined) return;
    this.#heap[a] = right;
    this.#heap[b] = left;
  }

  #up(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #down(from: number): void {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      const least = this.#before(left, at) ? left : at;
      const next = this.#before(left + 1, least) ? left + 1 : least;
      if (next === at) return;
      this.#swap(at, next);
      at = next;
    }
  }
}
