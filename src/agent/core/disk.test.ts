// Rules of room on the disk. Never asks the disk.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neededBytes, tooLarge } from './disk.ts';

const layers = [
  { digest: 'a', sizeBytes: 100 },
  { digest: 'b', sizeBytes: 50 },
];

test('what lies there, whole or in parts, is not needed again', () => {
  assert.equal(neededBytes(layers, new Map()), 150);
  assert.equal(
    neededBytes(
      layers,
      new Map([
        ['a', 100],
        ['b', 20],
      ]),
    ),
    30,
  );
  assert.equal(neededBytes(layers, new Map([['a', 500]])), 50);
});

test('a model fits when the reserve stays free, and one that is all there always fits', () => {
  const disk = { freeBytes: 100, totalBytes: 1_000 };
  assert.equal(tooLarge(90, disk, 10), undefined);
  assert.equal(tooLarge(0, { ...disk, freeBytes: 0 }, 10), undefined);
  const problem = tooLarge(91, disk, 10);
  assert.equal(problem?.reason, 'InsufficientStorage');
  assert.match(problem?.message ?? '', /91 B.*100 B.*larger/);
});
