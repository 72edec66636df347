// Narrow reads of parsed JSON, with the messages that Ollama's decoder gives. Never guesses a type.
import { badRequest } from './failure.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** How Go's encoding/json names what it found. */
function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}

const GO_TYPES = {
  string: 'string',
  boolean: 'bool',
  number: 'int',
  array: '[]interface {}',
  object: 'map',
} as const;

interface Kinds {
  string: string;
  boolean: boolean;
  number: number;
  array: readonly unknown[];
  object: JsonObject;
}

/** A reader of one object's fields; `struct` is the name Ollama's messages use. */
export interface Fields {
  /** null and absent are both undefined, as they are to Go. */
  read<K extends keyof Kinds>(name: string, kind: K): Kinds[K] | undefined;
  raw(name: string): unknown;
}

export function fieldsOf(struct: string, body: JsonObject): Fields {
  return {
    raw: name => body[name],
    read(name, kind) {
      const value = body[name];
      if (value === undefined || value === null) return undefined;
      const found = Array.isArray(value) ? 'array' : typeof value;
      if (found !== kind) throw mismatch(struct, name, { value, goType: GO_TYPES[kind] });
      return value as Kinds[typeof kind];
    },
  };
}

export function mismatch(struct: string, name: string, found: { value: unknown; goType: string }): Error {
  const where = `Go struct field ${struct}.${name} of type ${found.goType}`;
  return badRequest(`json: cannot unmarshal ${kindOf(found.value)} into ${where}`);
}

export function objectList(fields: Fields, struct: string, name: string): readonly JsonObject[] | undefined {
  const list = fields.read(name, 'array');
  if (list === undefined) return undefined;
  const wrong = list.find(item => !isObject(item));
  if (wrong !== undefined) throw mismatch(struct, name, { value: wrong, goType: 'struct' });
  return list as readonly JsonObject[];
}

export function stringList(fields: Fields, struct: string, name: string): readonly string[] | undefined {
  const list = fields.read(name, 'array');
  if (list === undefined) return undefined;
  const wrong = list.find(item => typeof item !== 'string');
  if (wrong !== undefined) throw mismatch(struct, name, { value: wrong, goType: 'string' });
  return list as readonly string[];
}

/** The text, or '' when it is none. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
