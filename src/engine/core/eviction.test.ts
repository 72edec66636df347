// Who gives way, and when. Never unloads anything.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseVictim, whenIdle } from './eviction.ts';

const resident = (name: string, keepAliveMs: number, inUse = 0) => ({ key: name, name, keepAliveMs, inUse });

test('the shortest keep-alive goes first, then the name', () => {
  assert.equal(chooseVictim([resident('b', 100), resident('a', 100), resident('c', 200)])?.name, 'a');
  assert.equal(chooseVictim([resident('a', 300), resident('b', 200)])?.name, 'b');
});

test('an idle model goes before one in use; with none idle the first in order must end', () => {
  assert.equal(chooseVictim([resident('a', 100, 1), resident('b', 200)])?.name, 'b');
  assert.equal(chooseVictim([resident('b', 100, 2), resident('a', 200, 1)])?.name, 'b');
  assert.equal(chooseVictim([]), undefined);
});

test('keep_alive 0 unloads at once, else the time counts from the end of the last request', () => {
  assert.deepEqual(whenIdle(0, 1_000), { unload: true });
  assert.deepEqual(whenIdle(500, 1_000), { unload: false, expiresAtMs: 1_500 });
});
