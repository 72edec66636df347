// What open pages see change: fleets, figures, ended requests, pulls, as server-sent events. Looks only while somebody looks.
// Never keeps what it saw when nobody looks any more.
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventStreams, eventOf as jsonEvent } from '../platform/event-streams.ts';
import { statsOf } from './core/stats.ts';
import type { Fleet, RequestRow } from './core/wire.ts';
import type { GatewayLink } from './gateway-link.ts';
import type { Pulls } from './pulls.ts';

const statsMs = 1_000;
const pullsMsMin = 200;
const commentMs = 10_000;
const windowMs = 10_000;
const againMs = 1_000;
const rowsMax = 1_000;
const firstEventsMsMax = 3_000;

export type Sight = { readonly fleet: Fleet | undefined; readonly error: string };

export class Live {
  private readonly pulls: Pulls;
  private readonly streams = new EventStreams(() => this.unfollow());
  private links: readonly GatewayLink[] = [];
  private readonly sights = new Map<string, Sight>();
  private readonly seen = new Map<string, ReadonlySet<string>>();
  private following: AbortController | undefined;
  private pullTimer: NodeJS.Timeout | undefined;

  constructor(pulls: Pulls) {
    this.pulls = pulls;
    pulls.onChange = () => this.pullsChanged();
  }

  use(links: readonly GatewayLink[]): void {
    this.links = links;
    this.send(this.gatewaysEvent());
    if (this.following === undefined) return;
    this.unfollow();
    this.follow();
  }

  async subscribe(res: ServerResponse): Promise<void> {
    if (!this.streams.admit(res)) return;
    res.write(this.gatewaysEvent());
    if (this.following === undefined) this.follow();
    else for (const link of this.links) res.write(this.fleetEvent(link));
    res.write(eventOf('pulls', { pulls: await this.pulls.list().catch(() => []) }));
    for (const link of this.links) {
      const rows = await Promise.race([
        link.requests(rowsMax).catch(() => []),
        sleep(firstEventsMsMax, [] as RequestRow[], { ref: false }),
      ]);
      if (!res.destroyed) res.write(eventOf('requests', { gateway: link.name, rows, whole: true }));
    }
  }

  close(): void {
    clearTimeout(this.pullTimer);
    this.unfollow();
    this.streams.close();
  }

  private follow(): void {
    this.following = new AbortController();
    const { signal } = this.following;
    for (const link of this.links) {
      void this.followFleet(link, signal);
      void this.followRequests(link, signal);
    }
    void this.comments(signal);
  }

  private unfollow(): void {
    this.following?.abort();
    this.following = undefined;
    this.sights.clear();
    this.seen.clear();
  }

  private async followFleet(link: GatewayLink, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const fleet of link.fleets(signal)) this.saw(link, { fleet, error: '' });
        this.saw(link, { fleet: undefined, error: `The gateway ${link.name} ended the connection.` });
      } catch (error) {
        if (!signal.aborted) this.saw(link, { fleet: undefined, error: (error as Error).message });
      }
      await pause(againMs, signal);
    }
  }

  private saw(link: GatewayLink, sight: Sight): void {
    if (this.following === undefined) return;
    this.sights.set(link.name, sight);
    this.send(this.fleetEvent(link));
  }

  private async followRequests(link: GatewayLink, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await link.requests(rowsMax).then(
        rows => this.sawRequests(link, rows),
        () => undefined,
      );
      await pause(statsMs, signal);
    }
  }

  private sawRequests(link: GatewayLink, rows: readonly RequestRow[]): void {
    const before = this.seen.get(link.name);
    this.seen.set(link.name, new Set(rows.map(row => row.id)));
    const added = before === undefined ? [] : rows.filter(row => !before.has(row.id));
    if (added.length > 0) this.send(eventOf('requests', { gateway: link.name, rows: added, whole: false }));
    this.send(eventOf('stats', { gateway: link.name, ...statsOf(rows, Date.now(), windowMs) }));
  }

  private async comments(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.send(': still here\n\n');
      await pause(commentMs, signal);
    }
  }

  private pullsChanged(): void {
    if (this.streams.size === 0) return;
    this.pullTimer ??= setTimeout(() => {
      this.pullTimer = undefined;
      void this.pulls.list().then(
        pulls => this.send(eventOf('pulls', { pulls })),
        () => undefined,
      );
    }, pullsMsMin);
  }

  private fleetEvent(link: GatewayLink): string {
    const { fleet, error } = this.sights.get(link.name) ?? { fleet: undefined, error: '' };
    const { name, fleetName, address } = link;
    return eventOf('fleet', { gateway: name, fleetName, url: address.url, error, fleet: fleet ?? null });
  }

  /** So that a page forgets those that are gone. */
  private gatewaysEvent(): string {
    return eventOf('gateways', { names: this.links.map(({ name }) => name) });
  }

  private send(event: string): void {
    this.streams.send(event);
  }
}

function eventOf(name: string, value: object): string {
  return jsonEvent(name, JSON.stringify(value));
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
