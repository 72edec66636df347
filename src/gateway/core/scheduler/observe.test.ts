// What a poll of a backend changes: runners that went, runners that came back, what is learned from both.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aBackend, aModel, Rig, words } from './testing.ts';

const models = [aModel('a'), aModel('b'), aModel('c')];

/** A backend with room for two, not told, on which `a` and `b` are loaded. */
function fleetOf(loaded: readonly string[]): ReturnType<typeof aBackend>[] {
  return [aBackend('b0', { models, loaded: [...loaded] })];
}

function states(rig: Rig): Record<string, string> {
  const places = rig.scheduler.view(rig.nowMs).backends[0]?.places ?? [];
  return Object.fromEntries(places.map(place => [place.key, place.state]));
}

test('a runner that went while requests were on it takes no more of them', () => {
  const rig = new Rig(fleetOf(['a', 'b']));
  rig.arrive('r1', { model: 'a:latest' });
  rig.after(100).fleet(fleetOf(['b']));
  assert.equal(states(rig)['w-a'], 'closing');
  rig.arrive('r2', { model: 'a:latest' });
  assert.deepEqual(words(rig.after(100).done('r1', 'failed')), []);
});

test('it takes requests again once Ollama has loaded it again', () => {
  const rig = new Rig(fleetOf(['a', 'b']));
  rig.arrive('r1', { model: 'a:latest' });
  rig.after(100).fleet(fleetOf(['b']));
  rig.arrive('r2', { model: 'a:latest' });
  rig.after(5_000).fleet(fleetOf(['a', 'b']));
  assert.equal(states(rig)['w-a'], 'ready');
  assert.deepEqual(words(rig.done('r1')), ['dispatch r2 b0 warm_waited']);
});

test('sending a request is no proof that its runner is loaded; the end of its answer is', () => {
  const rig = new Rig(fleetOf(['a', 'b']));
  rig.after(1_000).arrive('r1', { model: 'a:latest' });
  rig.done('r1');
  rig.after(-500).fleet(fleetOf(['b']));
  assert.equal(states(rig)['w-a'], 'ready', 'the poll is older than the answer');
  rig.after(1_000).fleet(fleetOf(['b']));
  assert.equal(states(rig)['w-a'], undefined);
});

test('a runner that went right after another was loaded is not loaded beside it again', () => {
  const rig = new Rig(fleetOf(['a', 'b']));
  assert.deepEqual(words(rig.after(1_000).arrive('r1', { model: 'c:latest' })), ['load b0 w-c']);
  rig.after(1_000).loaded('b0', 'w-c');
  rig.done('r1');
  rig.after(100).fleet(fleetOf(['b', 'c']));
  assert.deepEqual(words(rig.after(60_000).arrive('r2', { model: 'a:latest' })), ['unload b0 w-b']);
});
