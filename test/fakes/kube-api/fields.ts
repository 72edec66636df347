// Objects as sets of owned fields, as far as server-side apply needs them: flatten, merge, take out.
// Never a whole schema: lists are keyed, sets or wholes by the name of their field, as Kubernetes' own kinds are.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Fields = { [key: string]: Json };

const KEYED: Readonly<Record<string, readonly (readonly string[])[]>> = {
  containers: [['name']],
  initContainers: [['name']],
  volumes: [['name']],
  env: [['name']],
  volumeMounts: [['mountPath']],
  imagePullSecrets: [['name']],
  conditions: [['type']],
  ownerReferences: [['uid']],
  models: [['name']],
  pods: [['name']],
  ports: [
    ['containerPort', 'protocol'],
    ['port', 'protocol'],
  ],
  topologySpreadConstraints: [['topologyKey', 'whenUnsatisfiable']],
};
const SETS = new Set(['finalizers']);
const WHOLE_MAPS = new Set(['nodeSelector', 'selector']);

function isFields(value: Json | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Undefined: the list is replaced as a whole. */
function keysOf(field: string, list: readonly Json[]): readonly string[] | undefined {
  const options = KEYED[field];
  return options?.find(keys => list.every(item => isFields(item) && item[keys[0] ?? ''] !== undefined));
}

function keyOf(item: Fields, keys: readonly string[]): string {
  const values = keys.map(key => [key, item[key] ?? (key === 'protocol' ? 'TCP' : null)] as const);
  return `k:${JSON.stringify(Object.fromEntries(values))}`;
}

/** Leaf paths with their values; the segments are those of `fieldsV1`. */
export type FieldSet = Map<string, { readonly path: readonly string[]; readonly value: string }>;

export function fieldSet(object: Fields): FieldSet {
  const found: FieldSet = new Map();
  const add = (path: readonly string[], value: Json) =>
    found.set(JSON.stringify(path), { path, value: JSON.stringify(value) });
  const walk = (value: Json, path: readonly string[], field: string): void => {
    if (isFields(value) && Object.keys(value).length > 0 && !WHOLE_MAPS.has(field)) {
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, `f:${key}`], key);
      return;
    }
    if (!Array.isArray(value) || value.length === 0) return void add(path, value);
    if (SETS.has(field)) return value.forEach(item => add([...path, `v:${JSON.stringify(item)}`], item));
    const keys = keysOf(field, value);
    if (keys === undefined) return void add(path, value);
    for (const item of value as Fields[]) {
      const at = [...path, keyOf(item, keys)];
      add([...at, '.'], true);
      for (const [key, inner] of Object.entries(item)) walk(inner, [...at, `f:${key}`], key);
    }
  };
  for (const [key, value] of Object.entries(object)) {
    if (key === 'apiVersion' || key === 'kind') continue;
    if (key !== 'metadata') walk(value, [`f:${key}`], key);
    else for (const [field, inner] of ownMetadata(value)) walk(inner, ['f:metadata', `f:${field}`], field);
  }
  return found;
}

function ownMetadata(metadata: Json): [string, Json][] {
  const declared = new Set(['labels', 'annotations', 'ownerReferences', 'finalizers']);
  return Object.entries(metadata as Fields).filter(([field]) => declared.has(field));
}

export function toTree(set: FieldSet): Fields {
  const root: Fields = {};
  for (const { path } of set.values()) {
    let at = root;
    for (const segment of path) at = (at[segment] ??= {}) as Fields;
  }
  return root;
}

export function merge(live: Fields, config: Fields): Fields {
  const result: Fields = { ...live };
  for (const [field, wanted] of Object.entries(config)) {
    if (wanted === null) continue;
    result[field] = mergeValue(field, live[field], wanted);
  }
  return result;
}

function mergeValue(field: string, live: Json | undefined, wanted: Json): Json {
  if (isFields(wanted) && !WHOLE_MAPS.has(field)) return merge(isFields(live) ? live : {}, wanted);
  if (!Array.isArray(wanted)) return wanted;
  const before = Array.isArray(live) ? live : [];
  if (SETS.has(field)) return [...new Set([...before, ...wanted])];
  const keys = keysOf(field, wanted);
  if (keys === undefined || keysOf(field, before) === undefined) return withProtocol(field, wanted);
  const items = (withProtocol(field, wanted) as Fields[]).map(item => [keyOf(item, keys), item] as const);
  const known = new Map((before as Fields[]).map(item => [keyOf(item, keys), item]));
  for (const [key, item] of items) known.set(key, merge(known.get(key) ?? {}, item));
  return [...known.values()];
}

/** The one default that stands in a key. */
function withProtocol(field: string, list: Json[]): Json[] {
  if (field !== 'ports' || keysOf(field, list) === undefined) return list;
  return (list as Fields[]).map(item => ({ ...item, protocol: item['protocol'] ?? 'TCP' }));
}

export function takeOut(object: Fields, path: readonly string[]): void {
  const [segment, ...rest] = path;
  if (segment === undefined) return;
  const field = segment.slice(2);
  if (rest.length === 0) {
    delete object[field];
    return;
  }
  const value = object[field];
  if (isFields(value)) takeOut(value, rest);
  else if (Array.isArray(value)) object[field] = takeOutOfList(field, value, rest);
  const left = object[field];
  if (Array.isArray(left) && left.length === 0) delete object[field];
}

function takeOutOfList(field: string, list: Json[], [segment = '', ...rest]: readonly string[]): Json[] {
  if (segment.startsWith('v:')) return list.filter(item => `v:${JSON.stringify(item)}` !== segment);
  const keys = keysOf(field, list) ?? [];
  const isIt = (item: Json) => keyOf(item as Fields, keys) === segment;
  if (rest[0] === '.') return list.filter(item => !isIt(item));
  for (const item of list) if (isIt(item)) takeOut(item as Fields, rest);
  return list;
}
