// Makes a prompt fit the context. Never drops the first `keep` tokens or the end, which holds the last message.
import { badRequest } from './failure.ts';

/** Cuts the middle, as Ollama's runner does; without leave to truncate it is an error. */
export function fitTokens(
  tokens: readonly number[],
  limit: { contextLength: number; keep: number; truncate: boolean },
): readonly number[] {
  if (tokens.length <= limit.contextLength) return tokens;
  if (!limit.truncate) throw badRequest('the input length exceeds the context length');
  const keep = keptTokens(limit.keep, tokens.length, limit.contextLength);
  return [...tokens.slice(0, keep), ...tokens.slice(tokens.length - (limit.contextLength - keep))];
}

/** num_keep -1 means the whole prompt; at least one token must be droppable. */
export function keptTokens(keep: number, promptTokens: number, contextLength: number): number {
  return Math.max(0, Math.min(keep < 0 ? promptTokens : keep, contextLength - 1));
}

/** A search for the fewest dropped messages: try `middle`, then narrow, until both ends meet. */
export interface Search {
  readonly low: number;
  readonly high: number;
}

export const middleOf = ({ low, high }: Search): number => (low + high) >> 1;

/** Dropping more always helps, so half of what is left is decided by each try. */
export function narrowed(search: Search, fits: boolean): Search {
  const middle = middleOf(search);
  return fits ? { low: search.low, high: middle } : { low: middle + 1, high: search.high };
}

/** How many answer tokens at most: num_predict, and ten contexts when that is unbounded (ollama llm/server.go). */
export function predictLimit(numPredict: number, contextLength: number): number {
  const most = 10 * contextLength;
  return numPredict <= 0 || numPredict > most ? most : numPredict;
}

export function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a[at] === b[at]) at++;
  return at;
}
