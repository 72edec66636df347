// Turns a JSON schema into llama.cpp's GBNF, so that a model can write nothing else. Constrains the form only: patterns and bounds of numbers are passed over.
import { badRequest } from './failure.ts';
import { isObject } from './json.ts';
import type { JsonObject } from './json.ts';

/** Rules that every grammar shares; white space is bounded so that a weak model cannot write it for ever. */
const SHARED = String.raw`ws ::= ( " " | "\n" [ \t]{0,20} )?
value ::= object | array | string | number | boolean | null
object ::= "{" ws ( member ( ws "," ws member )* )? ws "}"
member ::= string ws ":" ws value
array ::= "[" ws ( value ( ws "," ws value )* )? ws "]"
string ::= "\"" char* "\""
char ::= [^"\\\x7F\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} )
integer ::= "-"? ( "0" | [1-9] [0-9]{0,15} )
number ::= integer ( "." [0-9]{1,15} )? ( [eE] [-+]? [0-9]{1,3} )?
boolean ::= "true" | "false"
null ::= "null"
date ::= "\"" [0-9]{4} "-" ( "0" [1-9] | "1" [0-2] ) "-" ( "0" [1-9] | [1-2] [0-9] | "3" [0-1] ) "\""
uuid ::= "\"" [0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12} "\""
`;

export const JSON_GRAMMAR = `root ::= object\n${SHARED}`;

const rulesMax = 5_000;
const schemaDepthMax = 100;
/** llama.cpp writes a counted repetition out; larger bounds are not worth their size. */
const repeatMax = 500;

interface Build {
  readonly root: JsonObject;
  readonly rules: string[];
  /** Rules of `$ref` targets, so that a schema may name itself. */
  readonly references: Map<string, string>;
  depth: number;
}

export function schemaGrammar(schema: JsonObject): string {
  const build: Build = { root: schema, rules: [], references: new Map(), depth: 0 };
  const root = expression(build, schema);
  return `root ::= ${root}\n${build.rules.join('\n')}\n${SHARED}`;
}

function expression(build: Build, schema: unknown): string {
  if (!isObject(schema)) return 'value';
  if (++build.depth > schemaDepthMax)
    throw badRequest('invalid JSON schema in format: it is nested too deeply');
  try {
    return expressionOf(build, schema);
  } finally {
    build.depth--;
  }
}

/** 1 reference · 2 alternatives · 3 all of several · 4 fixed values · 5 by type. */
function expressionOf(build: Build, schema: JsonObject): string {
  if (typeof schema['$ref'] === 'string') return reference(build, schema['$ref']);
  const alternatives = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(alternatives)) return oneOf(alternatives.map(item => expression(build, item)));
  if (Array.isArray(schema['allOf'])) return expression(build, merged(build, schema, schema['allOf']));
  if ('const' in schema) return literal(JSON.stringify(schema['const']));
  if (Array.isArray(schema['enum'])) return oneOf(schema['enum'].map(item => literal(JSON.stringify(item))));
  return byType(build, schema, schema['type']);
}

function byType(build: Build, schema: JsonObject, type: unknown): string {
  if (Array.isArray(type)) return oneOf(type.map(item => byType(build, schema, item)));
  switch (type) {
    case 'object':
      return objectOf(build, schema);
    case 'array':
      return arrayOf(build, schema);
    case 'string':
      return stringOf(schema);
    case 'number':
    case 'integer':
    case 'boolean':
    case 'null':
      return type;
    default:
      if (isObject(schema['properties'])) return objectOf(build, schema);
      return isObject(schema['items']) ? arrayOf(build, schema) : 'value';
  }
}

function oneOf(parts: readonly string[]): string {
  if (parts.length === 0) throw badRequest('invalid JSON schema in format: a list of alternatives is empty');
  return parts.length === 1 ? (parts[0] ?? '') : `( ${parts.join(' | ')} )`;
}

function literal(json: string): string {
  return `"${json.replace(/[\\"]/g, '\\$&')}"`;
}

function addRule(build: Build, body: string): string {
  const name = `r${build.rules.length}`;
  if (build.rules.length >= rulesMax) throw badRequest('invalid JSON schema in format: it is too large');
  build.rules.push(`${name} ::= ${body}`);
  return name;
}

