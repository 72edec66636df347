// Server-side apply and who owns what after each write. Never stores anything: objects in, objects out.
import { type Fields, type FieldSet, fieldSet, type Json, merge, takeOut, toTree } from './fields.ts';

export interface Manager {
  readonly name: string;
  readonly operation: 'Apply' | 'Update';
  readonly subresource: string;
}

interface Entry extends Manager {
  readonly fields: FieldSet;
}

/** What each manager owns, beside the object; written into `managedFields` when the object is handed out. */
export type Ownership = readonly Entry[];

export class ApplyConflict extends Error {}

export function applied(
  live: Fields | undefined,
  ownership: Ownership,
  wanted: { readonly config: Fields; readonly manager: Manager; readonly force: boolean },
): { readonly object: Fields; readonly ownership: Ownership } {
  const { config, manager, force } = wanted;
  const set = fieldSet(config);
  const before = live === undefined ? new Map() : fieldSet(live);
  const others = ownership.filter(entry => !isSame(entry, manager));
  const isTaken = (path: string) =>
    others.some(entry => entry.fields.has(path)) && before.get(path)?.value !== set.get(path)?.value;
  const conflicts = [...set.keys()].filter(isTaken);
  if (conflicts.length > 0 && !force)
    throw new ApplyConflict(`conflict with another manager: ${conflicts.join(', ')}`);
  const object = structuredClone(merge(live ?? {}, config));
  const mine = ownership.find(entry => isSame(entry, manager));
  for (const [key, { path }] of mine?.fields ?? []) {
    if (!set.has(key) && !others.some(entry => entry.fields.has(key))) takeOut(object, path);
  }
  const left = others.map(entry => ({ ...entry, fields: without(entry.fields, conflicts) }));
  return { object, ownership: [...left.filter(entry => entry.fields.size > 0), { ...manager, fields: set }] };
}

/** After any other write: the writer owns what it changed, the others lose that. */
export function updated(
  before: Fields | undefined,
  after: Fields,
  by: Manager,
  ownership: Ownership,
): Ownership {
  const was = before === undefined ? new Map() : fieldSet(before);
  const now = fieldSet(after);
  const changed = new Map([...now].filter(([path, { value }]) => was.get(path)?.value !== value));
  const touched = [...changed.keys(), ...[...was.keys()].filter(path => !now.has(path))];
  const left = ownership.map(entry => ({ ...entry, fields: without(entry.fields, touched) }));
  const mine = left.find(entry => isSame(entry, by));
  const others = left.filter(entry => entry !== mine);
  const own = { ...by, fields: new Map([...(mine?.fields ?? []), ...changed]) };
  return [...others, own].filter(entry => entry.fields.size > 0);
}

export function managedFields(ownership: Ownership): Json {
  return ownership.map(({ name, operation, subresource, fields }) => ({
    manager: name,
    operation,
    ...(subresource === '' ? {} : { subresource }),
    fieldsType: 'FieldsV1',
    fieldsV1: toTree(fields),
  }));
}

function isSame(one: Manager, other: Manager): boolean {
  return (
    one.name === other.name && one.operation === other.operation && one.subresource === other.subresource
  );
}

function without(fields: FieldSet, paths: readonly string[]): FieldSet {
  const left: FieldSet = new Map(fields);
  for (const path of paths) left.delete(path);
  return left;
}
