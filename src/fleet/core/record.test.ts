// Rules of one backend's record, with invented times. Never opens a socket.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BackendSpec } from '../../api/fleet.ts';
import { indexModels, modelFromTag, type ModelFacts } from './models.ts';
import {
  FAILURES_TO_DOWN,
  newRecord,
  observe,
  sameView,
  wasAsked,
  type BackendRecord,
  type FailureKind,
  type Observation,
} from './record.ts';
import { DEFAULT_TIMING } from './timing.ts';

const spec: BackendSpec = { name: 'a', url: 'http://127.0.0.1:1', store: 'a', class: 'default' };
const at = (nowMs: number, random = 0.5) => ({ nowMs, random, timing: DEFAULT_TIMING, instanceId: 'me' });
const up: Observation = { type: 'version', version: '0.24.0' };
const fail = (kind: FailureKind, probe: 'version' | 'tags' | 'ps' = 'version'): Observation => ({
  type: 'failed',
  probe,
  kind,
  message: `words about ${kind}`,
});
const model = (name: string, digest = 'd1') => {
  const made = modelFromTag({ name, digest }, () => undefined);
  assert.ok(made);
  return made;
};
const tags = (...names: string[]): Observation => ({
  type: 'tags',
  models: indexModels(names.map(name => model(name))),
});
const play = (seen: readonly Observation[], from = newRecord(spec, 0)): BackendRecord =>
  seen.reduce((record, one, index) => observe(record, one, at(index + 1)), from);

test('a backend is up as soon as its version is known, and its tags and ps are then due at once', () => {
  const record = play([up]);
  assert.equal(record.view.state, 'up');
  assert.equal(record.view.version, '0.24.0');
  assert.deepEqual([record.dueMs.tags, record.dueMs.ps], [1, 1]);
  assert.equal(record.dueMs.version, 1 + DEFAULT_TIMING.versionEveryMs);
});

test('each kind of failure takes exactly as many as its row of the table says', () => {
  for (const [kind, count] of Object.entries(FAILURES_TO_DOWN)) {
    const failures = Array.from({ length: count }, () => fail(kind as FailureKind));
    assert.equal(play([up, ...failures]).view.state, 'down', kind);
    assert.equal(play([up, ...failures.slice(1)]).view.state, 'up', kind);
  }
});

test('one silent probe changes nothing that others see, and is repeated soon', () => {
  const before = play([up]);
  const after = observe(before, fail('silent'), at(2));
  assert.equal(after.view, before.view);
  assert.equal(after.dueMs.version, 2 + DEFAULT_TIMING.versionRetryMs);
  assert.equal(play([fail('silent'), up, fail('silent')], before).view.state, 'up');
});

test('a backend that is down says why, keeps its models, and has nothing loaded', () => {
  const ps: Observation = {
    type: 'ps',
    loaded: [
      {
        name: 'm',
        key: 'm:latest',
        digest: 'd',
        sizeBytes: 1,
        sizeVramBytes: 0,
        contextLength: 1,
        expiresAt: '',
        raw: {},
      },
    ],
  };
  const record = play([up, tags('m'), ps, fail('refused')]);
  assert.equal(record.view.state, 'down');
  assert.equal(record.view.error, 'words about refused');
  assert.equal(record.view.stateSinceMs, 4);
  assert.equal(record.view.models.size, 1);
  assert.deepEqual(record.view.loaded, []);
  assert.deepEqual([record.dueMs.tags, record.dueMs.ps], [Infinity, Infinity]);
});

test('the longer it is down the rarer it is asked, to the cap; when it returns everything is asked anew', () => {
  let record = play([up, tags('m'), fail('refused')]);
  let lastMs = 0;
  for (let n = 0; n < 12; n++) {
    record = observe(record, fail('refused'), at(1000));
    const everyMs = record.dueMs.version - 1000;
    assert.ok(everyMs >= lastMs && everyMs <= DEFAULT_TIMING.versionDownEveryMsMax);
    lastMs = everyMs;
  }
  assert.equal(lastMs, DEFAULT_TIMING.versionDownEveryMsMax);
  const back = observe(record, up, at(2000));
  assert.equal(back.view.state, 'up');
  assert.equal(back.view.error, undefined);
  assert.deepEqual([back.dueMs.tags, back.dueMs.ps], [2000, 2000]);
});

