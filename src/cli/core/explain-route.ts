// Where a request would go if it came now, from what the gateway says of its fleet. Pure; only the gateway's scheduler decides.
import { modelKey } from '../../api/names.ts';
import { DISPATCH_REASONS, type DispatchReason, SKIP_REASONS, type SkipReason } from '../../api/reasons.ts';
import type { BackendRow, FleetView } from './fleet-view.ts';

export interface RouteView {
  readonly model: string;
  /** Absent when no backend is usable, or several are equally good. */
  readonly backend?: string;
  readonly reason: DispatchReason | SkipReason;
  readonly sentence: string;
  readonly lines: readonly string[];
}

interface Candidate {
  readonly row: BackendRow;
  readonly skip: SkipReason | undefined;
  readonly isLoaded: boolean;
  readonly freeSlots: number;
}

/**
 * 1. No usable backend: say why for each. 2. Loaded and a slot is free: there.
 * 3. Loaded and every slot is busy: it waits for the first. 4. Loaded nowhere: the emptiest backend loads it.
 */
export function explainRoute(fleet: FleetView, model: string): RouteView {
  const candidates = fleet.backends.map(row => candidateOf(row, model));
  const usable = candidates.filter(candidate => candidate.skip === undefined);
  const lines = candidates.map(lineOf);
  const loaded = usable.filter(candidate => candidate.isLoaded);
  const free = best(loaded.filter(candidate => candidate.freeSlots > 0));
  if (usable.length === 0) return nowhere(model, { candidates, lines });
  if (free !== undefined) return there(model, { candidate: free, reason: 'warm_free', lines });
  const first = best(loaded);
  if (first !== undefined) return there(model, { candidate: first, reason: 'warm_waited', lines });
  const cold = best(usable);
  const reason = cold?.row.loaded.length === 0 ? 'cold_free' : 'cold_evict';
  return cold === undefined
    ? nowhere(model, { candidates, lines })
    : there(model, { candidate: cold, reason, lines });
}

function candidateOf(row: BackendRow, model: string): Candidate {
  const key = modelKey(model);
  const loaded = row.loaded.find(runner => modelKey(runner.name) === key);
  const slots = loaded?.slots ?? row.slots.value;
  return {
    row,
    skip: skipOf(row, key),
    isLoaded: loaded !== undefined,
    freeSlots: Math.max(0, slots - (loaded?.inFlight ?? row.inFlight)),
  };
}

function skipOf(row: BackendRow, key: string | undefined): SkipReason | undefined {
  if (row.state === 'down' || row.state === 'unknown' || row.state === 'loop') return row.state;
  if (row.isDraining) return 'draining';
  if (row.breaker === 'open') return 'breaker_open';
  return row.models.some(name => modelKey(name) === key) ? undefined : 'model_absent';
}

function best(candidates: readonly Candidate[]): Candidate | undefined {
  const load = (candidate: Candidate) => candidate.row.inFlight / Math.max(1, candidate.row.slots.value);
  return candidates.toSorted((a, b) => load(a) - load(b) || a.row.loaded.length - b.row.loaded.length)[0];
}

function lineOf({ row, skip, isLoaded, freeSlots }: Candidate): string {
  if (skip !== undefined) return `${row.name}: not a candidate, ${SKIP_REASONS[skip]}`;
  const slots = `${freeSlots} of its slots free`;
  return `${row.name}: ${isLoaded ? `loaded, ${slots}` : 'has it on disk, not loaded'}`;
}

function there(
  model: string,
  { candidate, reason, lines }: { candidate: Candidate; reason: DispatchReason; lines: readonly string[] },
): RouteView {
  const backend = candidate.row.name;
  return {
    model,
    backend,
    reason,
    lines,
    sentence: `${model} would go to ${backend} (${reason}: ${DISPATCH_REASONS[reason]})`,
  };
}

function nowhere(
  model: string,
  { candidates, lines }: { candidates: readonly Candidate[]; lines: readonly string[] },
): RouteView {
  const reason = candidates.find(candidate => candidate.skip !== 'model_absent')?.skip ?? 'model_absent';
  return { model, reason, lines, sentence: `no backend can take ${model} now` };
}
