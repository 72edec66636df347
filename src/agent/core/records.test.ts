// Rules of what the agent remembers and tells of each model. Never asks anybody.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryOf, readMemory } from './memory.ts';
import { afterLook, begun, created, discarded, failed, progressed } from './records.ts';
import { countsByState, modelStatuses } from './status.ts';
import { anAssignment, aPull, aSight, aState } from './testing.ts';

const isoAt = (ms: number) => new Date(ms).toISOString();
const a = { name: 'a', key: 'a' };

test('a model that is there is present, whatever was said of it before', () => {
  const state = failed(aState(), a, { reason: 'NotFound', message: 'no' }, { nowMs: 0, random: 0 });
  const after = afterLook(state, anAssignment([aPull('a')]), aSight(['a']));
  assert.deepEqual(after.records.get('a'), { ...a, state: 'present', failures: 0, notBeforeMs: 0 });
});

test('a model that vanishes is pending again; nothing changes while Ollama does not answer', () => {
  const assignment = anAssignment([aPull('a')]);
  const present = afterLook(aState(), assignment, aSight(['a']));
  assert.equal(afterLook(present, assignment, aSight(undefined)).records.get('a')?.state, 'present');
  assert.equal(afterLook(present, assignment, aSight([])).records.get('a')?.state, 'pending');
});

test('records of models that nobody wants any more go', () => {
  const state = afterLook(aState(), anAssignment([aPull('a'), aPull('b')]), aSight([]));
  assert.deepEqual([...afterLook(state, anAssignment([aPull('b')]), aSight([])).records.keys()], ['b']);
});

test('a model under repair is told as corrupt with its reason until it is back', () => {
  const assignment = anAssignment([aPull('a')]);
  const state = afterLook(discarded(aState(), [a], 'wrong bytes'), assignment, aSight([]));
  const [told] = modelStatuses({ assignment, state, models: new Map(), isoAt });
  assert.deepEqual(told, {
    name: 'a',
    declared: true,
    state: 'corrupt',
    reason: 'DigestMismatch',
    message: 'wrong bytes',
  });
  assert.equal(afterLook(state, assignment, aSight(['a'])).restore.size, 0);
});

test('a model that was repaired goes on telling so when it is back', () => {
  const assignment = anAssignment([aPull('a')]);
  const pulling = begun(discarded(aState(), [a], 'wrong bytes'), a, 'pulling');
  const [during] = modelStatuses({ assignment, state: pulling, models: new Map(), isoAt });
  assert.deepEqual([during?.state, during?.message], ['pulling', 'wrong bytes']);
  const back = afterLook(pulling, assignment, aSight(['a']));
  const [told] = modelStatuses({ assignment, state: back, models: new Map(), isoAt });
  assert.deepEqual([told?.state, told?.reason, told?.message], ['present', undefined, 'wrong bytes']);
});

test('a pull tells its percent only while it runs', () => {
  const assignment = anAssignment([aPull('a')]);
  const state = progressed(begun(aState(), a, 'pulling'), 'a', { completedBytes: 1, totalBytes: 3 });
  const [told] = modelStatuses({ assignment, state, models: new Map(), isoAt });
  assert.deepEqual(told, {
    name: 'a',
    declared: true,
    state: 'pulling',
    percent: 33,
    completedBytes: 1,
    totalBytes: 3,
  });
});

test('undeclared models are told, but not counted', () => {
  const assignment = anAssignment([aPull('a')]);
  const seen = aSight(['a', 'mine']);
  const state = afterLook(aState(), assignment, seen);
  const told = modelStatuses({ assignment, state, models: seen.models, isoAt });
  assert.deepEqual(
    told.map(model => [model.name, model.declared]),
    [
      ['a', true],
      ['mine', false],
    ],
  );
  assert.equal(countsByState(told).present, 1);
});

test('repairs and the marks of derived models outlive a restart, and a strange file breaks nothing', () => {
  const state = created(discarded(aState(), [a], 'wrong'), 'd', 'mark');
  const back = readMemory(JSON.parse(JSON.stringify(memoryOf(state))));
  assert.deepEqual([...back.restore], [['a:latest', 'a']]);
  assert.deepEqual([...back.made], [['d', 'mark']]);
  for (const strange of [undefined, null, 1, [], { restore: 5, made: [[1, 2], ['x']] }, { restore: [{}] }])
    assert.deepEqual(readMemory(strange), { restore: new Map(), made: new Map() });
});
