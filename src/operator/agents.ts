// Asks the agents of Ollama pods for their status, a few at a time, often while something changes and seldom after.
// Never blocks a pass: passes read the last answer.
import type { AgentStatus } from '../api/agent-status.ts';
import type { Clock } from '../platform/clock.ts';
import type { HttpClient } from '../platform/http.ts';
import type { AgentView } from './core/status/observed.ts';

export interface AgentTarget {
  readonly pod: string;
  readonly uid: string;
  readonly url: string;
  /** Changes with whatever its node says of it: then the agent may have news too. */
  readonly version?: string;
}

export interface AgentPollerOptions {
  readonly http: Pick<HttpClient, 'ask'>;
  readonly clock: Clock;
  readonly rng: () => number;
  readonly userAgent: string;
  /** What an agent says has changed in a way that a status shows. */
  readonly onChange: (resource: string) => void;
  readonly intervals?: Partial<AgentIntervals>;
}

export interface AgentIntervals {
  /** While it pulls, or does not answer yet. */
  readonly busyMs: number;
  readonly settledMs: number;
}

const INTERVALS: AgentIntervals = { busyMs: 5_000, settledMs: 60_000 };
/** A thousand fleets must not cost more than they are worth: one question in this time to those that are settled. */
const settledMsEach = 400;
/** They are asked together each so often: a question by itself costs five times as much as one among others. */
const gatherMs = 10_000;
const atOnceMax = 16;
const waitMsMin = 50;
const answerMsMax = 3_000;
const answerBytesMax = 1024 * 1024;
const failuresMax = 4;

interface Asked {
  target: AgentTarget;
  readonly resource: string;
  dueAtMs: number;
  failures: number;
  shown: string;
  view: AgentView;
}

export class AgentPoller {
  private readonly options: AgentPollerOptions;
  private readonly intervals: AgentIntervals;
  /** By pod uid. */
  private readonly asked = new Map<string, Asked>();
  private readonly byResource = new Map<string, readonly AgentTarget[]>();
  /** Due, in the order in which they became so; as many as there are pods. */
  private readonly due = new Set<Asked>();
  private readonly running = new Set<Asked>();
  private timer: NodeJS.Timeout | undefined;
  private wakesAtMs = Number.POSITIVE_INFINITY;
  private lastTurnMs = 0;
  private isStopped = false;

  constructor(options: AgentPollerOptions) {
    this.options = options;
    this.intervals = { ...INTERVALS, ...options.intervals };
  }

  /** The pods that a resource has now; the others are forgotten. */
  follow(resource: string, targets: readonly AgentTarget[]): void {
    const uids = new Set(targets.map(({ uid }) => uid));
    for (const { uid } of this.byResource.get(resource) ?? []) if (!uids.has(uid)) this.forget(uid);
    if (targets.length === 0) this.byResource.delete(resource);
    else this.byResource.set(resource, targets);
    for (const target of targets) this.add(resource, target);
    this.askDue();
  }

  /** By name of the pod. */
  views(resource: string): Map<string, AgentView> {
    const targets = this.byResource.get(resource) ?? [];
    return new Map(targets.map(({ pod, uid }) => [pod, this.asked.get(uid)?.view ?? { isAsked: false }]));
  }

