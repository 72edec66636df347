// Manifests, digests and the names in the store. Never opens a file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseModelName } from '../../api/names.ts';
import {
  blobFileName,
  blobsOf,
  checkDigest,
  existingName,
  layersOf,
  mediaTypeOf,
  nameFromPath,
  parseManifest,
  sizeOf,
  writeManifest,
} from './manifest.ts';

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const layer = (digit: string, size: number) => ({
  mediaType: mediaTypeOf('model'),
  digest: digest(digit),
  size,
});

test('a written manifest reads as it was', () => {
  const config = { mediaType: mediaTypeOf('config'), digest: digest('c'), size: 7 };
  const manifest = parseManifest(writeManifest(config, [layer('a', 10)]));
  assert.deepEqual(manifest, { config, layers: [layer('a', 10)] });
  assert.equal(sizeOf(manifest), 17);
  assert.deepEqual(layersOf(manifest, 'system'), []);
});

test('a blob that is named twice is needed once', () => {
  const manifest = { config: undefined, layers: [layer('a', 1), layer('a', 1), layer('b', 2)] };
  assert.deepEqual(
    blobsOf(manifest).map(one => one.digest),
    [digest('a'), digest('b')],
  );
});

test('a manifest without layers, or with a digest that is none, is refused', () => {
  const broken = [
    '',
    '[]',
    '{}',
    '{"layers":[{"digest":"sha256:../../x","size":1}]}',
    `{"layers":[{"digest":"${digest('a')}","size":-1}]}`,
  ];
  for (const text of broken) assert.throws(() => parseManifest(text), { status: 500 });
});

test('no text but a digest becomes a file name', () => {
  assert.equal(blobFileName(digest('A')), `sha256-${'a'.repeat(64)}`);
  assert.equal(checkDigest(`sha256-${'0'.repeat(64)}`), digest('0'));
  fc.assert(
    fc.property(fc.string(), text => {
      fc.pre(!/^sha256[:-][0-9a-fA-F]{64}$/.test(text));
      assert.throws(() => blobFileName(text), { status: 400, message: 'invalid digest format' });
    }),
  );
});

test('names are found in the case in which they are stored', () => {
  const known = [parseModelName('Library/LLama:Big')!, parseModelName('other')!];
  assert.deepEqual(existingName(parseModelName('library/llama:BIG')!, known), known[0]);
  assert.equal(existingName(parseModelName('new:1')!, known).model, 'new');
});

test('a path of the store is a name only when all four parts are', () => {
  assert.equal(nameFromPath(['127.0.0.1:5000', 'library', 'tiny', '1'])?.host, '127.0.0.1:5000');
  assert.equal(nameFromPath(['library', 'tiny', '1']), undefined);
  assert.equal(nameFromPath(['h', 'n', '..', '1']), undefined);
});
