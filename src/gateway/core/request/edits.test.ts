// Splicing in place against splicing into a copy. Never a body of real size: the rule is the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyEdits, bodyWithRoom } from './edits.ts';
import type { Edit } from './types.ts';

const bodyBytes = 300_000;
const pattern = Uint8Array.from({ length: bodyBytes }, (_, at) => (at * 31 + (at >> 8)) % 251);

function roomy(): Uint8Array {
  const body = bodyWithRoom(bodyBytes);
  body.set(pattern);
  return body;
}

/** Up to six edits of any length, anywhere, in any order. */
const edits = fc
  .tuple(
    fc.array(fc.nat(bodyBytes), { minLength: 2, maxLength: 12 }),
    fc.array(fc.string({ maxLength: 3_000 }), { minLength: 6, maxLength: 6 }),
    fc.boolean(),
  )
  .map(([places, texts, turned]) => {
    const sorted = places.toSorted((a, b) => a - b);
    const made: Edit[] = [];
    for (let at = 0; at + 1 < sorted.length; at += 2) {
      const [start = 0, end = 0] = sorted.slice(at, at + 2);
      made.push({ span: { start, end }, text: texts[at / 2] ?? '' });
    }
    return turned ? made.toReversed() : made;
  });

test('a body that has room becomes what a copy would', () => {
  const property = fc.property(edits, made => {
    assert.ok(Buffer.from(applyEdits(roomy(), made)).equals(applyEdits(pattern, made)));
  });
  fc.assert(property, { numRuns: 300 });
});

test('a large body with room is not copied for an edit near its beginning or its end', () => {
  for (const start of [10, bodyBytes - 10]) {
    const body = roomy();
    const result = applyEdits(body, [{ span: { start, end: start + 4 }, text: '"a longer name"' }]);
    assert.equal(result.buffer, body.buffer);
  }
});

test('bytes that others may read too are never changed', () => {
  const before = pattern.slice();
  applyEdits(pattern, [{ span: { start: 5, end: 6 }, text: 'x' }]);
  const part = roomy().subarray(1_000);
  const kept = part.slice();
  applyEdits(part, [{ span: { start: 5, end: 6 }, text: 'x' }]);
  assert.deepEqual([pattern, part], [before, kept]);
});
