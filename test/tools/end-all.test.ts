// What tests end together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endAll } from './end-all.ts';

test('every part is ended in turn, whichever fails, and the first error is told', async () => {
  const ended: string[] = [];
  const told = endAll(
    () => ended.push('first'),
    async () => {
      throw new Error('it is gone');
    },
    () => {
      throw new Error('it is gone too');
    },
    async () => ended.push('last'),
  );
  await assert.rejects(told, { message: 'it is gone' });
  assert.deepEqual(ended, ['first', 'last']);
});
