// Merging configuration from several places and remembering where each value came from. Never judges a value.

export type Tree = { readonly [key: string]: unknown };
export type Path = readonly (string | number)[];

/** One place that values come from: a file, the environment, the command line. */
export interface Layer {
  /** As people know it: a file's path, `environment`, `command line`. */
  readonly origin: string;
  readonly value: Tree;
  /** What to say for one path: a line number, a variable, a flag. */
  readonly places: ReadonlyMap<string, string>;
}

export interface Merged {
  readonly value: Tree;
  /** Exact to the line where it is known; `default` when nobody gave the value. */
  readonly originOf: (path: Path) => string;
}

export function pathText(path: Path): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  );
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Later layers win; objects merge key by key, lists and values are replaced whole; null means "not given here". */
export function mergeLayers(layers: readonly Layer[]): Merged {
  const owners = new Map<string, Layer>();
  const value = layers.reduce<Tree>(
    (below, layer) => mergeTree(below, layer.value, { layer, owners, path: [] }),
    {},
  );
  return { value, originOf: path => originOf(owners, path) };
}

interface MergeContext {
  readonly layer: Layer;
  readonly owners: Map<string, Layer>;
  readonly path: Path;
}

function mergeTree(below: Tree, above: Tree, context: MergeContext): Tree {
  const result = new Map(Object.entries(below));
  for (const [key, value] of Object.entries(above)) {
    const path = [...context.path, key];
    const old = result.get(key);
    if (isTree(value)) {
      result.set(key, mergeTree(isTree(old) ? old : {}, value, { ...context, path }));
    } else if (value !== null && value !== undefined) {
      result.set(key, value);
    } else if (!result.has(key)) {
      result.set(key, undefined);
    } else continue;
    const isLeaf = !isTree(value) || Object.keys(value).length === 0;
    if (isLeaf) context.owners.set(pathText(path), context.layer);
  }
  return Object.fromEntries(result);
}

/** Owners are known for values; a section belongs to whoever gave the first value in it, an item to whoever gave its list. */
function originOf(owners: ReadonlyMap<string, Layer>, path: Path): string {
  for (let length = path.length; length > 0; length--) {
    const owner = owners.get(pathText(path.slice(0, length)));
    if (owner !== undefined) return placeIn(owner, path);
  }
  const section = `${pathText(path)}.`;
  const inside = [...owners].find(([key]) => key.startsWith(section))?.[1];
  return inside === undefined ? 'default' : placeIn(inside, path);
}

/** The most exact place that the layer knows for a path. */
export function placeIn(layer: Layer, path: Path): string {
  for (let length = path.length; length > 0; length--) {
    const place = layer.places.get(pathText(path.slice(0, length)));
    if (place !== undefined) return place;
  }
  return layer.origin;
}
