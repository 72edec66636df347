// Grammars of JSON schemas, rule by rule. Never runs llama.cpp: test/engine does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JSON_GRAMMAR, schemaGrammar } from './grammar.ts';
import type { JsonObject } from './json.ts';

/** The rules of a schema without the shared ones. */
function rules(schema: JsonObject): string[] {
  const lines = schemaGrammar(schema).split('\n');
  return lines
    .slice(
      0,
      lines.findIndex(line => line.startsWith('ws ::=')),
    )
    .filter(line => line !== '');
}

test('required members come in order, others may be left out', () => {
  const schema = {
    type: 'object',
    properties: { a: { type: 'string' }, b: { type: 'integer' } },
    required: ['a'],
  };
  assert.deepEqual(rules(schema), [
    'root ::= "{" ws r0 ( ws "," ws r1 )? ws "}"',
    String.raw`r0 ::= "\"a\"" ws ":" ws string`,
    String.raw`r1 ::= "\"b\"" ws ":" ws integer`,
  ]);
});

test('values that are fixed stand there as JSON, quotes and all', () => {
  assert.deepEqual(rules({ enum: ['a"b', 1, null] }), [String.raw`root ::= ( "\"a\\\"b\"" | "1" | "null" )`]);
  assert.deepEqual(rules({ const: { x: 1 } }), [String.raw`root ::= "{\"x\":1}"`]);
});

test('alternatives, lists of types and lists with bounds', () => {
  assert.deepEqual(rules({ anyOf: [{ type: 'string' }, { type: 'null' }] }), ['root ::= ( string | null )']);
  assert.deepEqual(rules({ type: ['number', 'boolean'] }), ['root ::= ( number | boolean )']);
  const list = { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 3 };
  assert.deepEqual(rules(list), ['root ::= "[" ws r0 ( ws "," ws r0 ){0,2} ws "]"', 'r0 ::= string']);
});

test('a schema may refer to itself', () => {
  const node = {
    type: 'object',
    properties: { next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
    required: ['next'],
  };
  const found = rules({ $ref: '#/$defs/node', $defs: { node } });
  assert.equal(found[0], 'root ::= r0');
  assert.ok(found.includes(String.raw`r1 ::= "\"next\"" ws ":" ws ( r0 | null )`));
});

test('a schema that cannot be read is the caller’s fault', () => {
  assert.throws(() => schemaGrammar({ $ref: '#/$defs/none' }), {
    status: 400,
    message: /#\/\$defs\/none is not in the schema/,
  });
  assert.throws(() => schemaGrammar({ enum: [] }), { status: 400 });
  let deep: JsonObject = { type: 'string' };
  for (let level = 0; level < 200; level++) deep = { type: 'array', items: deep };
  assert.throws(() => schemaGrammar(deep), { status: 400, message: /nested too deeply/ });
});

test('the grammar of any JSON begins with an object', () => {
  assert.match(JSON_GRAMMAR, /^root ::= object\n/);
});
