// Rules of reading a pull: bytes by layer, its end, and when it stands still. Never reads a stream.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesOf, newProgress, onLine, stalledAtMs } from './progress.ts';

const follow = (lines: readonly string[]) =>
  lines.reduce((progress, line, index) => onLine(progress, line, index * 1_000), newProgress(0));

test('bytes are summed over layers, and the last word of each layer counts', () => {
  const progress = follow([
    '{"status":"pulling manifest"}',
    '{"status":"pulling a","digest":"sha256:a","total":100}',
    '{"status":"pulling a","digest":"sha256:a","total":100,"completed":40}',
    '{"status":"pulling b","digest":"sha256:b","total":10,"completed":10}',
  ]);
  assert.deepEqual(bytesOf(progress), { completedBytes: 50, totalBytes: 110 });
  assert.equal(progress.end, undefined);
});

test('success and an error line are ends', () => {
  assert.equal(follow(['{"status":"success"}']).end, 'success');
  assert.deepEqual(follow(['{"error":"no space left on device"}']).end, { error: 'no space left on device' });
});

test('the same bytes told again are no movement', () => {
  const line = '{"status":"pulling a","digest":"sha256:a","total":100,"completed":40}';
  const progress = follow([line, line, line, line]);
  assert.equal(progress.movedAtMs, 0);
  assert.equal(stalledAtMs(progress, 120_000), 120_000);
});

test('hashing what was fetched may take long without a word', () => {
  const progress = follow(['{"status":"verifying sha256 digest"}']);
  assert.ok(stalledAtMs(progress, 120_000) > 30 * 60_000);
});

test('no line whatever breaks it', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), line => {
      const { completedBytes, totalBytes } = bytesOf(onLine(newProgress(0), line, 1));
      assert.ok(!Number.isNaN(completedBytes) && !Number.isNaN(totalBytes));
    }),
  );
});
