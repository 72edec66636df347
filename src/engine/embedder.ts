// Embeddings of one loaded model, one text at a time. Its context is made at first use and grows with the longest text.
import { badRequest, requestCanceled } from './core/failure.ts';
import type { RunnerShape } from './core/options.ts';
import type { LlamaEmbeddingContext, LlamaModel, Token } from './llama-types.ts';

export interface Embedded {
  readonly vector: readonly number[];
  readonly tokens: number;
}

export interface Embedder {
  /** Not normalised. `truncate` false makes a text that is too long an error. */
  embed(tokens: readonly Token[], options: { truncate: boolean; signal: AbortSignal }): Promise<Embedded>;
  dispose(): Promise<void>;
}

const contextLengthFirst = 512;
/** Room for the first and last token that the tokeniser may want. */
const edgeTokens = 2;

export function createEmbedder(model: LlamaModel, shape: RunnerShape): Embedder {
  let context: { readonly length: number; readonly handle: LlamaEmbeddingContext } | undefined;
  let line: Promise<unknown> = Promise.resolve();

  async function contextFor(length: number): Promise<LlamaEmbeddingContext> {
    if (context !== undefined && context.length >= length) return context.handle;
    await context?.handle.dispose();
    context = undefined;
    const size = Math.min(
      shape.contextLength,
      Math.max(contextLengthFirst, 2 ** Math.ceil(Math.log2(length))),
    );
    // One batch must hold the whole text: models without a causal mask need it.
    const options = { contextSize: size, batchSize: size, threads: shape.threads };
    const handle = await model.createEmbeddingContext(options);
    context = { length: size, handle };
    return handle;
  }

  async function run(tokens: readonly Token[]): Promise<Embedded> {
    const handle = await contextFor(tokens.length + edgeTokens + 1);
    const { vector } = await handle.getEmbeddingFor([...tokens]);
    return { vector, tokens: handle.calculateInputLength([...tokens]) };
  }

  return {
    embed(tokens, options) {
      const most = Math.max(1, shape.contextLength - edgeTokens - 1);
      if (tokens.length > most && !options.truncate) {
        return Promise.reject(badRequest('the input length exceeds the context length'));
      }
      const next = line.then(() => {
        if (options.signal.aborted) throw requestCanceled();
        return run(tokens.slice(0, most));
      });
      line = next.catch(() => undefined);
      return next;
    },
    async dispose() {
      await line;
      await context?.handle.dispose();
    },
  };
}
