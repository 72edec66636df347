// Writes Events (events.k8s.io/v1): a first one, then its series. Never fails a pass, and never writes the same one twice a minute.
import { createHash } from 'node:crypto';
import type { KubeObject } from '../api/kube-object.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import type { EventWish } from './core/events.ts';
import { FIELD_MANAGER } from './core/plan.ts';
import { EVENT } from './kinds.ts';

export interface EventOptions {
  readonly client: Pick<KubeClient, 'create' | 'merge'>;
  readonly clock: Clock;
  readonly identity: string;
  /** An Event is a write too: none without the lease. */
  readonly lease: { readonly isLeader: boolean };
  readonly log: Log;
  readonly onEvent?: () => void;
}

interface Written {
  readonly name: string;
  readonly namespace: string;
  readonly writtenAtMs: number;
  readonly count: number;
}

/** As client-go: what comes again after longer is a new Event. */
const seriesMsMax = 6 * 60_000;
const rememberedMax = 4096;

export class EventRecorder {
  private readonly options: EventOptions;
  private readonly known = new Map<string, Written>();

  constructor(options: EventOptions) {
    this.options = options;
  }

  async record(regarding: KubeObject, wish: EventWish): Promise<void> {
    if (!this.options.lease.isLeader) return;
    const key = `${regarding.metadata.uid ?? ''} ${wish.reason} ${wish.note}`;
    const nowMs = this.options.clock.nowMs();
    const before = this.known.get(key);
    try {
      const isSeries = before !== undefined && nowMs - before.writtenAtMs < seriesMsMax;
      const written = isSeries ? await this.again(before) : await this.first(regarding, wish, key);
      this.known.delete(key);
      this.known.set(key, { ...written, writtenAtMs: nowMs });
      this.forgetOldest();
      this.options.onEvent?.();
    } catch (error) {
      this.options.log.warn({ reason: wish.reason, error: String(error) }, 'an Event was not written');
    }
  }

  private async first(
    regarding: KubeObject,
    wish: EventWish,
    key: string,
  ): Promise<Omit<Written, 'writtenAtMs'>> {
    const { client, identity } = this.options;
    const { name: owner, namespace = 'default', uid, resourceVersion } = regarding.metadata;
    const time = this.time();
    const hash = createHash('sha256').update(`${key} ${time}`).digest('hex').slice(0, 16);
    const name = `${owner}.${hash}`;
    await client.create(EVENT, {
      apiVersion: EVENT.apiVersion,
      kind: EVENT.kind,
      metadata: { name, namespace },
      eventTime: time,
      reportingController: FIELD_MANAGER,
      reportingInstance: identity.slice(0, 128),
      action: 'Reconcile',
      type: wish.type,
      reason: wish.reason,
      note: wish.note,
      regarding: {
        apiVersion: regarding.apiVersion,
        kind: regarding.kind,
        name: owner,
        namespace,
        uid,
        resourceVersion,
      },
    });
    return { name, namespace, count: 1 };
  }

  private async again({ name, namespace, count }: Written): Promise<Omit<Written, 'writtenAtMs'>> {
    const series = { count: count + 1, lastObservedTime: this.time() };
    await this.options.client.merge({ kind: EVENT, namespace, name }, { series }, FIELD_MANAGER);
    return { name, namespace, count: count + 1 };
  }

  private forgetOldest(): void {
    const oldest = this.known.keys().next();
    if (this.known.size > rememberedMax && oldest.done !== true) this.known.delete(oldest.value);
  }

  private time(): string {
    return this.options.clock.wallIso().replace('Z', '000Z');
  }
}
