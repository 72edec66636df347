// Reads the gateways' usage journals into the store, a page at a time. Never moves on before a page is stored.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../platform/log.ts';
import type { GatewayLink } from './gateway-link.ts';
import type { UsageStore } from './types.ts';

const lookMs = 1_000;
const awayLookMs = 5_000;

export class UsageSync {
  private readonly store: UsageStore;
  private readonly log: Log;
  private readonly stop = new AbortController();
  private readonly loops: Promise<void>[] = [];

  constructor(store: UsageStore, log: Log) {
    this.store = store;
    this.log = log;
  }

  follow(link: GatewayLink): void {
    this.loops.push(this.loop(link));
  }

  async close(): Promise<void> {
    this.stop.abort();
    await Promise.all(this.loops);
  }

  private async loop(link: GatewayLink): Promise<void> {
    const { signal } = this.stop;
    let wasAway = false;
    while (!signal.aborted) {
      const isAway = await this.readAll(link).then(
        () => false,
        (error: Error) => {
          if (!wasAway) this.log.warn({ gateway: link.name, error: error.message }, 'usage is not read');
          return true;
        },
      );
      wasAway = isAway;
      await sleep(isAway ? awayLookMs : lookMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Up to the end of the journal. */
  async readAll(link: GatewayLink): Promise<void> {
    for (;;) {
      const page = await link.usage(await this.store.place(link.name));
      if (page.lost)
        this.log.warn({ gateway: link.name }, 'journal records were dropped before they were read');
      if (page.records.length > 0) await this.store.apply(link.name, page);
      if (!page.more || this.stop.signal.aborted) return;
    }
  }
}
