// The gateway's calls to backends that are under way: tickets being answered and loads of its own. Never talks to a backend.
import type { Server } from './server.ts';
import { Timers } from './timers.ts';

export interface Call {
  readonly id: string;
  readonly server: Server;
  /** Undefined for the gateway's own load. */
  readonly ticket: string | undefined;
  readonly key: string;
  answered: boolean;
  /** When it had its runner, and what the backend tells of its work afterwards. */
  runnerAtMs: number;
  firstTokenMs: number;
  promptMs: number;
}

/** How long the gateway bears silence: three probes in vain, a stream that stalls, a load that never answers. */
export const silenceMsMax = { firstByte: 6_000, stream: 120_000, load: 600_000 };

export class Calls {
  readonly #byId = new Map<string, Call>();
  readonly #ofTicket = new Map<string, Call>();
  /** Calls on frozen backends, by when they are given up. */
  readonly #silences = new Timers<Call>();
  #count = 0;

  begin(server: Server, key: string, ticket: string | undefined): Call {
    const call = {
      id: `c${++this.#count}`,
      server,
      ticket,
      key,
      answered: false,
      runnerAtMs: 0,
      firstTokenMs: 0,
      promptMs: 0,
    };
    this.#byId.set(call.id, call);
    if (ticket !== undefined) this.#ofTicket.set(ticket, call);
    else server.loads.set(call.id, key);
    return call;
  }

  get(id: string): Call | undefined {
    return this.#byId.get(id);
  }

  of(ticket: string): Call | undefined {
    return this.#ofTicket.get(ticket);
  }

  on(server: Server): Call[] {
    return [...this.#byId.values()].filter(call => call.server === server);
  }

  end(call: Call): void {
    this.#byId.delete(call.id);
    if (call.ticket === undefined) {
      call.server.loads.delete(call.id);
      return;
    }
    this.#ofTicket.delete(call.ticket);
    const running = call.server.running.get(call.key) ?? 0;
    if (running > 0) call.server.running.set(call.key, running - 1);
  }

  /** The backend is frozen from now on: all its calls, or one, will be given up. */
  watch(nowMs: number, of: Server | Call): void {
    for (const call of 'server' in of ? [of] : this.on(of)) {
      const { firstByte, stream, load } = silenceMsMax;
      const patienceMs = call.ticket === undefined ? load : call.answered ? stream : firstByte;
      this.#silences.set(nowMs + patienceMs, call);
    }
  }

  nextSilenceMs(): number {
    return this.#silences.nextMs();
  }

  /** A call that is to be given up now. */
  takeSilent(nowMs: number): Call | undefined {
    for (;;) {
      const timer = this.#silences.take(nowMs);
      if (timer === undefined) return undefined;
      const { value } = timer;
      if (this.#byId.get(value.id) === value && value.server.frozenAtMs !== undefined) return value;
    }
  }
}
