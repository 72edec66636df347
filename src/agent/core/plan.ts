// What the agent does next: (assignment, what it remembers, what it sees) -> one step. Never does it, never knows the time by itself.
//
//   1. Ollama does not answer: wait.
//   2. A wrong blob: delete every model that holds it, so that nobody is served from it, then the blob itself.
//   3. Models that nobody declared, where that was asked for: delete, so that their room is free.
//   4. The first assigned model that is missing and due: pull it. Those that never failed come before those that did.
//   5. A derived model whose base is there, and that is missing or was made otherwise: make it.
//   6. What was deleted in step 2 and nobody declared: pull it again.
//   7. Else wait, until the next try that is due.
import type { AgentState, Assignment, ModelRecord, Observed, Step, Wanted, WantedDerived } from './types.ts';

const idleMs = 60_000;

export const emptyState: AgentState = {
  records: new Map(),
  restore: new Map(),
  made: new Map(),
  settled: false,
};

export function nextStep(assignment: Assignment, state: AgentState, seen: Observed): Step {
  if (seen.models === undefined) return { type: 'wait', untilMs: seen.nowMs + idleMs };
  return (
    discard(seen) ??
    deleteUndeclared(assignment, state, seen) ??
    pullMissing(assignment, state, seen) ??
    createMissing(assignment, state, seen) ??
    restoreDeleted(assignment, state, seen) ?? { type: 'wait', untilMs: nextTryMs(state, seen) }
  );
}

function discard(seen: Observed): Step | undefined {
  const [first] = seen.corrupt;
  return first === undefined ? undefined : { type: 'discard', digest: first[0], names: first[1] };
}

function deleteUndeclared(assignment: Assignment, state: AgentState, seen: Observed): Step | undefined {
  if (!assignment.deletesUndeclared) return undefined;
  const kept = new Set(assignment.wanted.flatMap(model => [model.key, ...basesOf(model)]));
  const [extra] = [...(seen.models?.values() ?? [])].filter(
    model => !kept.has(model.key) && isDue(state, model.key, seen),
  );
  return extra === undefined ? undefined : { type: 'delete', name: extra.name };
}

function basesOf(model: Wanted): string[] {
  return model.kind === 'create' ? [model.fromKey] : [];
}

function pullMissing(assignment: Assignment, state: AgentState, seen: Observed): Step | undefined {
  const [first] = assignment.wanted
    .filter(model => model.kind === 'pull' && !seen.models?.has(model.key) && isDue(state, model.key, seen))
    .sort((a, b) => failuresOf(state, a.key) - failuresOf(state, b.key));
  return first === undefined ? undefined : { type: 'pull', name: first.name, key: first.key };
}

function createMissing(assignment: Assignment, state: AgentState, seen: Observed): Step | undefined {
  const model = assignment.wanted.find(
    (one): one is WantedDerived =>
      one.kind === 'create' &&
      seen.models?.has(one.fromKey) === true &&
      !isMade(one, state, seen) &&
      isDue(state, one.key, seen),
  );
  return model === undefined ? undefined : { type: 'create', model };
}

/** A derived model is what it was declared to be, made from the base that is there now. */
function isMade(model: WantedDerived, state: AgentState, seen: Observed): boolean {
  return seen.models?.has(model.key) === true && state.made.get(model.key) === madeMark(model, seen);
}

export function madeMark(model: WantedDerived, seen: Observed): string {
  return `${model.fingerprint}@${seen.models?.get(model.fromKey)?.digest ?? ''}`;
}

function restoreDeleted(assignment: Assignment, state: AgentState, seen: Observed): Step | undefined {
  const declared = new Set(assignment.wanted.map(model => model.key));
  for (const [key, name] of state.restore) {
    if (!declared.has(key) && seen.models?.has(key) === false && isDue(state, key, seen))
      return { type: 'pull', name, key };
  }
  return undefined;
}

function isDue(state: AgentState, key: string, seen: Observed): boolean {
  return (state.records.get(key)?.notBeforeMs ?? 0) <= seen.nowMs;
}

function failuresOf(state: AgentState, key: string): number {
  return state.records.get(key)?.failures ?? 0;
}

function nextTryMs(state: AgentState, seen: Observed): number {
  const tries = [...state.records.values()].filter(record => record.notBeforeMs > seen.nowMs);
  return Math.min(seen.nowMs + idleMs, ...tries.map(record => record.notBeforeMs));
}

/** Everything that was assigned is there, or was tried in vain. */
export function isSettled(assignment: Assignment, state: AgentState, seen: Observed): boolean {
  if (seen.models === undefined) return false;
  return assignment.wanted.every(model => {
    const record: ModelRecord | undefined = state.records.get(model.key);
    if (record?.state === 'failed') return true;
    if (model.kind === 'create' && state.records.get(model.fromKey)?.state === 'failed') return true;
    return model.kind === 'create' ? isMade(model, state, seen) : seen.models?.has(model.key) === true;
  });
}
