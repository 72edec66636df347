// Requests that change models, as tables: names, sources, blobs, and what is refused. Never a whole server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BigoError } from '../../../api/errors.ts';
import { parseModelChange } from './change.ts';
import { ROUTES } from './routes.ts';

function change(id: string, body: unknown): ReturnType<typeof parseModelChange> {
  const route = ROUTES.find(candidate => candidate.id === id);
  assert.ok(route);
  return parseModelChange(
    route,
    new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body)),
  );
}

function code(id: string, body: unknown): string {
  const result = change(id, body);
  return result instanceof BigoError ? result.code : 'read';
}

test('a pull streams unless it says no, and knows its model by either key', () => {
  const pull = change('pull', '{"name":"m","insecure":true}');
  assert.ok(!(pull instanceof BigoError));
  assert.deepEqual(pull, {
    model: 'm',
    modelSpan: { start: 8, end: 11 },
    stream: true,
    insecure: true,
    digests: [],
  });
  const both = change('pull', '{"name":"n","model":"m","stream":false}');
  assert.ok(!(both instanceof BigoError));
  assert.equal(both.model, 'm');
  assert.equal(both.stream, false);
  const empty = change('delete', '{"model":"","name":"n"}');
  assert.ok(!(empty instanceof BigoError));
  assert.equal(empty.model, 'n');
  assert.equal(empty.stream, false);
});

test('a create names its model, its source and its blobs', () => {
  const one = `sha256:${'1'.repeat(64)}`;
  const two = `sha256:${'2'.repeat(64)}`;
  const create = change('create', {
    model: 'm',
    from: 'base:1b',
    files: { 'a.gguf': one },
    adapters: { b: two },
  });
  assert.ok(!(create instanceof BigoError));
  assert.deepEqual(create.digests, [one, two]);
  assert.equal(create.from, 'base:1b');
});

test('a copy has a source and a destination', () => {
  const copy = change('copy', '{"source":"a","destination":"b:x"}');
  assert.ok(!(copy instanceof BigoError));
  assert.deepEqual([copy.model, copy.destination], ['a', 'b:x']);
  assert.deepEqual(copy.destinationSpan, { start: 28, end: 33 });
  assert.equal(code('copy', '{"source":"a"}'), 'missing_model');
  assert.equal(code('copy', '{"destination":"a"}'), 'missing_model');
});

for (const [id, body, expected] of [
  ['pull', '', 'bad_json'],
  ['pull', '{}', 'missing_model'],
  ['pull', '{"model":7}', 'bad_request'],
  ['pull', '{"model":"m","name":"../x"}', 'read'],
  ['pull', '{"model":"../x/y/z/w"}', 'invalid_model_name'],
  ['pull', '{"model":"m","stream":"no"}', 'bad_request'],
  ['pull', '{"model":"m","insecure":1}', 'bad_request'],
  ['pull', '{"model":"m","Model":"n"}', 'ambiguous_key'],
  ['delete', '{"name":"m","NAME":"n"}', 'ambiguous_key'],
  ['copy', '{"source":"a","\u017fource":"b","destination":"c"}', 'ambiguous_key'],
  ['copy', '{"source":"a","destination":"c","destination":"d"}', 'ambiguous_key'],
  ['create', '{"model":"m","from":"a","FROM":"b"}', 'ambiguous_key'],
  ['create', '{"model":"m","files":[]}', 'bad_request'],
  ['show', '{"model":"m","verbose":true}', 'read'],
] as const) {
  test(`${id} with ${body} is ${expected}`, () => {
    assert.equal(code(id, body), expected);
  });
}
