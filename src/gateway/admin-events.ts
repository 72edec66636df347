// The fleet as server-sent events: one event with the whole view, then one per change, at most five a second.
// Never looks while nobody reads.
import type { ServerResponse } from 'node:http';
import { EventStreams, eventOf } from '../platform/event-streams.ts';
import type { GatewayContext } from './context.ts';
import { fleetView } from './fleet-view.ts';

const eventMsMin = 200;
/** Tickets come and go without a change of the snapshot, so the view is looked at this often. */
const lookMs = 200;
const commentMs = 15_000;

export class FleetEvents {
  private readonly context: GatewayContext;
  private readonly streams = new EventStreams(() => this.rest());
  private timer: NodeJS.Timeout | undefined;
  private last = '';
  private sentAtMs = 0;
  private pushedAtMs = 0;

  constructor(context: GatewayContext) {
    this.context = context;
  }

  subscribe(res: ServerResponse): void {
    if (!this.streams.admit(res)) return;
    res.write(eventOf('fleet', JSON.stringify(fleetView(this.context))));
    this.timer ??= setInterval(() => this.look(), lookMs).unref();
  }

  changed(): void {
    if (this.streams.size > 0) this.look();
  }

  close(): void {
    this.rest();
    this.streams.close();
  }

  private rest(): void {
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
    this.push(eventOf('fleet', JSON.stringify(view)), nowMs);
  }

  private push(event: string, nowMs: number): void {
    this.pushedAtMs = nowMs;
    this.sentAtMs = nowMs;
    this.streams.send(event);
  }
}

/** These grow by themselves: that is no change. */
const AGES = new Set(['at', 'stateForMs', 'ageMs']);

function withoutAges(key: string, value: unknown): unknown {
  return AGES.has(key) ? undefined : value;
}
