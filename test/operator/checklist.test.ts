// The checklist names tests that exist, so that a renamed or deleted test does not leave a tick behind.
// Never runs a test that it names.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

const root = path.resolve(import.meta.dirname, '../..');

test('every tick of the checklist names a test that exists, and every open line says why', async () => {
  const text = await readFile(path.join(root, 'docs/operator-checklist.md'), 'utf8');
  const lines = text.split('\n').filter(line => line.startsWith('- ['));
  assert.ok(lines.length > 40);
  const missing: string[] = [];
  for (const line of lines) {
    const named = [...line.matchAll(/`([^`]+\.ts)` (“[^`]*”)/g)];
    assert.ok(named.length > 0 || !line.startsWith('- [x]') || line.includes('The same test'), line);
    for (const [, file = '', names = ''] of named) {
      const source = await readFile(path.join(root, file), 'utf8');
      const tests = names.split('”, “').map(name => name.replace(/^“|”[.;]?$/g, ''));
      missing.push(...tests.filter(name => !source.includes(name)).map(name => `${file}: ${name}`));
    }
  }
  assert.deepEqual(missing, []);
});
