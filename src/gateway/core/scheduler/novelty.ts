// Bounds the loads that a client causes who asks for other options with every request: each needs a runner of its own.
// Never holds back a model's first runner, nor options that were loaded lately.
import type { PolicyConstants } from './constants.ts';
import { Bounded } from './learn.ts';
import type { State } from './state.ts';

export interface Novelty {
  readonly known: Bounded<true>;
  /** New options that may be loaded now; grows by one in newOptionsMs. */
  left: number;
  atMs: number;
}

/** Options remembered for the same weights; fewer than a client can think of. */
const knownMax = 32;

function noveltyOf({ limits, learned }: State, weights: string, nowMs: number): Novelty {
  const made = (): Novelty => ({ known: new Bounded(knownMax), left: limits.newOptionsMax, atMs: nowMs });
  return learned.novelty.peek(weights) ?? learned.novelty.touch(weights, made);
}

function leftNow({ left, atMs }: Novelty, limits: PolicyConstants, nowMs: number): number {
  return Math.min(limits.newOptionsMax, left + Math.max(0, nowMs - atMs) / limits.newOptionsMs);
}

/** 0 = it may be loaded now; else how long these weights have seen too many other options for it. */
export function noveltyWaitMs(state: State, weights: string, key: string, nowMs: number): number {
  const novelty = noveltyOf(state, weights, nowMs);
  if (novelty.known.peek(key) === true) return 0;
  return Math.max(0, 1 - leftNow(novelty, state.limits, nowMs)) * state.limits.newOptionsMs;
}

export function noteOptions(state: State, weights: string, key: string, nowMs: number): void {
  const novelty = noveltyOf(state, weights, nowMs);
  if (novelty.known.peek(key) !== true) {
    novelty.left = Math.max(0, leftNow(novelty, state.limits, nowMs) - 1);
    novelty.atMs = nowMs;
  }
  novelty.known.touch(key, () => true);
}
