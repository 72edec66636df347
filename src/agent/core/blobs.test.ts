// Rules of which blob is hashed next and which is wrong. Never opens a file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doubted, hashed, nextToHash, seenBlobs, wrongBlobs, type BlobBook } from './blobs.ts';

const hourMs = 3_600_000;
const aFile = (digest: string, mark = 'm1', sizeBytes = 10) => ({ digest, mark, sizeBytes });
const right = (nowMs: number) => ({ isRight: true, nowMs });
const wrong = (nowMs: number) => ({ isRight: false, nowMs });
const aBook = (...digests: string[]): BlobBook =>
  seenBlobs(
    new Map(),
    digests.map(digest => aFile(digest)),
  );

test('a new blob is hashed, once, and again when the interval is over', () => {
  const book = aBook('a');
  assert.equal(nextToHash(book, 0, hourMs)?.digest, 'a');
  const done = hashed(book, aFile('a'), right(0));
  assert.equal(nextToHash(done, hourMs - 1, hourMs), undefined);
  assert.equal(nextToHash(done, hourMs, hourMs)?.digest, 'a');
  assert.equal(nextToHash(done, 1e12, Infinity), undefined);
});

test('a blob whose file changed is hashed before those that only grew old', () => {
  let book = hashed(hashed(aBook('a', 'b'), aFile('a'), right(0)), aFile('b'), right(5));
  book = seenBlobs(book, [aFile('a'), aFile('b', 'm2')]);
  assert.equal(nextToHash(book, 10 * hourMs, hourMs)?.digest, 'b');
});

test('a doubted blob comes first of all', () => {
  const book = doubted(hashed(aBook('a', 'b'), aFile('b'), right(0)), ['b', 'unknown']);
  assert.equal(nextToHash(book, 1, hourMs)?.digest, 'b');
});

test('a wrong blob stays wrong until its file is another one', () => {
  const book = hashed(aBook('a'), aFile('a'), wrong(0));
  assert.deepEqual(
    wrongBlobs(book).map(blob => blob.digest),
    ['a'],
  );
  assert.equal(nextToHash(book, 1e9, hourMs), undefined);
  assert.equal(wrongBlobs(seenBlobs(book, [aFile('a')])).length, 1);
  assert.equal(wrongBlobs(seenBlobs(book, [aFile('a', 'm2')])).length, 0);
  assert.equal(wrongBlobs(seenBlobs(book, [])).length, 0);
});

test('what was found of a file that changed while it was read says nothing', () => {
  const book = seenBlobs(aBook('a'), [aFile('a', 'm2')]);
  assert.equal(wrongBlobs(hashed(book, aFile('a', 'm1'), wrong(0))).length, 0);
});
