// The answer of /status and the counts of /metrics, made of what the agent knows. Never asks anybody.
import type { AgentModelState, AgentModelStatus } from '../../api/agent-status.ts';
import { recordOf } from './records.ts';
import type { AgentState, Assignment, ModelRecord, ModelSeen } from './types.ts';

export interface ModelsView {
  readonly assignment: Assignment;
  readonly state: AgentState;
  readonly models: ReadonlyMap<string, ModelSeen> | undefined;
  /** Adds a duration from now to the time of day. */
  readonly isoAt: (monotonicMs: number) => string;
}

/** Declared models in their order, then what was taken away to be repaired, then what else is on disk. */
export function modelStatuses(view: ModelsView): AgentModelStatus[] {
  const declared = new Set(view.assignment.wanted.map(model => model.key));
  const restored = [...view.state.restore].filter(([key]) => !declared.has(key));
  const shown = new Set([...declared, ...restored.map(([key]) => key)]);
  const others = [...(view.models?.values() ?? [])].filter(model => !shown.has(model.key));
  return [
    ...view.assignment.wanted.map(model => modelStatus(view, recordOf(view.state, model), true)),
    ...restored.map(([key, name]) => modelStatus(view, recordOf(view.state, { key, name }), false)),
    ...others.map(({ name, digest, sizeBytes }) => ({
      name,
      declared: false,
      state: 'present' as const,
      digest,
      sizeBytes,
    })),
  ];
}

function modelStatus(view: ModelsView, record: ModelRecord, declared: boolean): AgentModelStatus {
  const seen = view.models?.get(record.key);
  return {
    name: record.name,
    declared,
    state: record.state,
    ...(record.repair !== undefined && { message: record.repair }),
    ...(record.failure !== undefined && record.failure),
    ...(record.state === 'pulling' && progressOf(record)),
    ...(seen !== undefined && { digest: seen.digest, sizeBytes: seen.sizeBytes }),
    ...(record.failures > 0 && { nextTryAt: view.isoAt(record.notBeforeMs) }),
  };
}

function progressOf({ completedBytes, totalBytes }: ModelRecord): Partial<AgentModelStatus> {
  if (completedBytes === undefined || totalBytes === undefined || totalBytes === 0) return {};
  return { percent: Math.floor((completedBytes / totalBytes) * 100), completedBytes, totalBytes };
}

export function countsByState(statuses: readonly AgentModelStatus[]): Record<AgentModelState, number> {
  const counts = { pending: 0, pulling: 0, creating: 0, present: 0, corrupt: 0, failed: 0 };
  for (const status of statuses) if (status.declared) counts[status.state] += 1;
  return counts;
}
