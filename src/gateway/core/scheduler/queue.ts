// The waiting tickets of one ask: strict priorities, fair between tenants inside one, first come first served inside a tenant.
// Never decides where a ticket goes; never drops one.
import type { Priority, TicketSpec } from './messages.ts';

const PRIORITIES = ['high', 'normal', 'low', 'batch'] as const satisfies readonly Priority[];

export function rankOf(priority: Priority): number {
  return PRIORITIES.indexOf(priority);
}

interface Tenant {
  readonly name: string;
  usedMs: number;
  /** Tickets in the queue. */
  waiting: number;
}

/** Slot time that each tenant has used, as a virtual clock: whoever used least goes first. */
export class FairClock {
  readonly #tenants = new Map<string, Tenant>();
  /** Those with tickets in the queue. Few; never a Set or Map, see registry.ts. */
  readonly #waiting: Tenant[] = [];
  readonly #tenantsMax: number;
  #floorMs = 0;

  constructor(tenantsMax: number) {
    this.#tenantsMax = tenantsMax;
  }

  usedMs(tenant: string): number {
    return this.#tenants.get(tenant)?.usedMs ?? this.#floorMs;
  }

  /** A tenant that comes back after a pause gets no credit for the time in which it asked for nothing. */
  onWait(name: string): void {
    let tenant = this.#tenants.get(name);
    if (tenant === undefined) {
      tenant = { name, usedMs: this.#floorMs, waiting: 0 };
      this.#tenants.set(name, tenant);
    }
    if (tenant.waiting === 0) {
      tenant.usedMs = Math.max(tenant.usedMs, this.#least());
      this.#waiting.push(tenant);
    }
    tenant.waiting += 1;
    this.#trim();
  }

  onLeave(name: string): void {
    const tenant = this.#tenants.get(name);
    if (tenant === undefined) return;
    tenant.waiting -= 1;
    if (tenant.waiting > 0) return;
    this.#floorMs = Math.max(this.#floorMs, this.#least());
    this.#waiting.splice(this.#waiting.indexOf(tenant), 1);
  }

  charge(name: string, slotMs: number): void {
    const tenant = this.#tenants.get(name);
    if (tenant !== undefined) tenant.usedMs += slotMs;
  }

  #least(): number {
    let leastMs = Infinity;
    for (const tenant of this.#waiting) leastMs = Math.min(leastMs, tenant.usedMs);
    return leastMs === Infinity ? this.#floorMs : leastMs;
  }

  #trim(): void {
    if (this.#tenants.size <= this.#tenantsMax) return;
    for (const tenant of this.#tenants.values()) {
      if (tenant.waiting > 0) continue;
      this.#tenants.delete(tenant.name);
      return;
    }
  }
}

const emptyLinesMax = 16;

export interface Waiting {
  readonly spec: TicketSpec;
  /** Grows with each arrival: first come, first served. */
  readonly order: number;
}

export class AskQueue<T extends Waiting> {
  /** By priority and tenant. A line that is empty stays for the tenant's next ticket, while there are few. */
  readonly #lines: Map<string, T[]>[] = PRIORITIES.map(() => new Map<string, T[]>());
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(ticket: T): void {
    const lines = this.#lines[rankOf(ticket.spec.priority)];
    const line = lines?.get(ticket.spec.tenant);
    if (line === undefined) lines?.set(ticket.spec.tenant, [ticket]);
    else insertInOrder(line, ticket);
    this.#size += 1;
  }

  remove(ticket: T): boolean {
    const lines = this.#lines[rankOf(ticket.spec.priority)];
    const line = lines?.get(ticket.spec.tenant);
    const index = line?.indexOf(ticket) ?? -1;
    if (line === undefined || index < 0) return false;
    line.splice(index, 1);
    if (line.length === 0 && (lines?.size ?? 0) > emptyLinesMax) lines?.delete(ticket.spec.tenant);
    this.#size -= 1;
    return true;
  }

  /** The ticket that is next among those that `fits` lets through. */
  next(clock: FairClock, fits: (ticket: T) => boolean): T | undefined {
    for (const lines of this.#lines) {
      if (lines.size === 0) continue;
      const found =
        lines.size === 1 ? firstOf(lines.values().next().value, fits) : fairest(lines, clock, fits);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The rank and the order of the head, for comparing asks; undefined when empty. */
  head(clock: FairClock): T | undefined {
    return this.next(clock, () => true);
  }

  *[Symbol.iterator](): Generator<T> {
    for (const lines of this.#lines) for (const line of lines.values()) yield* line;
  }
}

function fairest<T extends Waiting>(
  lines: Map<string, T[]>,
  clock: FairClock,
  fits: (ticket: T) => boolean,
): T | undefined {
  let best: T | undefined;
  let bestMs = Infinity;
  for (const [tenant, line] of lines) {
    const usedMs = clock.usedMs(tenant);
    if (best !== undefined && usedMs > bestMs) continue;
    const ticket = firstOf(line, fits);
    if (ticket === undefined) continue;
    if (best === undefined || usedMs < bestMs || ticket.order < best.order) {
      best = ticket;
      bestMs = usedMs;
    }
  }
  return best;
}

function firstOf<T extends Waiting>(line: T[] | undefined, fits: (ticket: T) => boolean): T | undefined {
  return line?.find(fits);
}

/** A ticket that comes back for another attempt keeps its place: it is older than those behind it. */
function insertInOrder<T extends Waiting>(line: T[], ticket: T): void {
  let index = line.length;
  while (index > 0 && (line[index - 1]?.spec.arrivedAtMs ?? 0) > ticket.spec.arrivedAtMs) index -= 1;
  line.splice(index, 0, ticket);
}