  /** In which each of those that are settled has its turn. */
  private get roundMs(): number {
    return Math.max(this.intervals.settledMs, this.asked.size * settledMsEach);
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  private forget(uid: string): void {
    const known = this.asked.get(uid);
    if (known !== undefined) this.due.delete(known);
    this.asked.delete(uid);
  }

  private add(resource: string, target: AgentTarget): void {
    const known = this.asked.get(target.uid);
    if (known?.target.url === target.url) {
      const isNews = known.target.version !== target.version;
      known.target = target;
      if (isNews && !this.running.has(known)) this.due.add(known);
      return;
    }
    this.forget(target.uid);
    const dueAtMs = this.options.clock.nowMs();
    const fresh = { target, resource, dueAtMs, failures: 0, shown: '', view: { isAsked: false } as const };
    this.asked.set(target.uid, fresh);
    this.due.add(fresh);
  }

  private askDue(): void {
    for (const asked of this.due) {
      if (this.isStopped || this.running.size >= atOnceMax) return;
      this.due.delete(asked);
      void this.ask(asked);
    }
  }

  /** Looks at all of them, so it is done once for many: see gatherMs. */
  private wake(): void {
    this.wakesAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.options.clock.nowMs();
    for (const asked of this.asked.values()) {
      if (this.running.has(asked) || this.due.has(asked)) continue;
      if (asked.dueAtMs <= nowMs) this.due.add(asked);
      else this.wakeAt(asked.dueAtMs);
    }
    this.askDue();
  }

  private wakeAt(atMs: number): void {
    if (this.isStopped || atMs >= this.wakesAtMs) return;
    clearTimeout(this.timer);
    this.wakesAtMs = atMs;
    const waitMs = Math.max(atMs - this.options.clock.nowMs(), waitMsMin);
    this.timer = setTimeout(() => this.wake(), waitMs).unref();
  }

  private async ask(asked: Asked): Promise<void> {
    this.running.add(asked);
    const { version } = asked.target;
    try {
      const status = await this.fetch(asked.target);
      asked.failures = 0;
      this.show(asked, { status }, shownOf(status));
      if (isBusy(status)) this.plan(asked, this.intervals.busyMs);
      else this.planTurn(asked);
    } catch (error) {
      asked.failures = Math.min(asked.failures + 1, failuresMax);
      // One silence may be a hiccup: what it said before still stands.
      if (asked.failures > 1 || !('status' in asked.view)) {
        const unreachable = error instanceof Error ? error.message : String(error);
        this.show(asked, { unreachable }, 'unreachable');
      }
      this.plan(asked, Math.min(this.intervals.busyMs * 2 ** (asked.failures - 1), this.roundMs));
    }
    this.running.delete(asked);
    if (this.isCurrent(asked)) {
      // The pod changed meanwhile: what was answered may be from before.
      if (asked.target.version !== version) this.due.add(asked);
      else this.wakeAt(asked.dueAtMs);
    }
    this.askDue();
  }

  private isCurrent(asked: Asked): boolean {
    return this.asked.get(asked.target.uid) === asked;
  }

  private async fetch({ url }: AgentTarget): Promise<AgentStatus> {
    const answer = await this.options.http.ask(
      { url },
      {
        method: 'GET',
        path: '/status',
        headers: { 'user-agent': this.options.userAgent },
        bytesMax: answerBytesMax,
        timeMsMax: answerMsMax,
      },
    );
    if (answer.status !== 200) throw new Error(`the agent answered ${answer.status}`);
    const status = JSON.parse(answer.body.toString('utf8')) as AgentStatus;
    if (!Array.isArray(status.models)) throw new Error('the agent answered something else');
    return status;
  }

  private show(asked: Asked, view: AgentView, shown: string): void {
    asked.view = view;
    if (asked.shown === shown) return;
    asked.shown = shown;
    if (this.isCurrent(asked)) this.options.onChange(asked.resource);
  }

  private planTurn(asked: Asked): void {
    const { settledMs } = this.intervals;
    const nowMs = this.options.clock.nowMs();
    this.lastTurnMs = nextTurnMs(this.lastTurnMs, { nowMs, settledMs, roundMs: this.roundMs });
    asked.dueAtMs = Math.ceil(this.lastTurnMs / gatherMs) * gatherMs;
  }

  private plan(asked: Asked, intervalMs: number): void {
    asked.dueAtMs = this.options.clock.nowMs() + intervalMs * (0.9 + 0.2 * this.options.rng());
  }
}

/** Those that are settled have their turns one after the other, also when thousands became so at once; none waits for longer than a round. */
export function nextTurnMs(
  lastTurnMs: number,
  { nowMs, settledMs, roundMs }: { nowMs: number; settledMs: number; roundMs: number },
): number {
  return Math.min(Math.max(lastTurnMs + settledMsEach, nowMs + settledMs), nowMs + roundMs);
}

function isBusy({ settled, models }: AgentStatus): boolean {
  return (
    !settled || models.some(({ declared, state }) => declared && state !== 'present' && state !== 'failed')
  );
}

/** What a status shows of it; bytes that only grow are left out. */
function shownOf({ models, ready, settled }: AgentStatus): string {
  const rows = models.map(({ name, declared, state, percent, digest, message, reason }) => {
    return [name, declared, state, Math.floor(percent ?? -1), digest, message, reason];
  });
  return JSON.stringify([ready, settled, rows]);
}
