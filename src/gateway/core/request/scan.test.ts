// The scanner against JSON.parse as oracle, whole and in pieces.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createScanner, depthMax, membersMax, type ScanResult, scanObject } from './scan.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** The object as it comes out of the members' spans. */
function rebuilt(body: Uint8Array, scanned: ScanResult): [string, unknown][] {
  assert.ok(!scanned.failed);
  const entries = new Map<string, unknown>();
  for (const { keyStart, keyEnd, start, end } of scanned.members) {
    const key = JSON.parse(`"${decode(body.subarray(keyStart, keyEnd))}"`) as string;
    entries.set(key, JSON.parse(decode(body.subarray(start, end))));
  }
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}

function sorted(value: Record<string, unknown>): [string, unknown][] {
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}

function scanInPieces(body: Uint8Array, sizes: readonly number[]): ScanResult {
  const scanner = createScanner();
  let at = 0;
  for (let turn = 0; at < body.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    scanner.push(body.slice(at, at + size));
    at += size;
  }
  return scanner.end();
}

const objects = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 8 });
const layouts = fc.constantFrom(undefined, 1, '\t', '\r\n ');

test('every object that JSON.parse reads is read, with the same members', () => {
  fc.assert(
    fc.property(objects, layouts, (value, layout) => {
      const text = JSON.stringify(value, null, layout);
      const body = encode(text);
      assert.deepEqual(rebuilt(body, scanObject(body)), sorted(parsed(text) ?? {}));
    }),
    { numRuns: 2000 },
  );
});

const spoilers = fc.constantFrom(
  ...'{}[]",:\\/ \n0123456789-+.eEtfnabulrs\u0000\u001f\u00e9\ufeff'.split(''),
  'null',
  'NaN',
  '\\u12',
  '\\ud800',
  '1e5',
  '-0',
  '01',
);

test('a spoiled text is accepted exactly when JSON.parse accepts it as an object', () => {
  fc.assert(
    fc.property(objects, fc.nat(), fc.nat({ max: 3 }), spoilers, (value, place, cut, spoiler) => {
      const text = JSON.stringify(value);
      const at = place % (text.length + 1);
      const spoiled = encode(text.slice(0, at) + spoiler + text.slice(at + cut));
      const expected = parsed(decode(spoiled));
      const scanned = scanObject(spoiled);
      assert.equal(!scanned.failed, expected !== undefined, decode(spoiled));
      if (expected !== undefined) assert.deepEqual(rebuilt(spoiled, scanned), sorted(expected));
    }),
    { numRuns: 8000 },
  );
});

test('how a text is cut into pieces changes nothing, hashes and errors included', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });
  const noise = fc.tuple(objects, fc.constantFrom('', ',', '}', '\\'));
  fc.assert(
    fc.property(noise, sizes, ([value, end], pieces) => {
      const body = encode(JSON.stringify({ ...value, messages: [value, 'x'.repeat(700)] }) + end);
      assert.deepEqual(scanInPieces(body, pieces), scanObject(body));
    }),
    { numRuns: 1500 },
  );
});

const refused: readonly [string, string][] = [
  ['', 'empty'],
  ['  \n', 'empty'],
  ['[]', 'one JSON object'],
  ['"model"', 'one JSON object'],
  ['null', 'one JSON object'],
  ['<html>', 'one JSON object'],
  ['\ufeff{}', 'byte order mark'],
  ['{"a":1}{"b":2}', 'more follows'],
  ['{"a":1} x', 'more follows'],
  ['{"a":NaN}', 'a value was expected'],
  ['{"a":Infinity}', 'a value was expected'],
  ['{"a":nul}', 'misspelt'],
  ['{"a":01}', 'not a number'],
  ['{"a":.5}', 'a value was expected'],
  ['{"a":+1}', 'a value was expected'],
  ['{"a":1.}', 'not a number'],
  ['{"a":0x1}', 'a comma or }'],
  ['{"a":1,}', 'a key in double quotes'],
  ['{"a":[1,]}', 'a value was expected'],
  ['{a:1}', 'a key in double quotes'],
  ["{'a':1}", 'a key in double quotes'],
  ['{"a" 1}', 'a colon'],
  ['{"a":"\n"}', 'control character'],
  ['{"a":"\\x"}', 'escape'],
  ['{"a":"\\u12g4"}', 'hexadecimal'],
  ['{"a":[1}', 'a comma or ]'],
  ['{"a":1', 'breaks off after 6 bytes'],
  ['{"a":"b', 'breaks off'],
  ['{/*c*/}', 'a key in double quotes'],
];

for (const [text, why] of refused) {
  test(`refused, and said why: ${JSON.stringify(text)}`, () => {
    const scanned = scanObject(encode(text));
    assert.ok(scanned.failed);
    assert.ok(scanned.message.includes(why), scanned.message);
  });
}

test('nesting up to the limit is read, one level more is refused', () => {
  const nested = (levels: number): Uint8Array =>
    encode(`{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`);
  assert.equal(scanObject(nested(depthMax)).failed, false);
  const deeper = scanObject(nested(depthMax + 1));
  assert.ok(deeper.failed && deeper.message.includes('nested deeper'));
  assert.ok(scanObject(encode('{"a":' + '['.repeat(1_000_000))).failed);
});

test('more keys than the limit are refused', () => {
  const keys = Array.from({ length: membersMax + 1 }, (_, index) => `"k${index}":1`);
  const scanned = scanObject(encode(`{${keys.join(',')}}`));
  assert.ok(scanned.failed && scanned.message.includes('keys'));
});

test('pictures in base64 are told apart from text', () => {
  const picture = 'iVBORw0KGgo'.repeat(200);
  const prose = 'a picture of a café, '.repeat(200);
  const body = encode(JSON.stringify({ messages: [{ content: prose, images: [picture] }] }));
  const scanned = scanObject(body);
  assert.ok(!scanned.failed);
  assert.equal(scanned.members[0]?.blobBytes, picture.length);
});

test('of many messages the first eight and the latest twenty-three are marked, in their order', () => {
  for (const count of [30, 31, 32, 54, 55, 1_000]) {
    const scanned = scanObject(
      encode(JSON.stringify({ messages: Array.from({ length: count }, () => ({})) })),
    );
    assert.ok(!scanned.failed);
    // "[{},{},…": each message ends three bytes after the one before.
    const ends = Array.from({ length: count }, (_, index) => 3 * (index + 1));
    const expected = count <= 31 ? ends : [...ends.slice(0, 8), ...ends.slice(-23)];
    assert.deepEqual(
      scanned.members[0]?.boundaries.map(({ bytes }) => bytes),
      expected,
    );
  }
});
