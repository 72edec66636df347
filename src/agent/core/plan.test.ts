// Rules of what the agent does next, and the law that it always gets there. Never starts an Ollama.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSettled, madeMark, nextStep } from './plan.ts';
import { afterLook, begun, created, discarded, failed, interrupted } from './records.ts';
import { aDerived, aModel, anAssignment, aPull, aSight, aState } from './testing.ts';
import type { AgentState, Assignment, ModelSeen, Observed, Step } from './types.ts';

const notFound = { reason: 'NotFound', message: 'file does not exist' } as const;
const at = { nowMs: 1_000, random: 0.5 };

test('nothing is done while Ollama does not answer', () => {
  const step = nextStep(anAssignment([aPull('a')]), aState(), aSight(undefined));
  assert.equal(step.type, 'wait');
});

test('models are pulled in the order in which they are declared', () => {
  const step = nextStep(anAssignment([aPull('a'), aPull('b'), aPull('c')]), aState(), aSight(['a']));
  assert.deepEqual(step, { type: 'pull', name: 'b', key: 'b' });
});

test('a name that does not exist never keeps the others from being pulled', () => {
  const state = failed(aState(), { name: 'wrong', key: 'wrong' }, notFound, at);
  const step = nextStep(anAssignment([aPull('wrong'), aPull('b')]), state, aSight([]));
  assert.deepEqual(step, { type: 'pull', name: 'b', key: 'b' });
});

test('what failed for good is tried again, slowly', () => {
  const assignment = anAssignment([aPull('wrong')]);
  const state = failed(aState(), { name: 'wrong', key: 'wrong' }, notFound, at);
  assert.equal(nextStep(assignment, state, aSight([])).type, 'wait');
  const later = aSight([], { nowMs: at.nowMs + 15 * 60_000 });
  assert.equal(nextStep(assignment, state, later).type, 'pull');
});

test('a model that never failed comes before one that did', () => {
  const passing = { reason: 'RegistryUnreachable', message: 'EOF' } as const;
  const state = failed(aState(), { name: 'a', key: 'a' }, passing, { nowMs: 0, random: 0 });
  const seen = aSight([], { nowMs: 60_000 });
  assert.deepEqual(nextStep(anAssignment([aPull('a'), aPull('b')]), state, seen), {
    type: 'pull',
    name: 'b',
    key: 'b',
  });
});

test('a wrong blob goes before everything else, with all its models', () => {
  const corrupt = new Map([['d1', ['a', 'b']]]);
  const step = nextStep(anAssignment([aPull('c')]), aState(), aSight(['a', 'b'], { corrupt }));
  assert.deepEqual(step, { type: 'discard', digest: 'd1', names: ['a', 'b'] });
});

test('undeclared models stay, unless their deletion was asked for', () => {
  const seen = aSight(['a', 'mine']);
  assert.equal(nextStep(anAssignment([aPull('a')]), aState(), seen).type, 'wait');
  assert.deepEqual(nextStep(anAssignment([aPull('a')], true), aState(), seen), {
    type: 'delete',
    name: 'mine',
  });
});

test('the base of a derived model is never deleted as undeclared', () => {
  const assignment = anAssignment([aDerived('d', 'base')], true);
  const seen = aSight(['base', 'd']);
  const state = created(aState(), 'd', madeMark(aDerived('d', 'base'), seen));
  assert.equal(nextStep(assignment, state, seen).type, 'wait');
});

test('a derived model waits for its base, and is made anew when its declaration or its base is another one', () => {
  const model = aDerived('d', 'base');
  const assignment = anAssignment([aPull('base'), model]);
  assert.equal(nextStep(assignment, aState(), aSight([])).type, 'pull');
  assert.deepEqual(nextStep(assignment, aState(), aSight(['base'])), { type: 'create', model });
  const seen = aSight(['base', 'd']);
  const state = created(aState(), 'd', madeMark(model, seen));
  assert.equal(nextStep(assignment, state, seen).type, 'wait');
  const changed = aDerived('d', 'base', 'v2');
  assert.equal(nextStep(anAssignment([aPull('base'), changed]), state, seen).type, 'create');
  const models = new Map(seen.models).set('base', aModel('base', 'another digest'));
  assert.equal(nextStep(assignment, state, { ...seen, models }).type, 'create');
});

