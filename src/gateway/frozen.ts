// Tells a frozen backend from a slow one: while a request awaits its first byte there, asks it for its version every two seconds.
// Never probes for requests younger than one interval, so quick answers cost nothing. Three silences in a row = frozen (design.md §5.5).
import { HttpFailure } from '../platform/http-failure.ts';
import type { GatewayContext } from './context.ts';
import { Roster } from './roster.ts';
import type { Seated } from './roster.ts';

/** A request that awaits its first byte. */
export interface Waiting extends Seated {
  readonly sentAtMs: number;
  onFrozen(): void;
}

const probeMs = 2_000;
const silencesMax = 3;
const answerBytesMax = 64 * 1024;

export class FrozenWatch {
  private readonly waiting = new Map<string, Roster<Waiting>>();
  private readonly silences = new Map<string, number>();
  private readonly probing = new Set<string>();
  private readonly intervalMs: number;
  private timer: NodeJS.Timeout | undefined;

  constructor(intervalMs = probeMs) {
    this.intervalMs = intervalMs;
  }

  start(context: GatewayContext): void {
    this.timer = setInterval(() => this.round(context), this.intervalMs);
    this.timer.unref();
  }

  close(): void {
    clearInterval(this.timer);
    this.waiting.clear();
  }

  add(backend: string, request: Waiting): void {
    let known = this.waiting.get(backend);
    if (known === undefined) {
      known = new Roster();
      this.waiting.set(backend, known);
    }
    known.add(request);
  }

  delete(backend: string, request: Waiting): void {
    this.waiting.get(backend)?.delete(request);
  }

  private round(context: GatewayContext): void {
    const oldMs = context.clock.nowMs() - this.intervalMs;
    for (const [backend, requests] of this.waiting) {
      if (requests.size === 0) {
        this.waiting.delete(backend);
        this.silences.delete(backend);
      } else if (!this.probing.has(backend) && requests.all().some(request => request.sentAtMs <= oldMs)) {
        void this.probe(context, backend);
      }
    }
  }

  private async probe(context: GatewayContext, backend: string): Promise<void> {
    const target = context.upstream.get(backend);
    if (target === undefined) return;
    this.probing.add(backend);
    const silent = await context.http
      .ask(target.spec, {
        method: 'GET',
        path: '/api/version',
        headers: { 'x-bigo-hop': context.instanceId },
        bytesMax: answerBytesMax,
        timeMsMax: this.intervalMs,
      })
      // Any answer is a sign of life, a refusal too: then the requests there fail by themselves.
      .then(
        () => false,
        (error: unknown) => error instanceof HttpFailure && error.kind === 'silent',
      );
    this.probing.delete(backend);
    const silences = silent ? (this.silences.get(backend) ?? 0) + 1 : 0;
    this.silences.set(backend, silences);
    if (silences >= silencesMax) this.giveUp(context, backend);
  }

  private giveUp(context: GatewayContext, backend: string): void {
    const requests = this.waiting.get(backend)?.all() ?? [];
    this.waiting.delete(backend);
    this.silences.delete(backend);
    context.metrics.frozen.with(backend).value += 1;
    context.log.warn({ backend, requests: requests.length }, 'backend is frozen');
    for (const request of requests) request.onFrozen();
    context.fleet.noteDown(backend, 'it keeps silent on every question');
  }
}
