// Demand over time -> how many pods a fleet should have. Up at once, down after a long calm, to zero after idle time.
// Never down on what was not seen: a gateway that keeps silent may be the busy one.

export interface ScaleRule {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** Requests that wait or run, per pod. */
  readonly target: number;
  /** 0 = never to zero. */
  readonly idleSecondsToZero: number;
}

export interface DemandLook {
  readonly atMs: number;
  /** Requests that wait or run at the gateways that answered. */
  readonly demand: number;
  /** Requests were sent to a pod since the last look, also if they have ended by now. */
  readonly hasServed: boolean;
  /** Every gateway answered. */
  readonly isWhole: boolean;
}

export interface ScaleMemory {
  readonly demand: number;
  /** Since then every gateway answered every time. */
  readonly wholeSinceMs: number;
  /** Since then nothing waited, ran or was sent. */
  readonly idleSinceMs: number;
  /** What each look asked for, oldest first, as far back as the calm must last. */
  readonly wishes: readonly { readonly atMs: number; readonly replicas: number }[];
}

/** A model that was just loaded is dear to unload. */
export const CALM_MS = 600_000;
const wishesMax = 1_000;

/** Undefined = the first look. */
export function remember(before: ScaleMemory | undefined, look: DemandLook, rule: ScaleRule): ScaleMemory {
  const { atMs, demand, isWhole, hasServed } = look;
  const isIdle = demand === 0 && !hasServed && isWhole;
  const wishes = (before?.wishes ?? []).filter(wish => atMs - wish.atMs <= CALM_MS).slice(-wishesMax + 1);
  return {
    demand,
    wholeSinceMs: isWhole ? (before?.wholeSinceMs ?? atMs) : atMs,
    idleSinceMs: isIdle ? (before?.idleSinceMs ?? atMs) : atMs,
    wishes: [...wishes, { atMs, replicas: wishOf(demand, rule) }],
  };
}

export function replicasFor(
  memory: ScaleMemory,
  rule: ScaleRule,
  at: { readonly nowMs: number; readonly replicas: number },
): number {
  const { replicas, nowMs } = at;
  const wish = wishOf(memory.demand, rule);
  const canBeZero = rule.idleSecondsToZero > 0;
  if (replicas === 0 && canBeZero && memory.demand === 0) return 0;
  if (canBeZero && nowMs - memory.idleSinceMs >= rule.idleSecondsToZero * 1000) return 0;
  if (wish >= replicas) return wish;
  const isCalm = nowMs - memory.wholeSinceMs >= CALM_MS;
  const most = isCalm ? Math.max(...memory.wishes.map(past => past.replicas)) : replicas;
  return Math.min(Math.max(wish, most), replicas, rule.maxReplicas);
}

function wishOf(demand: number, { target, minReplicas, maxReplicas }: ScaleRule): number {
  return Math.min(maxReplicas, Math.max(minReplicas, Math.ceil(demand / target)));
}
