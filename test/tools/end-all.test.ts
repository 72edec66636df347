// That all that a test started is ended, in turn. Never a real process: a list tells what was called.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { atEnd, endAll } from './end-all.ts';

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

test('what is to be ended with a test is ended together, once', async () => {
  const hooks: (() => Promise<void>)[] = [];
  const t = { after: (hook: () => Promise<void>) => void hooks.push(hook) } as unknown as TestContext;
  const ended: string[] = [];
  atEnd(t, () => assert.fail('it is gone'));
  atEnd(t, () => ended.push('last'));
  assert.equal(hooks.length, 1);
  await assert.rejects(hooks[0]?.() ?? Promise.resolve(), /it is gone/);
  assert.deepEqual(ended, ['last']);
});
