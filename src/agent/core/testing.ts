// Small builders for the agent's tests: assignments, sights, states. Never used outside tests.
import type { AgentState, Assignment, ModelSeen, Observed, WantedDerived, WantedPull } from './types.ts';
import { emptyState } from './plan.ts';

export const aPull = (name: string): WantedPull => ({ kind: 'pull', name, key: name });

export const aDerived = (name: string, from: string, fingerprint = 'v1'): WantedDerived => ({
  kind: 'create',
  name,
  key: name,
  fromName: from,
  fromKey: from,
  body: { model: name, from },
  fingerprint,
});

export const anAssignment = (
  wanted: Assignment['wanted'],
  deletesUndeclared: Assignment['deletesUndeclared'] = false,
): Assignment => ({ wanted, deletesUndeclared });

export const aModel = (name: string, digest = `digest of ${name}`): ModelSeen => ({
  name,
  key: name,
  digest,
  sizeBytes: 1,
});

export function aSight(names: readonly string[] | undefined, extra: Partial<Observed> = {}): Observed {
  const models = names === undefined ? undefined : new Map(names.map(name => [name, aModel(name)]));
  return { nowMs: 1_000, models, corrupt: new Map(), ...extra };
}

export const aState = (extra: Partial<AgentState> = {}): AgentState => ({ ...emptyState, ...extra });
