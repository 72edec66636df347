// Desired and observed models, and the problems that are told of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingModels, modelRows } from './models.ts';
import { problemsOf } from './problems.ts';
import { Fleet } from './wire.ts';

function fleet(backends: object[], more: object = {}): Fleet {
  return Fleet.parse({ backends, ...more });
}

const left = { name: 'left', state: 'up', models: [{ name: 'mistral:latest', digest: 'd1', sizeBytes: 5 }] };
const right = { name: 'right', state: 'up', models: [] };

test('what is on disk never makes a model desired, and a desired one is missing per backend', () => {
  const fleets = [fleet([left, right])];
  assert.deepEqual(missingModels(fleets, []), []);
  assert.deepEqual(missingModels(fleets, ['mistral']), [{ model: 'mistral:latest', backends: ['right'] }]);
  const rows = modelRows(fleets, ['mistral', 'gone']);
  assert.deepEqual(
    rows.map(row => [row.name, row.desired, row.where.length]),
    [
      ['gone:latest', true, 0],
      ['mistral:latest', true, 1],
    ],
  );
});

test('a model is loaded only where the backend says so, and its memory is what the backend tells', () => {
  const loaded = { ...left, loaded: [{ name: 'mistral:latest', sizeVramBytes: 7 }] };
  const [row] = modelRows([fleet([loaded, { ...left, name: 'right' }])], []);
  assert.deepEqual(
    row?.where.map(place => place.state),
    ['loaded', 'on disk'],
  );
  assert.equal(row?.sizeVramBytes, 7);
});

test('a fleet with nothing wrong has no problem', () => {
  assert.deepEqual(problemsOf([{ name: 'g', fleet: fleet([left]), error: '', desired: ['mistral'] }]), []);
});

test('each problem names what it is about and what to do', () => {
  const sick = fleet(
    [
      { ...left, state: 'down', error: 'refused' },
      { ...right, draining: true },
      { ...right, name: 'third', breaker: 'open' },
    ],
    {
      queue: { length: 90, lengthMax: 100, bytes: 0, bytesMax: 1 },
      differing: [{ model: 'x', digests: [] }],
    },
  );
  const problems = problemsOf([
    { name: 'g', fleet: sick, error: '', desired: ['gone'] },
    { name: 'h', fleet: undefined, error: 'refused', desired: [] },
  ]);
  assert.deepEqual(
    problems.map(({ level, subject }) => `${level} ${subject}`),
    [
      'error left',
      'warning right',
      'warning third',
      'error gone:latest',
      'warning x',
      'warning g',
      'error h',
    ],
  );
  for (const { message, next } of problems) assert.ok(message.length > 20 && next.length > 10);
});

test('a fleet answer of another version is read as far as it goes', () => {
  const read = Fleet.parse({ backends: [{ name: 7, models: 'none' }], queue: 3, tickets: [{}] });
  assert.deepEqual([read.backends[0]?.name, read.backends[0]?.models.length, read.queue.length], ['', 0, 0]);
});
