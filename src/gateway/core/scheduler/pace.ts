// How much slower one backend works and loads than others of its class, learned: nobody has to say so.
// Never speaks of models: a model's own times are the class's (state.ts, Figures), at the pace of 1.
import { learn, meanOf } from './learn.ts';
import type { Mean } from './learn.ts';

export interface Pace {
  /** Times as long per token as the class. */
  readonly serve: Mean;
  /** Times as long per load as the class. */
  readonly load: Mean;
}

/** Closer to its class than this is called equal: figures of equal machines differ a little. */
const equalRatio = 1.25;
const ratioMax = 64;

export function evenPace(): Pace {
  return { serve: meanOf(1), load: meanOf(1) };
}

export function ratioOf({ value }: Mean): number {
  return value < equalRatio && value > 1 / equalRatio ? 1 : value;
}

/**
 * One sample of a time that the class needs `classMean` for. Each learns what the other does not explain:
 * the backend how it differs from its class, the class what is left at this backend's pace.
 */
export function learnWithPace(pace: Mean, classMean: Mean, sample: PaceSample, weights: Weights): void {
  const classMs = classMean.samples > 0 ? classMean.value : (sample.classMs ?? 0);
  if (classMs > 0) {
    const ratio = Math.min(ratioMax, Math.max(1 / ratioMax, sample.ms / classMs));
    learn(pace, ratio, weights.pace);
  }
  learn(classMean, sample.ms / ratioOf(pace), weights.mean);
}

interface Weights {
  readonly pace: number;
  readonly mean: number;
}

interface PaceSample {
  readonly ms: number;
  /** What the class would probably have needed, for want of a mean. */
  readonly classMs?: number;
}
