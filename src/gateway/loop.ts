// Owns the scheduler: feeds it events one at a time, performs its effects, wakes it when it asks to be woken.
// Never decides anything, never touches bytes.
import type { Clock } from '../platform/clock.ts';
import type { Effect, SchedulerEvent, TicketSpec } from './core/scheduler/messages.ts';
import { Registry } from './core/scheduler/registry.ts';

export type DispatchEffect = Extract<Effect, { type: 'dispatch' }>;
export type RejectEffect = Extract<Effect, { type: 'reject' }>;
export type LoadEffect = Extract<Effect, { type: 'load' }>;
export type UnloadEffect = Extract<Effect, { type: 'unload' }>;
export type CancelLoadEffect = Extract<Effect, { type: 'cancel_load' }>;

/** The request behind a ticket. */
export interface TicketOwner {
  onDispatch(effect: DispatchEffect): void;
  onReject(effect: RejectEffect): void;
}

export interface LoadPerformer {
  load(effect: LoadEffect): void;
  unload(effect: UnloadEffect): void;
  cancelLoad(effect: CancelLoadEffect): void;
}

export interface SchedulerPort<View> {
  on(event: SchedulerEvent, nowMs: number): readonly Effect[];
  /** Monotonic time for a tick; undefined = nothing changes by itself. */
  nextWakeMs(): number | undefined;
  view(nowMs: number): View;
}

const timerMsMax = 60_000;

export class Loop<View = unknown> {
  private readonly scheduler: SchedulerPort<View>;
  private readonly clock: Clock;
  private readonly loads: LoadPerformer;
  private readonly owners = new Registry<TicketOwner>();
  private readonly events: SchedulerEvent[] = [];
  private feeding = false;
  private timer: NodeJS.Timeout | undefined;
  private wakeAtMs = Infinity;
  private closed = false;

  constructor(parts: { scheduler: SchedulerPort<View>; clock: Clock; loads: LoadPerformer }) {
    this.scheduler = parts.scheduler;
    this.clock = parts.clock;
    this.loads = parts.loads;
  }

  arrive(owner: TicketOwner, ticket: TicketSpec): void {
    this.owners.set(ticket.id, owner);
    // A ticket made just now has not waited: the scheduler tells by equal times.
    if (ticket.tried.length === 0) this.feed({ type: 'arrive', ticket }, ticket.arrivedAtMs);
    else this.feed({ type: 'arrive', ticket });
  }

  /** The ticket has ended for the scheduler; a later attempt arrives anew. */
  end(event: Extract<SchedulerEvent, { type: 'done' | 'cancel' }>): void {
    this.owners.delete(event.id);
    this.feed(event);
  }

  /** An effect may raise an event at once; it then waits its turn here, so that the scheduler is never entered twice. */
  feed(event: SchedulerEvent, nowMs: number = this.clock.nowMs()): void {
    if (this.closed) return;
    if (this.feeding) {
      this.events.push(event);
      return;
    }
    this.feeding = true;
    try {
      for (const effect of this.scheduler.on(event, nowMs)) this.perform(effect);
      for (let next = this.events.shift(); next !== undefined; next = this.events.shift()) {
        for (const effect of this.scheduler.on(next, this.clock.nowMs())) this.perform(effect);
      }
    } finally {
      this.feeding = false;
    }
    this.arm();
  }

  view(): View {
    return this.scheduler.view(this.clock.nowMs());
  }

  /** Tickets that the shell still owes an end. */
  get tickets(): number {
    return this.owners.size;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.owners.clear();
  }

  private perform(effect: Effect): void {
    switch (effect.type) {
      case 'dispatch':
        this.dispatch(effect);
        return;
      case 'reject': {
        const owner = this.owners.get(effect.id);
        this.owners.delete(effect.id);
        owner?.onReject(effect);
        return;
      }
      case 'load':
        this.loads.load(effect);
        return;
      case 'unload':
        this.loads.unload(effect);
        return;
      case 'cancel_load':
        this.loads.cancelLoad(effect);
        return;
      default:
        effect satisfies never;
    }
  }

  private dispatch(effect: DispatchEffect): void {
    const owner = this.owners.get(effect.id);
    // A grant for a ticket that has just ended still holds a slot: give it back.
    if (owner === undefined) this.events.push({ type: 'done', id: effect.id, outcome: 'aborted' });
    else owner.onDispatch(effect);
  }

  /** An earlier timer is left alone: it fires, finds nothing due, and is armed again; so most events arm nothing. */
  private arm(): void {
    const wakeAtMs = this.scheduler.nextWakeMs() ?? Infinity;
    if (this.timer !== undefined && this.wakeAtMs <= wakeAtMs) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    if (wakeAtMs === Infinity) return;
    this.wakeAtMs = wakeAtMs;
    const delayMs = Math.min(timerMsMax, Math.max(1, Math.ceil(wakeAtMs - this.clock.nowMs())));
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.feed({ type: 'tick' });
    }, delayMs);
    this.timer.unref();
  }
}
