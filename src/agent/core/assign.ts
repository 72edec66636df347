// What of the file of models concerns this pod. Never reads the file.
import type { DerivedModel, ModelsFile } from '../../api/cluster-files.ts';
import { modelKey } from '../../api/names.ts';
import type { Assignment, Wanted, WantedDerived } from './types.ts';

/** The number at the end of a StatefulSet's pod name; pods of other workloads have none and take what is for every pod. */
export function ordinalOf(podName: string): number | undefined {
  const digits = /-(\d{1,6})$/.exec(podName)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function assignmentOf(file: ModelsFile, ordinal: number | undefined): Assignment {
  const isMine = (one: { readonly replicas?: readonly number[] | undefined }): boolean =>
    one.replicas === undefined || (ordinal !== undefined && one.replicas.includes(ordinal));
  const pulls = file.models.filter(isMine).map(({ name }) => wantedPull(name));
  const derived = file.derived
    .filter(isMine)
    .map(wantedDerived)
    .filter(model => model.fromKey !== model.key);
  // A base that was only named as `from` is needed all the same.
  const bases = derived.map(({ fromName }) => wantedPull(fromName));
  const wanted = new Map<string, Wanted>();
  for (const model of [...pulls, ...bases, ...derived]) {
    if (!wanted.has(model.key) || model.kind === 'create') wanted.set(model.key, model);
  }
  return { wanted: [...wanted.values()], deletesUndeclared: file.deleteUndeclared };
}

function wantedPull(name: string): Wanted {
  return { kind: 'pull', name, key: modelKey(name) ?? name };
}

function wantedDerived(model: DerivedModel): WantedDerived {
  const { name, from, parameters, system, template } = model;
  const body = {
    model: name,
    from,
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
    ...(system === undefined ? {} : { system }),
    ...(template === undefined ? {} : { template }),
  };
  return {
    kind: 'create',
    name,
    key: modelKey(name) ?? name,
    fromName: from,
    fromKey: modelKey(from) ?? from,
    body,
    fingerprint: JSON.stringify(sorted(body)),
  };
}

/** The same declaration with its keys in another order is no other model. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, item]) => [key, sorted(item)]);
}
