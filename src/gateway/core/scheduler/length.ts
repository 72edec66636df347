// How long the answer to one request will take, where the client says how many tokens it wants at most.
// Never trusts that figure: what it is worth is learned for each model, against the mean of all its answers.
import { learn, meanOf } from './learn.ts';
import type { Mean } from './learn.ts';

export interface Length {
  readonly msPerToken: Mean;
  /** Tokens of the answer per token that was allowed. */
  readonly usedShare: Mean;
  /** How far off the two ways to tell are, as a share of what it was. */
  readonly errorByShare: Mean;
  readonly errorByMean: Mean;
}

/** Nothing is known yet: an error as large as what was to be told. */
export function unknownLength(): Length {
  return { msPerToken: meanOf(0), usedShare: meanOf(1), errorByShare: meanOf(1), errorByMean: meanOf(1) };
}

/** Fewer samples say nothing about which way is better. */
const samplesMin = 3;
/** A request that ran longer than expected is expected to take this share of the mean again. */
const leastShareOfMean = 1 / 3;

interface Answer {
  readonly tokens: number;
  readonly tokensMax: number;
  /** At the pace of the class. */
  readonly workedMs: number;
  readonly serviceMs: Mean;
}

export function learnLength(length: Length, answer: Answer, weight: number): void {
  const { workedMs, serviceMs, tokens, tokensMax } = answer;
  const off = (ms: number): number => Math.min(1, Math.abs(ms - workedMs) / Math.max(1, workedMs));
  if (length.msPerToken.samples > 0) {
    learn(length.errorByShare, off(byShareMs(length, tokensMax)), weight);
    learn(length.errorByMean, off(byMeanMs(length, serviceMs, tokensMax)), weight);
  }
  learn(length.usedShare, Math.min(1, tokens / tokensMax), weight);
}

function byShareMs({ msPerToken, usedShare }: Length, tokensMax: number): number {
  return msPerToken.value * usedShare.value * tokensMax;
}

/** Not longer than what was allowed takes. */
function byMeanMs({ msPerToken }: Length, serviceMs: Mean, tokensMax: number): number {
  return msPerToken.samples > 0 ? Math.min(serviceMs.value, msPerToken.value * tokensMax) : serviceMs.value;
}

export interface Work {
  /** At the pace of the class. */
  readonly workMs: number;
  /** At least this share of it is expected to be left, however long it ran already. */
  readonly leastShare: number;
}

export function expectedWork(
  { serviceMs, length }: { readonly serviceMs: Mean; readonly length: Length },
  tokensMax: number | undefined,
): Work {
  if (tokensMax === undefined) return { workMs: serviceMs.value, leastShare: leastShareOfMean };
  const { errorByShare, errorByMean } = length;
  if (errorByShare.samples >= samplesMin && errorByShare.value < errorByMean.value) {
    return {
      workMs: byShareMs(length, tokensMax),
      leastShare: Math.min(leastShareOfMean, errorByShare.value),
    };
  }
  return { workMs: byMeanMs(length, serviceMs, tokensMax), leastShare: leastShareOfMean };
}