test('a backend that answers with our own instance id is a loop without models; so is one whose requests come back', () => {
  const own = play([up, tags('m'), { type: 'version', version: '1', instance: 'me' }]);
  assert.equal(own.view.state, 'loop');
  assert.equal(own.view.models.size, 0);
  assert.equal(play([{ type: 'version', version: '1', instance: 'other' }]).view.state, 'up');
  assert.equal(play([fail('loop')]).view.state, 'loop');
  assert.equal(play([fail('loop'), up]).view.state, 'up');
});

test('failing tags do not make a backend down; what was known stays, and the trouble is told until they work again', () => {
  const record = play([up, tags('m'), fail('status', 'tags')]);
  assert.equal(record.view.state, 'up');
  assert.equal(record.view.models.size, 1);
  assert.match(record.view.error ?? '', /does not tell its models: words about status/);
  assert.equal(play([tags('m')], record).view.error, undefined);
});

test('a refused tags connection is a reason to look at once whether the backend lives', () => {
  const record = observe(play([up]), fail('refused', 'tags'), at(50));
  assert.equal(record.dueMs.version, 50);
});

test('it counts as asked after version, tags and ps, or after it was found down', () => {
  const asked = (...seen: Observation[]) => wasAsked(play(seen));
  const ps: Observation = { type: 'ps', loaded: [] };
  assert.equal(asked(up), false);
  assert.equal(asked(up, tags('m')), false);
  assert.equal(asked(up, tags('m'), ps), true);
  assert.equal(asked(up, fail('silent', 'tags'), ps), true);
  assert.equal(asked(fail('silent')), false);
  assert.equal(asked(fail('silent'), fail('silent')), true);
});

test('a model that the backend denied is gone at once and its list is read again', () => {
  const record = observe(play([up, tags('m', 'n')]), { type: 'forget', key: 'm:latest' }, at(9));
  assert.deepEqual([...record.view.models.keys()], ['n:latest']);
  assert.equal(record.dueMs.tags, 9);
});

test('an unchanged list renews the age and nothing else', () => {
  const before = play([up, tags('m')]);
  const after = observe(before, { type: 'same', probe: 'tags' }, at(500));
  assert.equal(after.view.polledAtMs, 500);
  assert.equal(after.view.models, before.view.models);
  assert.equal(sameView(before.view, after.view), true);
});

test('facts change the identity of every name of their manifest', () => {
  const facts: ModelFacts = {
    weights: 'w',
    content: undefined,
    reloadDefaults: { num_ctx: 8 },
    capabilities: ['completion'],
    remoteHost: undefined,
  };
  const record = play([up, tags('m', 'n'), { type: 'facts', byDigest: new Map([['d1', facts]]) }]);
  for (const known of record.view.models.values()) {
    assert.deepEqual(
      [known.weights, known.reloadDefaults, known.capabilities],
      ['w', { num_ctx: 8 }, ['completion']],
    );
  }
  const other: Observation = { type: 'facts', byDigest: new Map([['d9', facts]]) };
  assert.equal(observe(record, other, at(9)).view.models, record.view.models);
});

test('whatever is heard: it is never up without an answer, never down with a full list due, and always asked again', () => {
  const kinds = Object.keys(FAILURES_TO_DOWN) as FailureKind[];
  const observation = fc.oneof(
    fc.constant(up),
    fc.constant(tags('m')),
    fc.constant<Observation>({ type: 'ps', loaded: [] }),
    fc.constant<Observation>({ type: 'forget', key: 'm:latest' }),
    fc.constant<Observation>({ type: 'ask', probes: ['ps', 'tags'] }),
    fc.boolean().map((on): Observation => ({ type: 'draining', on })),
    fc
      .tuple(fc.constantFrom<FailureKind>(...kinds, 'loop'), fc.constantFrom('version', 'tags', 'ps'))
      .map(([kind, probe]) => fail(kind, probe)),
  );
  fc.assert(
    fc.property(
      fc.array(observation, { maxLength: 40 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (seen, random) => {
        let record = newRecord(spec, 0);
        let answered = false;
        seen.forEach((one, index) => {
          record = observe(record, one, at(index * 100, random));
          answered ||= one.type === 'version';
          assert.ok(answered || record.view.state !== 'up');
          if (record.view.state !== 'up')
            assert.equal(
              record.dueMs.tags === Infinity || record.view.state === 'unknown' || one.type !== 'failed',
              true,
            );
          assert.ok(Number.isFinite(record.dueMs.version));
          assert.ok(record.dueMs.version <= index * 100 + DEFAULT_TIMING.versionDownEveryMsMax * 1.15);
        });
      },
    ),
    { numRuns: 500 },
  );
});
