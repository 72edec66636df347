// Whether an apply would change anything: is what we want already there, still ours, and nothing more of ours?
// Never asks the server, and never needs to be told of a schema: what is a keyed list is read from the managed fields.
import type { KubeObject } from '../../api/kube-object.ts';
import { isSameQuantity } from './quantity.ts';

/** A tree of `f:field`, `k:{…}`, `v:…`; an empty one means that the value below is owned as a whole. */
type Owned = Readonly<Record<string, unknown>>;
type Fields = Readonly<Record<string, unknown>>;

interface Place {
  /** Field names from the root, for the log and for rules by name. */
  readonly path: readonly string[];
  /** Undefined where ownership is not recorded: below a whole, or when the object was never applied by us. */
  readonly owned: Owned | undefined;
}

/** The first path that an apply would change, or undefined when it would change nothing. */
export function difference(desired: KubeObject, live: KubeObject, fieldManager: string): string | undefined {
  const owned = ownedBy(live, fieldManager);
  if (owned === undefined) return 'metadata.managedFields';
  for (const field of Object.keys(desired)) {
    if (field === 'apiVersion' || field === 'kind' || field === 'metadata' || field === 'status') continue;
    const found = fieldDifference(field, { desired, live, place: { path: [], owned } });
    if (found !== undefined) return found;
  }
  return goneField(desired, owned, []) ?? metadataDifference(desired, live, owned);
}

/** What our applies own; what other writers, or we by other means, own does not count. */
function ownedBy(live: KubeObject, fieldManager: string): Owned | undefined {
  const entry = live.metadata.managedFields?.find(
    managed => managed.manager === fieldManager && managed.operation === 'Apply' && !managed.subresource,
  );
  return entry?.fieldsV1;
}

/** Of the metadata only these are declared; the rest is the server's. */
const METADATA_FIELDS = ['labels', 'annotations', 'ownerReferences', 'finalizers'] as const;

function metadataDifference(desired: KubeObject, live: KubeObject, owned: Owned): string | undefined {
  const ownedMetadata = child(owned, 'f:metadata');
  const wanted = desired.metadata as unknown as Fields;
  const present = live.metadata as unknown as Fields;
  const declared: Record<string, unknown> = {};
  for (const field of METADATA_FIELDS) if (!isNothing(wanted[field])) declared[field] = wanted[field];
  for (const field of Object.keys(declared)) {
    const place = { path: ['metadata'], owned: ownedMetadata };
    const found = fieldDifference(field, { desired: declared, live: present, place });
    if (found !== undefined) return found;
  }
  return ownedMetadata === undefined ? undefined : goneField(declared, ownedMetadata, ['metadata']);
}

interface Pair {
  readonly desired: Fields;
  readonly live: Fields;
  readonly place: Place;
}

function fieldDifference(field: string, { desired, live, place }: Pair): string | undefined {
  const path = [...place.path, field];
  const wanted = desired[field];
  if (wanted === undefined || wanted === null) return undefined;
  const isRecorded = place.owned !== undefined && !isWhole(place.owned);
  const owned = isRecorded ? child(place.owned, `f:${field}`) : undefined;
  if (isRecorded && owned === undefined) {
    return isNothing(wanted) && isNothing(live[field]) ? undefined : path.join('.');
  }
  const below = { path, owned: owned === undefined || isWhole(owned) ? undefined : owned };
  const isOwnedWhole = owned !== undefined && isWhole(owned);
  return valueDifference(wanted, live[field], isOwnedWhole ? { path, owned: undefined } : below);
}

function valueDifference(wanted: unknown, live: unknown, place: Place): string | undefined {
  // The server leaves out what is empty.
  if (live === undefined || live === null) return isNothing(wanted) ? undefined : place.path.join('.');
  if (Array.isArray(wanted)) {
    if (!Array.isArray(live)) return place.path.join('.');
    return listDifference(wanted, live, place);
  }
  if (typeof wanted === 'object' && wanted !== null) {
    if (typeof live !== 'object' || Array.isArray(live)) return place.path.join('.');
    return mapDifference(wanted as Fields, live as Fields, place);
  }
  return isSameScalar(wanted, live, place.path) ? undefined : place.path.join('.');
}

function mapDifference(desired: Fields, live: Fields, place: Place): string | undefined {
  for (const field of Object.keys(desired)) {
    const found = fieldDifference(field, { desired, live, place });
    if (found !== undefined) return found;
  }
  return place.owned === undefined ? undefined : goneField(desired, place.owned, place.path);
}

