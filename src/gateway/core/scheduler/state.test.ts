// What the scheduler remembers has a bound, whatever clients ask for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POLICY } from './constants.ts';
import { askOf, emptyState, figuresOf, rateOf } from './state.ts';
import type { State } from './state.ts';
import { Rig } from './testing.ts';

const rememberedMax = 4_096;

function aState(): State {
  return emptyState({ limits: POLICY, rng: () => 0, ticketsMax: 10, term: 1, declared: new Set() });
}

test('ten thousand model names leave no more than the newest few thousand behind', () => {
  const state = aState();
  const ticket = new Rig([]).ticket('r1');
  for (let index = 0; index < 10_000; index++) {
    askOf(state, { ...ticket, model: `m${index}:latest` });
    figuresOf(state, `w${index}`, 'default');
    rateOf(state, `w${index}`, index);
  }
  assert.ok(state.asks.size <= rememberedMax);
  assert.ok(state.learned.figures.size <= rememberedMax);
  assert.ok(state.learned.rates.size <= rememberedMax);
  assert.ok(state.asks.has('generate|m9999:latest'));
});

test('thirty thousand conversations leave a bounded memory behind', () => {
  const state = aState();
  for (let index = 0; index < 30_000; index++) {
    state.prefixes.remember([{ hash: `p${index}`, bytes: 1 }], 'b0', 'w', index);
  }
  assert.ok(state.prefixes.size <= POLICY.prefixesMax);
});
