// Changes that a store did not do because it was away, until it returns. A bounded list; the newest word about a model counts.
// Never holds a change that needs bytes which only the client had.

export type RememberedKind = 'pull' | 'create' | 'copy' | 'delete';

export interface Remembered {
  readonly kind: RememberedKind;
  readonly store: string;
  /** The model that appears or goes away. */
  readonly key: string;
  /** What is sent, as JSON text. */
  readonly body: string;
  /** Times that the store answered and did not do it. */
  readonly refusals: number;
  readonly notBeforeMs: number;
}

export const rememberedMax = 500;
export const rememberedBodyBytesMax = 64 * 1024;
const refusalsMax = 5;
const firstRetryMs = 5_000;
const retryMsMax = 10 * 60_000;

/** A newer change of the same model in the same store replaces the older one; when full, the oldest is lost and returned. */
export function remember(
  list: readonly Remembered[],
  change: Remembered,
): { readonly list: readonly Remembered[]; readonly lost: Remembered | undefined } {
  const next = [...forget(list, change.store, change.key), change];
  if (next.length <= rememberedMax) return { list: next, lost: undefined };
  return { list: next.slice(1), lost: next[0] };
}

export function forget(list: readonly Remembered[], store: string, key: string): readonly Remembered[] {
  const next = list.filter(change => change.store !== store || change.key !== key);
  return next.length === list.length ? list : next;
}

/** The oldest of each store that can be reached: a copy may need the pull before it. */
export function dueNow(
  list: readonly Remembered[],
  reachable: ReadonlySet<string>,
  nowMs: number,
): Remembered[] {
  const first = new Map<string, Remembered>();
  for (const change of list) {
    if (reachable.has(change.store) && !first.has(change.store)) first.set(change.store, change);
  }
  return [...first.values()].filter(change => change.notBeforeMs <= nowMs);
}

/** The store answered and refused: later again at the end of its line, and one day no more. */
export function refusedAgain(
  list: readonly Remembered[],
  change: Remembered,
  nowMs: number,
): readonly Remembered[] {
  const rest = list.filter(other => other !== change);
  if (rest.length === list.length || change.refusals + 1 >= refusalsMax) return rest;
  const waitMs = Math.min(retryMsMax, firstRetryMs * 2 ** change.refusals);
  return [...rest, { ...change, refusals: change.refusals + 1, notBeforeMs: nowMs + waitMs }];
}

/** What a file of an earlier run says; whatever is not a change is left out. */
export function fromFile(value: unknown): Remembered[] {
  if (!Array.isArray(value)) return [];
  return value
    .filter(isRemembered)
    .slice(-rememberedMax)
    .map(change => ({ ...change, notBeforeMs: 0 }));
}

const KINDS: readonly string[] = ['pull', 'create', 'copy', 'delete'] satisfies RememberedKind[];

function isRemembered(value: unknown): value is Remembered {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, store, key, body, refusals } = value as Record<string, unknown>;
  const texts = [kind, store, key, body].every(text => typeof text === 'string');
  return (
    texts &&
    KINDS.includes(String(kind)) &&
    String(body).length <= rememberedBodyBytesMax &&
    typeof refusals === 'number'
  );
}