function listDifference(
  wanted: readonly unknown[],
  live: readonly unknown[],
  place: Place,
): string | undefined {
  const { owned } = place;
  if (owned === undefined) return wholeListDifference(wanted, live, place.path);
  for (const key of Object.keys(owned)) {
    const isGone =
      (key.startsWith('k:') && !wanted.some(item => hasKey(item, itemKey(key)))) ||
      (key.startsWith('v:') && !wanted.includes(JSON.parse(key.slice(2))));
    if (isGone) return `${place.path.join('.')}[${key.slice(2)}]`;
  }
  for (const item of wanted) {
    const found = itemDifference(item, live, { path: place.path, owned });
    if (found !== undefined) return found;
  }
  return undefined;
}

/** One item of a list with keys, or of a set. */
function itemDifference(
  item: unknown,
  live: readonly unknown[],
  { path, owned }: { path: readonly string[]; owned: Owned },
): string | undefined {
  if (typeof item !== 'object' || item === null) {
    const isThere = live.includes(item) && owned[`v:${JSON.stringify(item)}`] !== undefined;
    return isThere ? undefined : `${path.join('.')}[${String(item)}]`;
  }
  const key = Object.keys(owned)
    .filter(candidate => candidate.startsWith('k:') && hasKey(item, itemKey(candidate)))
    .toSorted((a, b) => exactness(item, b) - exactness(item, a))[0];
  if (key === undefined) return `${path.join('.')}[new]`;
  const fields = itemKey(key);
  const at = [...path.slice(0, -1), `${path.at(-1) ?? ''}[${Object.values(fields).join(' ')}]`];
  const there = live.find(candidate => isAt(candidate, fields));
  if (there === undefined) return at.join('.');
  const below = child(owned, key);
  return mapDifference(item as Fields, there as Fields, {
    path: at,
    owned: below === undefined || isWhole(below) ? undefined : below,
  });
}

function itemKey(key: string): Fields {
  return JSON.parse(key.slice(2)) as Fields;
}

/** A key field that the item leaves out has the server's default, e.g. `protocol`. */
function hasKey(item: unknown, key: Fields): boolean {
  if (typeof item !== 'object' || item === null) return false;
  return Object.entries(key).every(([field, value]) => {
    const own = (item as Fields)[field];
    return own === undefined || own === value;
  });
}

function isAt(item: unknown, key: Fields): boolean {
  return hasKey(item, key) && exactness(item, `k:${JSON.stringify(key)}`) > 0;
}

function exactness(item: unknown, key: string): number {
  return Object.keys(itemKey(key)).filter(field => (item as Fields)[field] !== undefined).length;
}

/** Owned and replaced as one: as many items, in order. Inside, the server may have filled in defaults. */
function wholeListDifference(
  wanted: readonly unknown[],
  live: readonly unknown[],
  path: readonly string[],
): string | undefined {
  if (wanted.length !== live.length) return path.join('.');
  for (const [index, item] of wanted.entries()) {
    const found = valueDifference(item, live[index], { path: [...path, String(index)], owned: undefined });
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A field that we set once and do not want any more. */
function goneField(desired: Fields, owned: Owned, path: readonly string[]): string | undefined {
  for (const key of Object.keys(owned)) {
    if (!key.startsWith('f:')) continue;
    const field = key.slice(2);
    if (path.length === 0 && field === 'metadata') continue;
    if (desired[field] === undefined || desired[field] === null) return [...path, field].join('.');
  }
  return undefined;
}

const QUANTITY_MAPS = new Set([
  'limits',
  'requests',
  'hard',
  'capacity',
  'default',
  'defaultRequest',
  'max',
  'min',
]);
const QUANTITY_FIELDS = new Set(['sizeLimit', 'averageValue', 'divisor']);
const INT_OR_STRING = new Set([
  'targetPort',
  'port',
  'maxUnavailable',
  'minAvailable',
  'maxSurge',
  'partition',
]);

function isSameScalar(wanted: unknown, live: unknown, path: readonly string[]): boolean {
  if (wanted === live) return true;
  const field = path.at(-1) ?? '';
  const parent = path.at(-2) ?? '';
  if (INT_OR_STRING.has(field) && String(wanted) === String(live)) return true;
  const isQuantity =
    QUANTITY_MAPS.has(parent) || QUANTITY_FIELDS.has(field) || (parent === 'target' && field === 'value');
  return isQuantity && isSameQuantity(wanted, live);
}

function child(owned: Owned | undefined, key: string): Owned | undefined {
  return owned?.[key] as Owned | undefined;
}

function isWhole(owned: Owned): boolean {
  return Object.keys(owned).length === 0;
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
