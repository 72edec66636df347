// Holds the Lease, so that one operator acts. Ends the moment it can no longer be sure.
// Never promises that no other one acts: writes must bear two leaders for a few seconds.
import type { KubeObject } from '../api/kube-object.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import { kubeCode } from '../platform/kube/kube-error.ts';
import { pause } from '../platform/backoff.ts';
import {
  LEASE_TIMES,
  leaseMove,
  type LeaseSpec,
  type LeaseTimes,
  nextSpec,
  retryDelayMs,
  type SeenLease,
  seeLease,
} from './core/lease.ts';
import { LEASE } from './kinds.ts';

export interface LeaseOptions {
  /** Its requests must end well before the renew deadline. */
  readonly client: Pick<KubeClient, 'get' | 'create' | 'replace'>;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly clock: Clock;
  readonly rng: () => number;
  readonly log: Log;
  readonly times?: LeaseTimes;
}

export class LeaderLease {
  private readonly options: LeaseOptions;
  private readonly times: LeaseTimes;
  private seen: SeenLease | undefined;
  private renewedAtMs = Number.NEGATIVE_INFINITY;
  private isHeld = false;

  constructor(options: LeaseOptions) {
    this.options = options;
    this.times = options.times ?? LEASE_TIMES;
  }

  /** Also false for a leader that was frozen and has not noticed yet. */
  get isLeader(): boolean {
    return this.isHeld && this.options.clock.nowMs() - this.renewedAtMs < this.times.renewDeadlineMs;
  }

  /** Resolves when the lease is ours, or when `signal` ends. */
  async acquire(signal: AbortSignal): Promise<void> {
    const { rng, log, identity } = this.options;
    while (!signal.aborted) {
      const isOurs = await this.tryOnce().catch((error: unknown) => {
        log.warn({ error: String(error) }, 'the lease could not be read or written');
        return false;
      });
      if (isOurs) {
        this.isHeld = true;
        log.info({ identity }, 'leading');
        return;
      }
      await pause(retryDelayMs(this.times, rng), signal);
    }
  }

  /** Resolves with true when the lease is lost, with false when `signal` ends. */
  async hold(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      await pause(this.times.retryMs, signal);
      if (signal.aborted) return false;
      // A frozen process wakes up here: by then somebody else may lead.
      if (!this.isLeader) break;
      const isOurs = await this.tryOnce().catch((error: unknown) => {
        this.options.log.warn({ error: String(error) }, 'the lease was not renewed');
        return undefined;
      });
      if (isOurs === false || !this.isLeader) break;
    }
    if (signal.aborted) return false;
    this.isHeld = false;
    this.options.log.error({ identity: this.options.identity }, 'the lease is lost');
    return true;
  }

  /** Lets the next one begin at once. */
  async release(): Promise<void> {
    const { seen } = this;
    if (!this.isLeader || seen === undefined) return;
    this.isHeld = false;
    const spec: LeaseSpec = {
      ...seen.spec,
      holderIdentity: '',
      leaseDurationSeconds: 1,
      renewTime: this.now(),
    };
    await this.write(spec, seen).catch(() => {});
  }

  private async tryOnce(): Promise<boolean> {
    const { clock, identity } = this.options;
    const startedAtMs = clock.nowMs();
    await this.look();
    const move = leaseMove(this.seen, { identity, nowMs: clock.nowMs(), times: this.times });
    if (move === 'wait') return false;
    const spec = nextSpec(move, this.seen, { identity, wallIso: this.now(), times: this.times });
    try {
      await this.write(spec, this.seen);
    } catch (error) {
      // Somebody was faster.
      if (kubeCode(error) === 409) return false;
      throw error;
    }
    // From before the request: the others count from when they see it, which is later.
    this.renewedAtMs = startedAtMs;
    return true;
  }

  private async look(): Promise<void> {
    const { client, namespace, name, clock } = this.options;
    try {
      const lease = await client.get({ kind: LEASE, namespace, name });
      this.seen = seeLease(this.seen, seenVersion(lease), clock.nowMs());
    } catch (error) {
      if (kubeCode(error) !== 404) throw error;
      this.seen = undefined;
    }
  }

  private async write(spec: LeaseSpec, over: SeenLease | undefined): Promise<void> {
    const { client, namespace, name, clock } = this.options;
    const metadata = {
      name,
      namespace,
      ...(over === undefined ? {} : { resourceVersion: over.resourceVersion }),
    };
    const lease: KubeObject = { apiVersion: LEASE.apiVersion, kind: LEASE.kind, metadata, spec };
    const written = await (over === undefined ? client.create(LEASE, lease) : client.replace(LEASE, lease));
    this.seen = seeLease(this.seen, seenVersion(written), clock.nowMs());
  }

  /** MicroTime: six digits after the point. */
  private now(): string {
    return this.options.clock.wallIso().replace('Z', '000Z');
  }
}

function seenVersion(lease: KubeObject): { resourceVersion: string; spec: LeaseSpec } {
  return { resourceVersion: lease.metadata.resourceVersion ?? '', spec: lease['spec'] ?? {} };
}
