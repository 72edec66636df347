// Laws of merged progress. Never a server: lines are invented.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CREATE_STAGES, Progress, PULL_STAGES, PUSH_STAGES, type ProgressLine } from './progress.ts';

const layer = (digest: string, completed: number, total = 100): ProgressLine => ({
  status: `pulling ${digest}`,
  digest,
  total,
  completed,
});
const status = (text: string): ProgressLine => ({ status: text });
const told = (progress: Progress): string[] =>
  progress.since(0).map(line => `${line.status} ${line.completed ?? ''}`.trim());

test('a status is told when every server has come as far, in the order of Ollama', () => {
  const progress = new Progress(PULL_STAGES, ['a', 'b']);
  for (const line of [
    status('pulling manifest'),
    layer('x', 100),
    status('verifying sha256 digest'),
    status('writing manifest'),
  ])
    progress.push('a', line);
  assert.deepEqual(told(progress), ['pulling manifest', 'pulling x']);
  progress.push('b', layer('x', 40));
  assert.deepEqual(told(progress), ['pulling manifest', 'pulling x 40']);
  progress.push('b', status('verifying sha256 digest'));
  assert.deepEqual(told(progress), ['pulling manifest', 'pulling x 100', 'verifying sha256 digest']);
  progress.push('b', status('success'));
  assert.deepEqual(told(progress).at(-1), 'writing manifest');
});

test('the completed bytes of a layer are the least over the servers, the total its size', () => {
  const progress = new Progress(PULL_STAGES, ['a', 'b']);
  progress.push('a', layer('x', 90));
  assert.deepEqual(progress.since(0), [{ status: 'pulling x', digest: 'x', total: 100 }]);
  progress.push('b', layer('x', 30));
  progress.push('a', layer('x', 100));
  assert.deepEqual(progress.since(0), [{ status: 'pulling x', digest: 'x', total: 100, completed: 30 }]);
});

test('a server that failed no longer holds the others up', () => {
  const progress = new Progress(PULL_STAGES, ['a', 'b']);
  progress.push('a', layer('x', 100));
  progress.push('a', status('verifying sha256 digest'));
  progress.push('b', layer('x', 1));
  progress.drop('b');
  assert.deepEqual(told(progress), ['pulling x 100', 'verifying sha256 digest']);
  progress.push('b', layer('x', 2));
  assert.deepEqual(told(progress), ['pulling x 100', 'verifying sha256 digest']);
});

test('who joins late gets the state, who is slow gets each item once at its latest', () => {
  const progress = new Progress(PULL_STAGES, ['a']);
  progress.push('a', status('pulling manifest'));
  const seen = progress.version;
  for (let n = 0; n <= 100; n++) progress.push('a', layer('x', n));
  assert.deepEqual(
    progress.since(seen).map(line => line.completed),
    [100],
  );
  assert.equal(progress.since(0).length, 2);
  assert.deepEqual(progress.since(progress.version), []);
});

test('create tells what one server says at once, and that it writes when all do', () => {
  const progress = new Progress(CREATE_STAGES, ['a', 'b']);
  for (const text of ['using existing layer sha256:1', 'writing manifest', 'success'])
    progress.push('a', status(text));
  progress.push('b', status('using existing layer sha256:1'));
  assert.deepEqual(told(progress), ['using existing layer sha256:1']);
  progress.push('b', status('writing manifest'));
  assert.deepEqual(told(progress), ['using existing layer sha256:1', 'writing manifest']);
});

test('a push is told as it comes', () => {
  const progress = new Progress(PUSH_STAGES, ['a']);
  for (const line of [status('retrieving manifest'), layer('x', 5), status('pushing manifest')])
    progress.push('a', line);
  assert.deepEqual(told(progress), ['retrieving manifest', 'pulling x 5', 'pushing manifest']);
});

test('a server that invents layers and statuses without end costs a bounded amount', () => {
  const progress = new Progress(PULL_STAGES, ['a']);
  for (let n = 0; n < 20_000; n++) {
    progress.push('a', layer(`d${n}`, 1));
    progress.push('a', status(`s${n}`));
  }
  assert.ok(progress.since(0).length < 6_000);
});

test('whatever is said in whatever order: success is never told, completed stays within total, versions never fall', () => {
  const line = fc.oneof(
    fc
      .constantFrom(
        'pulling manifest',
        'verifying sha256 digest',
        'writing manifest',
        'removing unused layers',
        'success',
        'odd',
      )
      .map(status),
    fc
      .tuple(fc.constantFrom('x', 'y'), fc.nat(200), fc.nat(100))
      .map(([digest, completed, total]) => layer(digest, completed, total)),
  );
  const step = fc.record({ who: fc.constantFrom('a', 'b', 'c', 'stranger'), line, drop: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const progress = new Progress(PULL_STAGES, ['a', 'b', 'c']);
      let version = 0;
      steps.forEach(({ who, line: said, drop }, index) => {
        if (drop && index % 7 === 0) progress.drop(who);
        else progress.push(who, said);
        assert.ok(progress.version >= version);
        version = progress.version;
      });
      for (const item of progress.since(0)) {
        assert.notEqual(item.status, 'success');
        assert.ok((item.completed ?? 0) <= (item.total ?? 0));
      }
    }),
    { numRuns: 500 },
  );
});
