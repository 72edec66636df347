// What an alias means in a request that changes models: a table. Never starts a server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BigoError } from '../../api/errors.ts';
import { parseModelChange } from '../core/request/change.ts';
import { ROUTES } from '../core/request/routes.ts';
import { withoutAliases, type KnownModels } from './aliases.ts';

const aliases = new Map([
  ['fast:latest', 'm:1'],
  ['hidden:latest', 'm:1'],
]);
const models: KnownModels = { aliased: key => aliases.get(key), isKnown: key => key === 'hidden:latest' };

function resolved(id: string, body: object): unknown {
  const route = ROUTES.find(candidate => candidate.id === id);
  assert.ok(route);
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const change = parseModelChange(route, bytes);
  assert.ok(!(change instanceof BigoError));
  return JSON.parse(new TextDecoder().decode(withoutAliases(models, route, { change, body: bytes }).body));
}

test('a change that reads an alias reads the model behind it', () => {
  assert.deepEqual(resolved('pull', { model: 'fast' }), { model: 'm:1' });
  assert.deepEqual(resolved('push', { name: 'FAST:latest' }), { name: 'm:1' });
  assert.deepEqual(resolved('copy', { source: 'fast', destination: 'x' }), {
    source: 'm:1',
    destination: 'x',
  });
  assert.deepEqual(resolved('create', { model: 'x', from: 'fast' }), { model: 'x', from: 'm:1' });
});

test('other names stay as they were written', () => {
  const body = { source: 'Other', destination: 'x' };
  assert.deepEqual(resolved('copy', body), body);
});

test('nothing is made under the name of an alias, which would hide it', () => {
  const refused = { code: 'bad_request', message: /fast is an alias of m:1/ };
  assert.throws(() => resolved('copy', { source: 'm:1', destination: 'fast' }), refused);
  assert.throws(() => resolved('create', { model: 'fast', from: 'm:1' }), refused);
});

test('deleting an alias is refused, but a model that an alias hides can be deleted', () => {
  assert.throws(() => resolved('delete', { model: 'fast' }), { code: 'bad_request' });
  assert.deepEqual(resolved('delete', { model: 'hidden' }), { model: 'hidden' });
});
