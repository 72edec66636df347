// How much memory a model takes: weights, KV cache, compute buffers. The arithmetic of Ollama 0.24's own estimate
// (fs/ggml/ggml.go GraphSize, llm/server.go Load, ml/device.go MinimumMemory), from what /api/show tells. Never asks anybody.
import type { ModelShape } from './size-shape.ts';

export const KV_CACHE_TYPES = ['f16', 'q8_0', 'q4_0'] as const;
export type KvCacheType = (typeof KV_CACHE_TYPES)[number];

export interface SizeWish {
  readonly contextTokens: number;
  readonly parallel: number;
  readonly kvCacheType: KvCacheType;
}

export interface SizeFacts {
  readonly weightsBytes: number;
  readonly projectorBytes: number;
  readonly shape: ModelShape;
}

export interface SizeEstimate {
  readonly weightsBytes: number;
  readonly kvCacheBytes: number;
  readonly kvBytesPerSlot: number;
  readonly kvBytesPerToken: number;
  readonly computeBytes: number;
  /** Ollama keeps one layer free on each GPU, and what the driver takes for itself. */
  readonly reservedBytes: number;
  /** That a single GPU must have. */
  readonly gpuBytes: number;
}

const BYTES_PER_ELEMENT: Readonly<Record<KvCacheType, number>> = { f16: 2, q8_0: 1, q4_0: 0.5 };
const batchTokens = 512;
const driverBytes = 457 * 1024 ** 2;

export function estimate(facts: SizeFacts, wish: SizeWish): SizeEstimate {
  const { shape } = facts;
  const cache = cacheBytes(shape, wish);
  const kvCacheBytes = sum(cache);
  const weightsBytes = facts.weightsBytes + facts.projectorBytes;
  const computeBytes = graphBytes(shape, wish, kvCacheBytes);
  const oneLayerBytes = facts.weightsBytes / shape.headsKv.length + (cache[0] ?? 0);
  const reservedBytes = Math.round(driverBytes + oneLayerBytes);
  return {
    weightsBytes,
    kvCacheBytes,
    kvBytesPerSlot: Math.round(kvCacheBytes / wish.parallel),
    kvBytesPerToken: Math.round(kvCacheBytes / wish.parallel / wish.contextTokens),
    computeBytes,
    reservedBytes,
    gpuBytes: weightsBytes + kvCacheBytes + computeBytes + reservedBytes,
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Of each block. */
function cacheBytes(shape: ModelShape, { contextTokens, parallel, kvCacheType }: SizeWish): number[] {
  const bytes = BYTES_PER_ELEMENT[kvCacheType];
  const full = contextTokens * parallel;
  return shape.headsKv.map((heads, block) => {
    if (heads === 0) return shape.recurrentElements * 4;
    const tokens = windowTokens(shape, block, parallel) ?? full;
    return Math.floor(tokens * (shape.keyLength + shape.valueLength) * heads * bytes);
  });
}

/** Blocks that look back only so far keep only so much. */
function windowTokens(shape: ModelShape, block: number, parallel: number): number | undefined {
  if (shape.architecture === 'gemma3' && (block + 1) % 6 !== 0)
    return parallel * shape.slidingWindowTokens + batchTokens;
  if (isGptOss(shape) && block % 2 === 0) return parallel * 4096 + batchTokens;
  return undefined;
}

const isGptOss = ({ architecture }: ModelShape): boolean => ['gptoss', 'gpt-oss'].includes(architecture);

/** What the model holds while it computes, with every block on the GPU. */
function graphBytes(shape: ModelShape, { contextTokens, parallel }: SizeWish, kvBytes: number): number {
  const context = contextTokens * parallel;
  const batch = shape.isEmbedding ? Math.max(batchTokens, contextTokens) : batchTokens;
  const { embeddingLength: embedding, headsMax: heads, headsKvMin, keyLength } = shape;
  const vocabulary = 4 * batch * (embedding + (shape.vocabulary ?? 0));
  const attention = (elements: number) => 4 * batch * elements;
  switch (shape.architecture) {
    case 'llama':
    case 'llama4':
      return Math.max(attention(1 + 4 * embedding + context * (1 + heads)), vocabulary);
    case 'gemma':
    case 'gemma2':
    case 'gemma3':
      return Math.max(
        attention(2 + context + context * heads + 2 * embedding + 2 * keyLength * heads),
        vocabulary,
      );
    case 'command-r':
      return Math.max(attention(2 + 4 * embedding + context * (1 + heads)), vocabulary);
    case 'qwen2':
      return Math.max(attention(1 + 2 * embedding + context + context * heads), vocabulary);
    case 'phi2':
      return Math.max(attention(1 + 4 * embedding + context + context * heads), vocabulary);
    case 'stablelm':
      return attention(context * (1 + heads) + 3 * embedding + 2);
    case 'gptoss':
    case 'gpt-oss':
      return (4 * parallel + Math.floor(context / 1024) + 110) * 1024 ** 2;
    default:
      return Math.floor((Math.floor(heads / headsKvMin) * kvBytes) / 6);
  }
}

/** Ollama serves these one request at a time, whatever OLLAMA_NUM_PARALLEL says (server/sched.go). */
const ONE_AT_ONCE = new Set(
  'mllama qwen3vl qwen3vlmoe qwen35 qwen35moe qwen3next lfm2 lfm2moe nemotron_h nemotron_h_moe nemotron_h_omni'.split(
    ' ',
  ),
);

export function isServedOneAtOnce({ architecture, isEmbedding }: ModelShape): boolean {
  return isEmbedding || ONE_AT_ONCE.has(architecture);
}

const contextTokensUsual = 4096;

/** What is asked for, else the model's own parameter, else what Ollama takes with less than 23 GiB of GPU memory. */
export function contextOf(
  asked: number | undefined,
  parameters: string,
  { contextTokensMax = Number.POSITIVE_INFINITY }: ModelShape,
): number {
  const own = /^num_ctx\s+(\d+)/m.exec(parameters)?.[1];
  return Math.min(asked ?? (own === undefined ? contextTokensUsual : Number(own)), contextTokensMax);
}
