// Changes of one model name follow one another, so that all stores make them in the same order. Never holds up other names.
import { BigoError } from '../../api/errors.ts';

export interface Touched {
  readonly writes: string;
  /** Kept from being written meanwhile; others may read it, too. */
  readonly reads?: string;
}

interface Lane {
  written: Promise<void>;
  read: Promise<void>[];
  users: number;
}

const waitingMax = 256;

export class Turns {
  readonly #lanes = new Map<string, Lane>();
  #waiting = 0;

  /** Resolves with what gives the turn back, to be called exactly once. */
  async take({ writes, reads }: Touched): Promise<() => void> {
    if (this.#waiting >= waitingMax) {
      const message = `${waitingMax} changes of models already wait for others of the same name.`;
      throw new BigoError('queue_full', message, { retryAfterMs: 10_000 });
    }
    const { promise: done, resolve } = Promise.withResolvers<void>();
    // Both places are taken in one step: two changes can never wait for each other.
    const before = [this.#write(writes, done)];
    if (reads !== undefined && reads !== writes) before.push(this.#read(reads, done));
    this.#waiting++;
    await Promise.all(before);
    this.#waiting--;
    return resolve;
  }

  #write(name: string, done: Promise<void>): Promise<unknown> {
    const lane = this.#enter(name, done);
    const before = Promise.all([lane.written, ...lane.read]);
    lane.written = done;
    lane.read = [];
    return before;
  }

  #read(name: string, done: Promise<void>): Promise<unknown> {
    const lane = this.#enter(name, done);
    lane.read.push(done);
    return lane.written;
  }

  #enter(name: string, done: Promise<void>): Lane {
    const lane = this.#lanes.get(name) ?? { written: Promise.resolve(), read: [], users: 0 };
    this.#lanes.set(name, lane);
    lane.users++;
    void done.then(() => {
      if (--lane.users === 0) this.#lanes.delete(name);
    });
    return lane;
  }
}