test('what was deleted to be repaired comes back even if nobody declares it', () => {
  const state = discarded(aState(), [{ name: 'mine', key: 'mine' }], 'wrong bytes');
  assert.deepEqual(nextStep(anAssignment([]), state, aSight([])), {
    type: 'pull',
    name: 'mine',
    key: 'mine',
  });
});

test('a pod is settled when each model is there or failed for good, and stays so', () => {
  const assignment = anAssignment([aPull('a'), aPull('wrong'), aDerived('d', 'wrong')]);
  assert.equal(isSettled(assignment, aState(), aSight(['a'])), false);
  const state = failed(aState(), { name: 'wrong', key: 'wrong' }, notFound, at);
  assert.equal(isSettled(assignment, state, aSight(['a'])), true);
  assert.equal(isSettled(assignment, state, aSight(undefined)), false);
  const settled = afterLook(state, assignment, aSight(['a']));
  assert.equal(afterLook(settled, assignment, aSight([])).settled, true);
});

interface World {
  readonly registry: ReadonlySet<string>;
  readonly disk: Map<string, ModelSeen>;
  readonly wrong: Map<string, string[]>;
}

/** Does what a shell would do, and breaks off when a law is broken. */
function act(step: Step, state: AgentState, world: World, seen: Observed): AgentState {
  if (step.type === 'pull') {
    assert.ok(!world.disk.has(step.key), 'pulled what is there');
    const doing = begun(state, step, 'pulling');
    if (!world.registry.has(step.name))
      return failed(doing, step, notFound, { nowMs: seen.nowMs, random: 0 });
    world.disk.set(step.key, aModel(step.name));
    return interrupted(doing, step);
  }
  if (step.type === 'create') {
    assert.ok(world.disk.has(step.model.fromKey), 'made without its base');
    world.disk.set(step.model.key, aModel(step.model.name));
    return created(state, step.model.key, madeMark(step.model, seen));
  }
  if (step.type === 'delete') {
    world.disk.delete(step.name);
    return state;
  }
  assert.equal(step.type, 'discard');
  if (step.type !== 'discard') return state;
  for (const name of step.names) world.disk.delete(name);
  world.wrong.delete(step.digest);
  return discarded(
    state,
    step.names.map(name => ({ name, key: name })),
    'wrong bytes',
  );
}

test('from any disk and any wrong blobs, what can be had is there in the end, and the rest is called failed', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const some = fc.subarray(names);
  const cases = fc.record({
    declared: some,
    inRegistry: some,
    onDisk: some,
    broken: some,
    deletes: fc.boolean(),
  });
  fc.assert(
    fc.property(cases, ({ declared, inRegistry, onDisk, broken, deletes }) => {
      const [base = 'a'] = names;
      const derived = aDerived('derived', base);
      const assignment: Assignment = anAssignment([...declared.map(aPull), aPull(base), derived], deletes);
      const world: World = {
        registry: new Set(inRegistry),
        disk: new Map(onDisk.map(name => [name, aModel(name)])),
        wrong: new Map(broken.map(name => [`blob of ${name}`, onDisk.includes(name) ? [name] : []])),
      };
      let state = aState();
      for (let turn = 0; turn < 100; turn++) {
        const seen: Observed = { nowMs: turn, models: new Map(world.disk), corrupt: new Map(world.wrong) };
        state = afterLook(state, assignment, seen);
        const step = nextStep(assignment, state, seen);
        if (step.type === 'wait') break;
        state = act(step, state, world, seen);
      }
      assert.equal(world.wrong.size, 0);
      assert.equal(state.settled, true);
      for (const { key } of assignment.wanted.filter(model => model.kind === 'pull')) {
        const canBeHad = inRegistry.includes(key) || (onDisk.includes(key) && !broken.includes(key));
        assert.equal(world.disk.has(key), canBeHad);
        assert.equal(state.records.get(key)?.state, canBeHad ? 'present' : 'failed');
      }
      assert.equal(world.disk.has('derived'), world.disk.has(base));
      if (!deletes) for (const name of onDisk) assert.ok(world.disk.has(name) || broken.includes(name));
    }),
  );
});
