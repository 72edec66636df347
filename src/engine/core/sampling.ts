// Chooses a token from probabilities, for answers that report them: the penalties and cuts of Ollama's options. Never used on the plain path.
import type { Options } from './options.ts';

export interface Candidate {
  readonly token: number;
  /** Natural logarithm of the model's own probability. */
  readonly logprob: number;
}

/** `recent` are the tokens that penalties apply to; `uniform` is in [0, 1). Candidates come most likely first. */
export function sampleToken(
  candidates: readonly Candidate[],
  options: Options,
  recent: readonly number[],
  uniform: number,
): number {
  const penalised = penalise(candidates, options, recent).sort((a, b) => b.logprob - a.logprob);
  const best = penalised[0];
  if (best === undefined) throw new RangeError('no candidate tokens');
  if (options.temperature <= 0) return best.token;
  const kept = cut(options.top_k > 0 ? penalised.slice(0, options.top_k) : penalised, options);
  return draw(kept, options.temperature, uniform);
}

function penalise(
  candidates: readonly Candidate[],
  options: Options,
  recent: readonly number[],
): Candidate[] {
  const counts = new Map<number, number>();
  for (const token of recent) counts.set(token, (counts.get(token) ?? 0) + 1);
  return candidates.map(({ token, logprob }) => {
    const count = counts.get(token) ?? 0;
    if (count === 0) return { token, logprob };
    const repeated = logprob < 0 ? logprob * options.repeat_penalty : logprob / options.repeat_penalty;
    const flat = options.presence_penalty + count * options.frequency_penalty;
    return { token, logprob: repeated - flat };
  });
}

/** top_p and min_p over the renormalised candidates; the best one always stays. */
function cut(candidates: readonly Candidate[], options: Options): Candidate[] {
  const weights = softmax(candidates, 1);
  const least = (weights[0] ?? 0) * options.min_p;
  let mass = 0;
  return candidates.filter((_, at) => {
    const keep = at === 0 || ((options.top_p >= 1 || mass < options.top_p) && (weights[at] ?? 0) >= least);
    mass += weights[at] ?? 0;
    return keep;
  });
}

function draw(candidates: readonly Candidate[], temperature: number, uniform: number): number {
  const weights = softmax(candidates, temperature);
  let left = uniform;
  for (let at = 0; at < candidates.length; at++) {
    left -= weights[at] ?? 0;
    if (left < 0) return candidates[at]?.token ?? -1;
  }
  return candidates.at(-1)?.token ?? -1;
}

function softmax(candidates: readonly Candidate[], temperature: number): number[] {
  const top = Math.max(...candidates.map(candidate => candidate.logprob));
  const powers = candidates.map(candidate => Math.exp((candidate.logprob - top) / temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map(power => power / sum);
}

/** A small seeded generator (mulberry32): the same seed gives the same answer. */
export function seededUniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
