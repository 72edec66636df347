// Which Events a status is worth beside those of its conditions, which status.test.ts has.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Status } from '../../api/ollama-deployment/status.ts';
import { eventsOf } from './events.ts';

type State = NonNullable<NonNullable<Status['pods']>[number]['models']>[number]['state'];

const withModel = (state: State, message?: string): Status => ({
  pods: [{ name: 'chat-ollama-1', models: [{ name: 'a:1', state, ...(message && { message }) }] }],
});

test('a repair is told once, also where only its end was seen', () => {
  const whole = withModel('present');
  const repaired = withModel('present', 'At noon its blob had wrong bytes');
  assert.deepEqual(eventsOf(whole, repaired), [
    {
      type: 'Warning',
      reason: 'ModelCorrupt',
      note: 'pod chat-ollama-1, a:1: At noon its blob had wrong bytes',
    },
  ]);
  assert.deepEqual(eventsOf(withModel('pulling', 'At noon its blob had wrong bytes'), repaired), []);
  assert.deepEqual(eventsOf(repaired, whole), []);
  assert.equal(eventsOf(repaired, withModel('present', 'At one its blob had wrong bytes')).length, 1);
});

test('a failed pull is no repair', () => {
  assert.deepEqual(eventsOf(withModel('pulling'), withModel('failed', 'not found')), []);
});
