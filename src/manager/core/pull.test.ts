// How the progress of a pull is read from its lines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PULL_BEGIN, readPullLine, sums, type PullProgress } from './pull.ts';

function read(...lines: (object | string)[]): PullProgress {
  return lines.reduce<PullProgress>(
    (progress, line) => readPullLine(progress, typeof line === 'string' ? line : JSON.stringify(line)),
    PULL_BEGIN,
  );
}

test('layers are summed by digest, not taken one by one', () => {
  const progress = read(
    { status: 'pulling a', digest: 'a', total: 300, completed: 300 },
    { status: 'pulling b', digest: 'b', total: 100 },
    { status: 'pulling b', digest: 'b', total: 100, completed: 50 },
  );
  assert.deepEqual(sums(progress), { total: 400, completed: 350, percent: 87 });
});

test('only the line that says success is success, and only then it is 100', () => {
  const almost = read({ digest: 'a', total: 10, completed: 10 }, { status: 'writing manifest' });
  assert.equal(sums(almost).percent, 99);
  assert.equal(almost.done, false);
  assert.equal(sums(readPullLine(almost, '{"status":"success"}')).percent, 100);
});

test('an error under status 200 ends the pull with its words', () => {
  const progress = read({ status: 'pulling manifest' }, { error: 'file does not exist' });
  assert.deepEqual([progress.done, progress.error], [true, 'file does not exist']);
  assert.ok(sums(progress).percent < 100);
});

test('no line, however broken, makes it fail or leave 0 to 100', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.json()), { maxLength: 20 }), lines => {
      const { percent } = sums(read(...lines));
      assert.ok(percent >= 0 && percent <= 100);
    }),
    { numRuns: 200 },
  );
});
