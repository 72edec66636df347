// The rules of a streaming gateway (docs/adr/0005-correctness-rules.md lists them): each has a test whose name begins with its number.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';

const rulesCount = 34;

test('each of the 34 rules is named by a test', () => {
  const folder = new URL('.', import.meta.url);
  const text = fs
    .readdirSync(folder)
    .filter(file => file.startsWith('rules-'))
    .map(file => fs.readFileSync(new URL(file, folder), 'utf8'))
    .join('\n');
  const named = new Set([...text.matchAll(/test\(\s*[`']rule (\d+):/g)].map(match => Number(match[1])));
  const missing = Array.from({ length: rulesCount }, (_, index) => index + 1).filter(
    rule => !named.has(rule),
  );
  assert.deepEqual(missing, []);
});
