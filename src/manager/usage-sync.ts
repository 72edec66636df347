// Reads the gateways' usage journals into the store, a page at a time. Never moves on before a page is stored,
// never has two readers of one journal: the second one's pages would only be turned away.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../platform/log.ts';
import type { GatewayLink } from './gateway-link.ts';
import type { UsageStore } from './types.ts';

const lookMsDefault = 1_000;
const awayLookMs = 5_000;
/** How long an answer waits for the newest records. */
const currentMsMax = 1_000;

type Source = Pick<GatewayLink, 'name' | 'usage'>;

interface Reader {
  readonly link: Source;
  readonly stop: AbortController;
  running: Promise<void> | undefined;
  /** Begins when `running` ends; all who ask meanwhile share it. */
  next: Promise<void> | undefined;
  isAway: boolean;
}

export class UsageSync {
  private readonly store: UsageStore;
  private readonly log: Log;
  private readonly lookMs: number;
  private readonly readers = new Map<string, Reader>();
  private readonly loops = new Set<Promise<void>>();

  constructor(parts: { readonly store: UsageStore; readonly log: Log; readonly lookMs?: number }) {
    this.store = parts.store;
    this.log = parts.log;
    this.lookMs = parts.lookMs ?? lookMsDefault;
  }

  follow(link: Source): void {
    const stop = new AbortController();
    const reader: Reader = { link, stop, running: undefined, next: undefined, isAway: false };
    this.readers.set(link.name, reader);
    const loop = this.loop(reader).finally(() => this.loops.delete(loop));
    this.loops.add(loop);
  }

  unfollow(name: string): void {
    this.readers.get(name)?.stop.abort();
    this.readers.delete(name);
  }

  /** It did not answer when it was asked last. */
  isAway(name: string): boolean {
    return this.readers.get(name)?.isAway ?? false;
  }

  /** What was served before this call is in the store, as far as gateways answer in time. Never fails. */
  async current(): Promise<void> {
    const answering = [...this.readers.values()].filter(reader => !reader.isAway);
    const limit = new AbortController();
    const { signal } = limit;
    const late = sleep(currentMsMax, undefined, { signal, ref: false }).catch(() => undefined);
    await Promise.race([Promise.all(answering.map(reader => this.fresh(reader))), late]);
    limit.abort();
  }

  async close(): Promise<void> {
    for (const { stop } of this.readers.values()) stop.abort();
    await Promise.all(this.loops);
  }

  private async loop(reader: Reader): Promise<void> {
    const { signal } = reader.stop;
    while (!signal.aborted) {
      await this.fresh(reader);
      const ms = reader.isAway ? awayLookMs : this.lookMs;
      await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
    }
    await reader.next;
    await reader.running;
  }

  /** A read that begins after this call. */
  private fresh(reader: Reader): Promise<void> {
    if (reader.next !== undefined) return reader.next;
    if (reader.running === undefined) return this.begin(reader);
    reader.next = reader.running.then(() => {
      reader.next = undefined;
      return this.begin(reader);
    });
    return reader.next;
  }

  private begin(reader: Reader): Promise<void> {
    const running = this.look(reader).finally(() => {
      reader.running = undefined;
    });
    reader.running = running;
    return running;
  }

  private async look(reader: Reader): Promise<void> {
    const { link, isAway: wasAway } = reader;
    try {
      await this.readAll(reader);
      reader.isAway = false;
    } catch (error) {
      reader.isAway = true;
      if (wasAway || reader.stop.signal.aborted) return;
      this.log.warn({ gateway: link.name, error: (error as Error).message }, 'usage is not read');
    }
  }

  /** Up to the end of the journal. */
  private async readAll({ link, stop }: Reader): Promise<void> {
    while (!stop.signal.aborted) {
      const after = await this.store.place(link.name);
      const page = await link.usage(after);
      if (page.lost)
        this.log.warn({ gateway: link.name }, 'journal records were dropped before they were read');
      const isRead = page.records.length === 0 || (await this.store.apply(link.name, page, after));
      if (isRead && !page.more) return;
    }
  }
}
