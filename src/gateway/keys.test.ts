// API keys: who is let in as whom, what a wrong file says, and that no key is ever shown.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { BigoError } from '../api/errors.ts';
import { createKey, hashKey, KeyRing, readKeys } from './keys.ts';

function withFile(text: string, body: (file: string) => void): void {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bigo-keys-'));
  try {
    const file = path.join(dir, 'keys.yaml');
    fs.writeFileSync(file, text);
    body(file);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

const { key, hash } = createKey();
const FILE = `keys:\n  - id: alice\n    hash: ${hash}\n    models: [M, llama3.2:1b]\n    priority: low\n`;

function ringOf(file: string): KeyRing {
  const ring = new KeyRing();
  ring.use(file);
  return ring;
}

test('a key is known by Bearer and by x-api-key, and carries role, models and priority', () =>
  withFile(FILE, file => {
    const ring = ringOf(file);
    for (const headers of [
      { authorization: `Bearer ${key}` },
      { authorization: `bearer  ${key} ` },
      { 'x-api-key': key },
    ]) {
      const identity = ring.identify(headers);
      assert.ok(!(identity instanceof BigoError));
      assert.deepEqual(
        [identity.tenant, identity.role, identity.priorityMax, [...(identity.models ?? [])]],
        ['alice', 'user', 'low', ['m:latest', 'llama3.2:1b']],
      );
    }
  }));

test('without keys everybody may do all, or all but changing models', () => {
  const ring = new KeyRing();
  const roles = (['admin', 'inference'] as const).map(role => {
    ring.use(undefined, role);
    const identity = ring.identify({});
    return identity instanceof BigoError ? identity.code : identity.role;
  });
  assert.deepEqual(roles, ['admin', 'user']);
});

const WRONG: readonly Record<string, string>[] = [
  {},
  { authorization: key },
  { authorization: `Basic ${key}` },
  { authorization: `Bearer ${key}x` },
  { authorization: `Bearer ${hash}` },
  { 'x-api-key': '' },
  { 'x-api-key': 'a'.repeat(600) },
];
test('anything else is 401', () =>
  withFile(FILE, file => {
    const ring = ringOf(file);
    for (const headers of WRONG) {
      const error = ring.identify(headers);
      assert.ok(error instanceof BigoError && error.status === 401, JSON.stringify(headers));
      assert.doesNotMatch(error.message, /bigo-|sha256/);
    }
  }));

test('keys are new each time, and their hash does not contain them', () => {
  const keys = Array.from({ length: 50 }, () => createKey());
  assert.equal(new Set(keys.map(one => one.key)).size, 50);
  for (const one of keys) {
    assert.equal(hashKey(one.key), one.hash);
    assert.equal(one.hash.includes(one.key), false);
  }
});

test('JSON is taken as well as YAML, and an empty file means no key at all', () => {
  withFile(JSON.stringify({ keys: [{ id: 'a', hash, role: 'admin' }] }), file => {
    const identity = ringOf(file).identify({ 'x-api-key': key });
    assert.ok(!(identity instanceof BigoError) && identity.role === 'admin' && identity.models === undefined);
  });
  withFile('', file => assert.ok(ringOf(file).identify({ 'x-api-key': key }) instanceof BigoError));
});

const BROKEN: readonly [string, RegExp][] = [
  ['{', /neither YAML nor JSON/],
  ['keys: 5', /wrong at keys/],
  [`keys: [{id: a, hash: ${key}}]`, /wrong at keys\.0\.hash/],
  [`keys: [{id: a, hash: "${hash}", role: root}]`, /wrong at keys\.0\.role/],
  [`keys: [{id: "a b", hash: "${hash}"}]`, /wrong at keys\.0\.id/],
  [`keys: [{id: a, hash: "${hash}", secret: x}]`, /wrong at keys\.0/],
];
test('a wrong file says where it is wrong, and never shows what stands there', () => {
  for (const [text, message] of BROKEN) {
    withFile(text, file => {
      assert.throws(() => readKeys(file), message);
      assert.throws(
        () => readKeys(file),
        (error: Error) => !error.message.includes(key),
      );
    });
  }
  assert.throws(() => readKeys('/nowhere/keys.yaml'), /Cannot read/);
});
