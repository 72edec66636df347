// The parallel places of one runner: who waits is served in order of arrival, without a bound, as Ollama does. Never gives one slot twice.
import { commonPrefix } from './core/prompt-fit.ts';
import { requestCanceled } from './core/failure.ts';
import type { LlamaSequence } from './llama-types.ts';

export interface Slots {
  /** Resolves with a free sequence, the one that shares most of the prompt; rejects when the caller leaves. */
  take(tokens: readonly number[], signal: AbortSignal): Promise<LlamaSequence>;
  give(sequence: LlamaSequence): void;
}

interface Waiting {
  readonly tokens: readonly number[];
  readonly serve: (sequence: LlamaSequence) => void;
}

export function createSlots(sequences: readonly LlamaSequence[]): Slots {
  const free = new Set(sequences);
  const waiting = new Set<Waiting>();
  return {
    take(tokens, signal) {
      if (signal.aborted) return Promise.reject(requestCanceled());
      const best = closest(free, tokens);
      if (best !== undefined) {
        free.delete(best);
        return Promise.resolve(best);
      }
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(entry);
          reject(requestCanceled());
        };
        const entry: Waiting = {
          tokens,
          serve: sequence => {
            signal.removeEventListener('abort', leave);
            resolve(sequence);
          },
        };
        waiting.add(entry);
        signal.addEventListener('abort', leave, { once: true });
      });
    },
    give(sequence) {
      const [next] = waiting;
      if (next === undefined) {
        free.add(sequence);
        return;
      }
      waiting.delete(next);
      next.serve(sequence);
    },
  };
}

function closest(free: ReadonlySet<LlamaSequence>, tokens: readonly number[]): LlamaSequence | undefined {
  let best: LlamaSequence | undefined;
  let shared = -1;
  for (const sequence of free) {
    const length = free.size === 1 ? 0 : commonPrefix(sequence.contextTokens, tokens);
    if (length > shared) {
      best = sequence;
      shared = length;
    }
  }
  return best;
}
