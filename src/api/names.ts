// Model names as Ollama reads them (ollama types/model/name.go): [host[:port]/][namespace/]model[:tag].
// Never touches a store: two names are "the same model" here when Ollama would open the same manifest.

export interface ModelName {
  readonly host: string;
  readonly namespace: string;
  readonly model: string;
  readonly tag: string;
}

const DEFAULT_HOST = 'registry.ollama.ai';
const DEFAULT_NAMESPACE = 'library';
const DEFAULT_TAG = 'latest';

const nameLengthMax = 350 + 80 + 80 + 80;
const HOST = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}$/;
const NAMESPACE = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,79}$/;
const PART = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$/;

/** Returns undefined for a name that Ollama would refuse; never throws, whatever the input. */
export function parseModelName(text: string): ModelName | undefined {
  if (text.length === 0 || text.length > nameLengthMax) return undefined;
  const scheme = text.indexOf('://');
  let rest = scheme >= 0 ? text.slice(scheme + 3) : text;

  let tag = DEFAULT_TAG;
  const lastSlash = rest.lastIndexOf('/');
  const colon = rest.lastIndexOf(':');
  if (colon > lastSlash) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
  }
  const parts = rest.split('/');
  if (parts.length > 3) return undefined;
  const model = parts.at(-1) ?? '';
  const namespace = parts.length >= 2 ? (parts.at(-2) ?? '') : DEFAULT_NAMESPACE;
  const host = parts.length === 3 ? (parts[0] ?? '') : DEFAULT_HOST;
  const valid = PART.test(model) && PART.test(tag) && NAMESPACE.test(namespace) && HOST.test(host);
  return valid ? { host, namespace, model, tag } : undefined;
}

/** The shortest text that Ollama prints for this name: defaults left out, except the tag. */
export function displayName(name: ModelName): string {
  const host = name.host === DEFAULT_HOST ? '' : `${name.host}/`;
  const namespace = host === '' && name.namespace === DEFAULT_NAMESPACE ? '' : `${name.namespace}/`;
  return `${host}${namespace}${name.model}:${name.tag}`;
}

/** The key under which a model is compared and stored here: folded case, defaults filled in; undefined = invalid. */
export function modelKey(text: string): string | undefined {
  const known = keys.get(text);
  if (known !== undefined) return known;
  const name = parseModelName(text);
  if (name === undefined) return undefined;
  const key = displayName(name).toLowerCase();
  if (keys.size < keysKept) keys.set(text, key);
  return key;
}

/** The same few names come with every request. */
const keys = new Map<string, string>();
const keysKept = 1_000;

/** Up to three known names that a person may have meant, nearest first. */
export function nearNames(wanted: string, known: readonly string[]): string[] {
  const limit = Math.max(2, Math.floor(wanted.length / 3));
  const base = stripTag(wanted.toLowerCase());
  return known
    .slice(0, 500)
    .map(name => ({ name, distance: nearness(base, wanted.toLowerCase(), name.toLowerCase()) }))
    .filter(candidate => candidate.distance <= limit)
    .sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name))
    .slice(0, 3)
    .map(candidate => candidate.name);
}

function nearness(base: string, wanted: string, known: string): number {
  if (stripTag(known) === base) return 0;
  return Math.min(editDistance(wanted, known), editDistance(base, stripTag(known)));
}

function stripTag(name: string): string {
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? name.slice(0, colon) : name;
}

function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 12 || a.length > 80 || b.length > 80) return Infinity;
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const swap = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(swap, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? Infinity;
}
