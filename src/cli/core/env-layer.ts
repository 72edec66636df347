// BIGO_* variables as a configuration layer: `gateway.queue.wait_max` is BIGO_GATEWAY_QUEUE_WAIT_MAX. Never reads the environment itself.
import type { ConfigKey } from '../../api/config-keys.ts';
import { nearNames } from '../../api/names.ts';
import type { Layer } from './layers.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Only plain values can be given by a variable; lists are separated by commas. */
const KINDS = new Set(['text', 'whole', 'flag', 'list', 'path', 'secret']);
const OURS = /^BIGO_(WORKERS|BUS|GATEWAY|ENGINE)_/;

function variableName(path: string): string {
  return `BIGO_${path.replaceAll('.', '_').toUpperCase()}`;
}

export function variableKeys(keys: readonly ConfigKey[]): ReadonlyMap<string, ConfigKey> {
  const usable = keys.filter(key => KINDS.has(key.kind) && !key.path.includes('[]'));
  return new Map([
    ...usable.map(key => [variableName(key.path), key] as const),
    ...keys.filter(key => key.path === 'gateway.backends').map(key => [variableName(key.path), key] as const),
  ]);
}

export function envLayer(env: Environment, keys: readonly ConfigKey[]): Layer {
  const root: Record<string, unknown> = {};
  const places = new Map<string, string>();
  for (const [name, key] of variableKeys(keys)) {
    const text = env[name];
    if (text === undefined || text === '') continue;
    setPath(root, key.path.split('.'), readValue(text, key));
    places.set(key.path, name);
  }
  return { origin: 'environment', value: root, places };
}

/** Variables that look like ours and are not: most likely a slip. Only a warning, since Kubernetes makes such names too. */
export function unknownVariables(env: Environment, keys: readonly ConfigKey[]): string[] {
  const known = [...variableKeys(keys).keys()];
  return Object.keys(env)
    .filter(name => OURS.test(name) && !known.includes(name))
    .map(name => {
      const near = nearNames(name, known)[0];
      return `${name} is not a variable of BigO${near === undefined ? '' : `: did you mean ${near}?`}`;
    });
}

function readValue(text: string, key: ConfigKey): unknown {
  if (key.kind === 'whole') return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
  if (key.kind === 'flag')
    return { true: true, '1': true, false: false, '0': false }[text.toLowerCase()] ?? text;
  if (key.kind === 'list') return splitList(text, ',');
  // A backend's own fields are separated by commas, so backends are separated by blanks.
  if (key.kind === 'items') return splitList(text, /\s+/);
  return text;
}

function splitList(text: string, separator: string | RegExp): string[] {
  return text
    .split(separator)
    .map(part => part.trim())
    .filter(part => part !== '');
}

export function setPath(root: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let node = root;
  for (const part of path.slice(0, -1)) {
    node[part] ??= {};
    node = node[part] as Record<string, unknown>;
  }
  node[path.at(-1) ?? ''] = value;
}
