// The fleet as server-sent events: one event with the whole view, then one per change, at most five a second.
// Never queues for a slow reader: what it missed is in the next event.
import type { ServerResponse } from 'node:http';
import type { GatewayContext } from './context.ts';
import { fleetView } from './fleet-view.ts';

const eventMsMin = 200;
/** Tickets come and go without a change of the snapshot, so the view is looked at this often. */
const lookMs = 200;
const commentMs = 15_000;
const subscribersMax = 64;

export class FleetEvents {
  private readonly context: GatewayContext;
  private readonly subscribers = new Set<ServerResponse>();
  private timer: NodeJS.Timeout | undefined;
  private last = '';
  private sentAtMs = 0;
  private pushedAtMs = 0;

  constructor(context: GatewayContext) {
    this.context = context;
  }

  subscribe(res: ServerResponse): void {
    if (this.subscribers.size >= subscribersMax) {
      res.writeHead(503, { 'retry-after': '5' }).end();
      return;
    }
    res.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    this.subscribers.add(res);
    res.on('close', () => this.leave(res));
    res.write(eventOf(JSON.stringify(fleetView(this.context))));
    this.timer ??= setInterval(() => this.look(), lookMs).unref();
  }

  changed(): void {
    if (this.subscribers.size > 0) this.look();
  }

  close(): void {
    clearInterval(this.timer);
    for (const res of this.subscribers) res.end();
    this.subscribers.clear();
  }

  private leave(res: ServerResponse): void {
    this.subscribers.delete(res);
    if (this.subscribers.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private look(): void {
    const nowMs = this.context.now();
    if (nowMs - this.pushedAtMs < eventMsMin) return;
    const view = fleetView(this.context);
    const text = JSON.stringify(view, withoutAges);
    if (text === this.last) {
      if (nowMs - this.sentAtMs > commentMs) this.push(': still here\n\n', nowMs);
      return;
    }
    this.last = text;
    this.push(eventOf(JSON.stringify(view)), nowMs);
  }

  private push(event: string, nowMs: number): void {
    this.pushedAtMs = nowMs;
    this.sentAtMs = nowMs;
    for (const res of this.subscribers) if (!res.writableNeedDrain) res.write(event);
  }
}

/** These grow by themselves: that is no change. */
const AGES = new Set(['at', 'stateForMs', 'ageMs']);

function withoutAges(key: string, value: unknown): unknown {
  return AGES.has(key) ? undefined : value;
}

function eventOf(json: string): string {
  return `event: fleet\ndata: ${json}\n\n`;
}
