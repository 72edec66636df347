// Stop texts, however the answer is cut into pieces. Never judges text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stopScanner } from './stop.ts';

function scan(stops: readonly string[], pieces: readonly string[]): { text: string; stopped: boolean } {
  const scanner = stopScanner(stops);
  let text = '';
  for (const piece of pieces) {
    text += scanner.push(piece);
    if (scanner.stopped) return { text, stopped: true };
  }
  return { text: text + scanner.flush(), stopped: false };
}

test('without stop texts every piece goes through as it is', () => {
  assert.deepEqual(scan([], ['a', '', 'b']), { text: 'ab', stopped: false });
  assert.deepEqual(scan([''], ['a']), { text: 'a', stopped: false });
});

test('text is cut before a stop text, wherever the pieces are cut', () => {
  assert.deepEqual(scan(['END'], ['abE', 'N', 'Dxyz']), { text: 'ab', stopped: true });
  assert.deepEqual(scan(['END'], ['abE', 'N', 'x']), { text: 'abENx', stopped: false });
});

test('a held-back beginning comes out when the answer ends', () => {
  assert.deepEqual(scan(['</s>'], ['a<', '/']), { text: 'a</', stopped: false });
});

test('any cutting of a text gives the same result as the whole text', () => {
  const alphabet = fc.constantFrom('a', 'b', 'c');
  const text = fc.array(alphabet, { maxLength: 40 }).map(parts => parts.join(''));
  const stop = fc.array(alphabet, { minLength: 1, maxLength: 3 }).map(parts => parts.join(''));
  fc.assert(
    fc.property(text, stop, fc.array(fc.nat(5), { maxLength: 40 }), (whole, one, cuts) => {
      const pieces: string[] = [];
      let at = 0;
      for (const cut of cuts) pieces.push(whole.slice(at, (at += cut)));
      pieces.push(whole.slice(at));
      const found = scan([one], pieces);
      const expected = whole.includes(one) ? whole.slice(0, whole.indexOf(one)) : whole;
      assert.equal(found.text, expected);
      assert.equal(found.stopped, whole.includes(one));
    }),
  );
});
