// Which Events a change of status is worth: one per change, none when nothing changed. Never looks at time.
import type { Condition, Status } from '../../api/ollama-deployment/status.ts';

export interface EventWish {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly note: string;
}

/** In these, True is what one wants. */
const GOOD = new Set(['Ready', 'ModelsReady', 'Available']);
/** In these, True is bad news. */
const BAD = new Set(['Degraded', 'NodeLost']);
const noteCharsMax = 1000;

export function eventsOf(before: Status | undefined, after: Status): EventWish[] {
  const changes = (after.conditions ?? []).flatMap(condition => {
    const old = before?.conditions?.find(({ type }) => type === condition.type);
    const wish = eventOf(old, condition);
    return wish === undefined ? [] : [wish];
  });
  const wishes = [...repairs(before, after), ...changes];
  return wishes.filter((wish, index) => wishes.findIndex(other => other.reason === wish.reason) === index);
}

/** An agent mends wrong bytes by itself, often before any condition could change: its message tells of it. */
function repairs(before: Status | undefined, after: Status): EventWish[] {
  const known = new Set(repairNotes(before));
  const notes = repairNotes(after).filter(note => !known.has(note));
  if (notes.length === 0) return [];
  return [{ type: 'Warning', reason: 'ModelCorrupt', note: notes.join('; ').slice(0, noteCharsMax) }];
}

function repairNotes(status: Status | undefined): string[] {
  return (status?.pods ?? []).flatMap(pod =>
    (pod.models ?? []).flatMap(({ name, state, message }) =>
      message === undefined || !TELLS_OF_REPAIR.has(state) ? [] : [`pod ${pod.name}, ${name}: ${message}`],
    ),
  );
}

/** In the other states the message is why a pull failed. */
const TELLS_OF_REPAIR = new Set(['corrupt', 'pulling', 'creating', 'present']);

function eventOf(old: Condition | undefined, now: Condition): EventWish | undefined {
  if (old?.status === now.status && old.reason === now.reason) return undefined;
  const note = now.message.slice(0, noteCharsMax);
  if (BAD.has(now.type)) {
    if (now.status === 'True') return { type: 'Warning', reason: now.reason, note };
    const isMended = old?.status === 'True';
    return isMended
      ? { type: 'Normal', reason: now.reason, note: `mended: ${old.message}`.slice(0, noteCharsMax) }
      : undefined;
  }
  // What is not good yet is told by the bad ones, or is only on its way.
  return GOOD.has(now.type) && now.status === 'True' && old?.status !== 'True'
    ? { type: 'Normal', reason: now.reason, note }
    : undefined;
}
