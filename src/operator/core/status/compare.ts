// Whether a status says anything new, and whether that is only how far a pull has come. Never looks at when.
import type { Status } from '../../../api/ollama-deployment/status.ts';

export function isSameStatus(before: Status | undefined, after: Status): boolean {
  return before !== undefined && stable(before) === stable(after);
}

/** Percentages and the sentences that repeat them. */
export function isOnlyProgress(before: Status | undefined, after: Status): boolean {
  return before !== undefined && stable(withoutProgress(before)) === stable(withoutProgress(after));
}

function withoutProgress(status: Status): Status {
  return {
    ...status,
    conditions: status.conditions?.map(condition => ({ ...condition, message: '' })),
    models: status.models?.map(({ message: _message, ...model }) => model),
    pods: status.pods?.map(pod => ({
      ...pod,
      models: pod.models?.map(({ percent: _percent, message: _message, ...model }) => model),
    })),
  };
}

/** The same text for the same content, in whatever order the fields come. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    const entries = Object.entries(inner).filter(([, field]) => field !== undefined);
    return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