/** The rule's name is known before its body: a schema may refer to itself. */
function reference(build: Build, pointer: string): string {
  const known = build.references.get(pointer);
  if (known !== undefined) return known;
  const at = build.rules.length;
  const name = addRule(build, '');
  build.references.set(pointer, name);
  build.rules[at] = `${name} ::= ${expression(build, resolved(build, pointer))}`;
  return name;
}

function resolved(build: Build, pointer: string): unknown {
  const keys = pointer.startsWith('#') ? pointer.slice(1).split('/').filter(Boolean) : undefined;
  const target = keys?.reduce<unknown>(
    (node, key) => (isObject(node) ? node[key.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined),
    build.root,
  );
  if (target === undefined)
    throw badRequest(`invalid JSON schema in format: ${pointer} is not in the schema`);
  return target;
}

/** allOf is read as one object with everybody's properties. */
function merged(build: Build, schema: JsonObject, parts: readonly unknown[]): JsonObject {
  const { allOf: _, ...own } = schema;
  const all = [...parts.map(part => followed(build, part)), own];
  const rest = Object.assign({}, ...all) as JsonObject;
  const properties = Object.assign({}, ...all.map(part => part['properties'] ?? {})) as JsonObject;
  const required = all.flatMap(part => (Array.isArray(part['required']) ? part['required'] : []));
  return Object.keys(properties).length === 0 ? rest : { ...rest, type: 'object', properties, required };
}

function followed(build: Build, part: unknown): JsonObject {
  if (!isObject(part)) return {};
  const target = typeof part['$ref'] === 'string' ? resolved(build, part['$ref']) : part;
  return isObject(target) ? target : {};
}

/** Required members come first, then any of the others, each in the schema's order, as llama.cpp has it. */
function objectOf(build: Build, schema: JsonObject): string {
  const properties = isObject(schema['properties']) ? Object.entries(schema['properties']) : [];
  if (properties.length === 0) return mapOf(build, schema['additionalProperties']);
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  const member = ([key, value]: [string, unknown]): string =>
    addRule(build, `${literal(JSON.stringify(key))} ws ":" ws ${expression(build, value)}`);
  const firsts = properties.filter(([key]) => required.includes(key)).map(member);
  const others = properties.filter(([key]) => !required.includes(key)).map(member);
  const body = firsts.length > 0 ? withRest(firsts, others) : anyOfThese(build, others);
  return `"{" ws ${body} ws "}"`;
}

function withRest(firsts: readonly string[], others: readonly string[]): string {
  return firsts.join(' ws "," ws ') + others.map(other => ` ( ws "," ws ${other} )?`).join('');
}

function anyOfThese(build: Build, members: readonly string[]): string {
  const starts = members.map((member, at) => withRest([member], members.slice(at + 1)));
  return `${addRule(build, starts.join(' | '))}?`;
}

function mapOf(build: Build, values: unknown): string {
  if (!isObject(values)) return 'object';
  const member = addRule(build, `string ws ":" ws ${expression(build, values)}`);
  return `"{" ws ( ${member} ( ws "," ws ${member} )* )? ws "}"`;
}

function arrayOf(build: Build, schema: JsonObject): string {
  const prefix = schema['prefixItems'];
  if (Array.isArray(prefix)) {
    return `"[" ws ${prefix.map(item => expression(build, item)).join(' ws "," ws ')} ws "]"`;
  }
  const item = addRule(build, expression(build, schema['items']));
  const least = bound(schema['minItems']) ?? 0;
  const most = bound(schema['maxItems']);
  if (most === 0) return '"[" ws "]"';
  const more = `( ws "," ws ${item} ){${Math.max(0, least - 1)},${most === undefined ? '' : most - 1}}`;
  return least > 0 ? `"[" ws ${item} ${more} ws "]"` : `"[" ws ( ${item} ${more} )? ws "]"`;
}

function stringOf(schema: JsonObject): string {
  if (schema['format'] === 'date' || schema['format'] === 'uuid') return schema['format'];
  const least = bound(schema['minLength']);
  const most = bound(schema['maxLength']);
  if (least === undefined && most === undefined) return 'string';
  return `"\\"" char{${least ?? 0},${most ?? ''}} "\\""`;
}

function bound(value: unknown): number | undefined {
  const usable = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= repeatMax;
  return usable ? value : undefined;
}
