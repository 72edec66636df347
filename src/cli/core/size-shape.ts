// The numbers of a model that decide how much memory it takes, out of `model_info` of /api/show or out of a GGUF header.
// Never guesses a number that is missing: it is named.

type Info = Readonly<Record<string, unknown>>;

export interface ModelShape {
  readonly architecture: string;
  /** One entry for each block; 0 = a block without attention. */
  readonly headsKv: readonly number[];
  readonly headsMax: number;
  readonly headsKvMin: number;
  readonly embeddingLength: number;
  readonly keyLength: number;
  readonly valueLength: number;
  readonly contextTokensMax: number | undefined;
  readonly vocabulary: number | undefined;
  readonly slidingWindowTokens: number;
  /** What a block without attention keeps for each place (state-space models). */
  readonly recurrentElements: number;
  readonly isEmbedding: boolean;
}

export type ShapeResult =
  | { readonly shape: ModelShape }
  /** Lists that were left out of the answer, or keys that are not there. */
  | { readonly missing: readonly string[] };

const blocksMax = 10_000;

/** `tokens` = size of the vocabulary where `info` has only an empty list for it. */
export function shapeOf(info: Info, tokens?: number): ShapeResult {
  const architecture = info['general.architecture'];
  if (typeof architecture !== 'string') return { missing: ['general.architecture'] };
  const read = new Reader(info, architecture);
  const blocks = read.required('block_count');
  const embeddingLength = read.required('embedding_length');
  const heads = read.perBlock('attention.head_count', blocks, undefined);
  // Models without grouped heads leave it out.
  const headsKv = read.perBlock('attention.head_count_kv', blocks, heads);
  if (read.missing.length > 0) return { missing: read.missing };
  const headsMin = Math.min(...heads);
  const headLength = headsMin > 0 ? Math.floor(embeddingLength / headsMin) : 0;
  const shape = {
    architecture,
    headsKv: headsKv.map((count, block) => (heads[block] === 0 ? 0 : count)),
    headsMax: Math.max(...heads),
    headsKvMin: Math.max(1, Math.min(...headsKv)),
    embeddingLength,
    keyLength: read.number('attention.key_length') ?? headLength,
    valueLength: read.number('attention.value_length') ?? headLength,
    contextTokensMax: read.number('context_length'),
    vocabulary: tokens ?? read.number('vocab_size') ?? listLength(info['tokenizer.ggml.tokens']),
    slidingWindowTokens: read.number('attention.sliding_window') ?? 0,
    recurrentElements: recurrentElements(read),
    isEmbedding: info[`${architecture}.pooling_type`] !== undefined,
  };
  return { shape };
}

/** As llama.cpp keeps it: the last inputs of the convolution, and the state. */
function recurrentElements(read: Reader): number {
  const [kernel, inner] = [read.number('ssm.conv_kernel') ?? 0, read.number('ssm.inner_size') ?? 0];
  const [state, groups] = [read.number('ssm.state_size') ?? 0, read.number('ssm.group_count') ?? 0];
  const convolution = kernel > 0 ? (kernel - 1) * (inner + 2 * groups * state) : 0;
  return convolution + state * inner;
}

function listLength(value: unknown): number | undefined {
  return Array.isArray(value) && value.length > 0 ? value.length : undefined;
}

class Reader {
  readonly missing: string[] = [];
  readonly #info: Info;
  readonly #architecture: string;

  constructor(info: Info, architecture: string) {
    this.#info = info;
    this.#architecture = architecture;
  }

  number(key: string): number | undefined {
    const value = this.#info[`${this.#architecture}.${key}`];
    return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
  }

  required(key: string): number {
    const value = this.number(key);
    if (value !== undefined && value > 0 && value < 2 ** 40) return value;
    this.missing.push(`${this.#architecture}.${key}`);
    return 0;
  }

  /** One number for all blocks, or a list; Ollama leaves a long list empty unless it is asked to be verbose. */
  perBlock(key: string, blocks: number, absent: readonly number[] | undefined): readonly number[] {
    if (blocks > blocksMax) this.missing.push(`${this.#architecture}.block_count`);
    if (this.missing.length > 0) return [];
    const value = this.#info[`${this.#architecture}.${key}`];
    if (typeof value === 'number') return Array.from({ length: blocks }, () => value);
    if (Array.isArray(value) && value.length > 0 && value.every(item => typeof item === 'number')) {
      return Array.from({ length: blocks }, (_, block) => value[block] ?? value.at(-1) ?? 0);
    }
    if (value === undefined && absent !== undefined) return absent;
    this.missing.push(`${this.#architecture}.${key}`);
    return [];
  }
}
