// What must outlive a restart of the agent: models that were deleted to be repaired, and how derived ones were made.
// Never trusts what it reads back: the file lies on a volume that others can write.
import { modelKey } from '../../api/names.ts';
import type { AgentState } from './types.ts';

type Memory = Pick<AgentState, 'restore' | 'made'>;

const entriesMax = 1_000;

export function memoryOf(state: Memory): { restore: string[]; made: [string, string][] } {
  return { restore: [...state.restore.values()], made: [...state.made] };
}

export function readMemory(value: unknown): Memory {
  const { restore, made } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const names = (Array.isArray(restore) ? restore : []).filter(name => typeof name === 'string');
  const marks = (Array.isArray(made) ? made : []).filter(isPair);
  return {
    restore: new Map(
      names
        .slice(0, entriesMax)
        .map((name): [string | undefined, string] => [modelKey(name), name])
        .filter((entry): entry is [string, string] => entry[0] !== undefined),
    ),
    made: new Map(marks.slice(0, entriesMax)),
  };
}

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every(item => typeof item === 'string');
}
