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
/** A thousand fleets must not cost more than they are worth: so many questions a second, once all is settled. */
const settledMsEach = 400;
/** Agents that are settled are asked together each so often: a question by itself costs five times as much as one among others. */
const gatherMs = 5_000;
const atOnceMax = 16;
const answerMsMax = 3_000;
const answerBytesMax = 1024 * 1024;
const failuresMax = 4;

interface Asked {
  target: AgentTarget;
  readonly resource: string;
  dueAtMs: number;
  failures: number;
  isRunning: boolean;
  shown: string;
  view: AgentView;
}

export class AgentPoller {
  private readonly options: AgentPollerOptions;
  private readonly intervals: AgentIntervals;
  /** By pod uid. */
  private readonly asked = new Map<string, Asked>();
  private readonly byResource = new Map<string, readonly AgentTarget[]>();
  private running = 0;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  constructor(options: AgentPollerOptions) {
    this.options = options;
    this.intervals = { ...INTERVALS, ...options.intervals };
  }

  /** The pods that a resource has now; the others are forgotten. */
  follow(resource: string, targets: readonly AgentTarget[]): void {
    const uids = new Set(targets.map(({ uid }) => uid));
    for (const { uid } of this.byResource.get(resource) ?? []) if (!uids.has(uid)) this.asked.delete(uid);
    if (targets.length === 0) this.byResource.delete(resource);
    else this.byResource.set(resource, targets);
    for (const target of targets) this.add(resource, target);
    this.pump();
  }

  /** By name of the pod. */
  views(resource: string): Map<string, AgentView> {
    const targets = this.byResource.get(resource) ?? [];
    return new Map(targets.map(({ pod, uid }) => [pod, this.asked.get(uid)?.view ?? { isAsked: false }]));
  }

  private get settledMs(): number {
    return Math.max(this.intervals.settledMs, this.asked.size * settledMsEach);
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  private add(resource: string, target: AgentTarget): void {
    const known = this.asked.get(target.uid);
    const dueAtMs = this.options.clock.nowMs();
    if (known?.target.url === target.url) {
      if (known.target.version !== target.version) known.dueAtMs = Math.min(known.dueAtMs, dueAtMs);
      known.target = target;
      return;
    }
    const fresh = { dueAtMs, failures: 0, isRunning: false, shown: '', view: { isAsked: false } as const };
    this.asked.set(target.uid, { target, resource, ...fresh });
  }

  private pump(): void {
    clearTimeout(this.timer);
    if (this.isStopped) return;
    const nowMs = this.options.clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const asked of this.asked.values()) {
      if (asked.isRunning) continue;
      if (asked.dueAtMs > nowMs) nextMs = Math.min(nextMs, asked.dueAtMs);
      else if (this.running < atOnceMax) void this.ask(asked);
    }
    if (this.running >= atOnceMax || nextMs === Number.POSITIVE_INFINITY) return;
    this.timer = setTimeout(() => this.pump(), Math.max(nextMs - nowMs, 50)).unref();
  }

  private async ask(asked: Asked): Promise<void> {
    this.running += 1;
    asked.isRunning = true;
    const { version } = asked.target;
    try {
      const status = await this.fetch(asked.target);
      asked.failures = 0;
      this.show(asked, { status }, shownOf(status));
      if (isBusy(status)) this.plan(asked, this.intervals.busyMs);
      else this.planTogether(asked);
    } catch (error) {
      asked.failures = Math.min(asked.failures + 1, failuresMax);
      // One silence may be a hiccup: what it said before still stands.
      if (asked.failures > 1 || !('status' in asked.view)) {
        const unreachable = error instanceof Error ? error.message : String(error);
        this.show(asked, { unreachable }, 'unreachable');
      }
      this.plan(asked, Math.min(this.intervals.busyMs * 2 ** (asked.failures - 1), this.settledMs));
    }
    // The pod changed meanwhile: what was answered may be from before.
    if (asked.target.version !== version) asked.dueAtMs = this.options.clock.nowMs();
    asked.isRunning = false;
    this.running -= 1;
    this.pump();
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
    if (this.asked.get(asked.target.uid) === asked) this.options.onChange(asked.resource);
  }

  private planTogether(asked: Asked): void {
    this.plan(asked, this.settledMs);
    asked.dueAtMs = Math.ceil(asked.dueAtMs / gatherMs) * gatherMs;
  }

  private plan(asked: Asked, intervalMs: number): void {
    asked.dueAtMs = this.options.clock.nowMs() + intervalMs * (0.9 + 0.2 * this.options.rng());
  }
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
