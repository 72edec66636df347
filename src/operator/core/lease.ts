// Who leads: decided from the Lease as it was last seen and from how long it has not changed here.
// Never believes a time that another machine wrote.

export interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

export interface SeenLease {
  readonly resourceVersion: string;
  readonly spec: LeaseSpec;
  /** When this version was first seen, by our own monotonic clock. */
  readonly seenAtMs: number;
}

export interface LeaseTimes {
  readonly durationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

export const LEASE_TIMES: LeaseTimes = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };
/** Of the time between two tries, added at random, so that stand-ins do not all try at once. */
const jitterMax = 1.2;

/** Keeps the time of first sight while the version stays the same. */
export function seeLease(
  before: SeenLease | undefined,
  now: { readonly resourceVersion: string; readonly spec: LeaseSpec },
  nowMs: number,
): SeenLease {
  const isSame = before?.resourceVersion === now.resourceVersion;
  return { ...now, seenAtMs: isSame ? before.seenAtMs : nowMs };
}

export type LeaseMove = 'create' | 'renew' | 'take' | 'wait';

export function leaseMove(
  seen: SeenLease | undefined,
  me: { readonly identity: string; readonly nowMs: number; readonly times: LeaseTimes },
): LeaseMove {
  if (seen === undefined) return 'create';
  const { holderIdentity = '' } = seen.spec;
  if (holderIdentity === me.identity) return 'renew';
  if (holderIdentity === '') return 'take';
  return me.nowMs - seen.seenAtMs >= me.times.durationMs ? 'take' : 'wait';
}

export function nextSpec(
  move: 'create' | 'renew' | 'take',
  seen: SeenLease | undefined,
  me: { readonly identity: string; readonly wallIso: string; readonly times: LeaseTimes },
): LeaseSpec {
  const isMine = move === 'renew';
  const transitions = seen?.spec.leaseTransitions ?? 0;
  return {
    holderIdentity: me.identity,
    leaseDurationSeconds: Math.round(me.times.durationMs / 1000),
    acquireTime: isMine ? (seen?.spec.acquireTime ?? me.wallIso) : me.wallIso,
    renewTime: me.wallIso,
    leaseTransitions: move === 'take' ? transitions + 1 : transitions,
  };
}

export function retryDelayMs(times: LeaseTimes, rng: () => number): number {
  return times.retryMs * (1 + jitterMax * rng());
}
