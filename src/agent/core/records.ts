// What the agent remembers, after each thing that happened: (state, event) -> state. Never forgets why a model failed until it is there.
import { isSettled } from './plan.ts';
import { afterFailure } from './retry.ts';
import type { AgentState, Assignment, Failure, ModelRecord, Observed } from './types.ts';

export function recordOf(
  state: AgentState,
  model: { readonly name: string; readonly key: string },
): ModelRecord {
  return (
    state.records.get(model.key) ?? {
      name: model.name,
      key: model.key,
      state: 'pending',
      failures: 0,
      notBeforeMs: 0,
    }
  );
}

function withRecord(state: AgentState, record: ModelRecord): AgentState {
  return { ...state, records: new Map(state.records).set(record.key, record) };
}

/** After each look: records follow what is there, and those of models that nobody wants any more go. */
export function afterLook(state: AgentState, assignment: Assignment, seen: Observed): AgentState {
  const models = [
    ...assignment.wanted,
    ...[...state.restore].map(([key, name]) => ({ kind: 'pull' as const, key, name })),
  ];
  const records = new Map(models.map(model => [model.key, look(recordOf(state, model), seen)]));
  const restore = new Map([...state.restore].filter(([key]) => seen.models?.has(key) !== true));
  const wanted = new Set(assignment.wanted.map(model => model.key));
  const made = new Map([...state.made].filter(([key]) => wanted.has(key)));
  const next = { records, restore, made, settled: state.settled };
  return { ...next, settled: next.settled || isSettled(assignment, next, seen) };
}

function look(record: ModelRecord, seen: Observed): ModelRecord {
  if (seen.models === undefined) return record;
  const isThere = seen.models.has(record.key);
  if (isThere && record.state !== 'present')
    return {
      name: record.name,
      key: record.key,
      state: 'present',
      ...(record.repair !== undefined && { repair: record.repair }),
      failures: 0,
      notBeforeMs: 0,
    };
  if (!isThere && record.state === 'present') return { ...record, state: 'pending' };
  return record;
}

export function begun(
  state: AgentState,
  model: { readonly name: string; readonly key: string },
  doing: 'pulling' | 'creating',
): AgentState {
  const { failure: _, ...record } = recordOf(state, model);
  return withRecord(state, { ...record, state: doing });
}

export function progressed(
  state: AgentState,
  key: string,
  bytes: { readonly completedBytes: number; readonly totalBytes: number },
): AgentState {
  const record = state.records.get(key);
  return record === undefined ? state : withRecord(state, { ...record, ...bytes });
}

export function failed(
  state: AgentState,
  model: { readonly name: string; readonly key: string },
  failure: Failure,
  at: { readonly nowMs: number; readonly random: number },
): AgentState {
  return withRecord(state, afterFailure(recordOf(state, model), failure, at));
}

/** It was not its own fault: the next try comes as soon as what was missing is back. */
export function interrupted(
  state: AgentState,
  model: { readonly name: string; readonly key: string },
): AgentState {
  return withRecord(state, { ...recordOf(state, model), state: 'pending' });
}

export function created(state: AgentState, key: string, mark: string): AgentState {
  return { ...state, made: new Map(state.made).set(key, mark) };
}

/** Names that are about to be deleted because a blob of theirs is wrong. */
export function discarded(
  state: AgentState,
  models: readonly { readonly name: string; readonly key: string }[],
  message: string,
): AgentState {
  const records = new Map(state.records);
  const restore = new Map(state.restore);
  for (const { name, key } of models) {
    restore.set(key, name);
    records.set(key, {
      name,
      key,
      state: 'corrupt',
      failure: { reason: 'DigestMismatch', message },
      repair: message,
      failures: 0,
      notBeforeMs: 0,
    });
  }
  return { ...state, records, restore };
}
