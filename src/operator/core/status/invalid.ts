// The status of a resource that cannot be read: what was known stays, and the field that is wrong is named.
// Never says that something is ready because it once was.
import type { Condition, Status } from '../../../api/ollama-deployment/status.ts';

export function invalidStatus(
  before: Status | undefined,
  message: string,
  now: { readonly generation: number; readonly wallIso: string },
): Status {
  const wrong = (type: string, status: 'True' | 'False'): Condition => {
    const old = before?.conditions?.find(condition => condition.type === type);
    return {
      type,
      status,
      reason: 'InvalidSpec',
      message,
      observedGeneration: now.generation,
      lastTransitionTime: old?.status === status ? old.lastTransitionTime : now.wallIso,
    };
  };
  const own = [wrong('Degraded', 'True'), wrong('Ready', 'False')];
  const others = (before?.conditions ?? []).filter(({ type }) => !own.some(one => one.type === type));
  return {
    ...before,
    phase: before?.phase === 'Ready' ? 'Progressing' : (before?.phase ?? 'Pending'),
    observedGeneration: now.generation,
    conditions: [...others, ...own],
  };
}
