// Writes a model of half a megabyte that Ollama and llama.cpp load: right in form, random in content, the same every time.
// Its answers are letters without meaning and never end by themselves: give num_predict. Never use it to judge text.
import { createHash } from 'node:crypto';

export interface TinyModel {
  /** Becomes general.name: another name gives another digest of the same size. */
  readonly name?: string;
  readonly seed?: number;
  readonly contextLength?: number;
}

const width = 64;
const feedForward = 128;
const heads = 4;
const layers = 2;
const alignment = 32;
const vocabularySize = 286;
const byteTokensAt = 3;
const chatTemplate =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** Type numbers of the GGUF format, version 3 (ggml docs/gguf.md). */
const type = { u32: 4, f32: 6, string: 8, array: 9, i32: 5 } as const;
const tokenType = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;

class Bytes {
  readonly #parts: Buffer[] = [];
  length = 0;

  raw(part: Buffer): this {
    this.#parts.push(part);
    this.length += part.length;
    return this;
  }
  u32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    return this.raw(part);
  }
  u64(value: number): this {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(BigInt(value));
    return this.raw(part);
  }
  f32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeFloatLE(value);
    return this.raw(part);
  }
  string(text: string): this {
    const part = Buffer.from(text);
    return this.u64(part.length).raw(part);
  }
  padTo(multiple: number): this {
    return this.raw(Buffer.alloc((multiple - (this.length % multiple)) % multiple));
  }
  toBuffer(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** A small seeded generator (Weyl sequence with a mixing step); quality hardly matters here, sameness does. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

interface Token {
  readonly text: string;
  readonly score: number;
  readonly type: number;
}

/** A sentencepiece vocabulary: the specials, every byte, the letters and the space mark. */
function vocabulary(): Token[] {
  const specials = [
    { text: '<unk>', score: 0, type: tokenType.unknown },
    { text: '<s>', score: 0, type: tokenType.control },
    { text: '</s>', score: 0, type: tokenType.control },
  ];
  const bytes = Array.from({ length: 256 }, (_, byte) => {
    return {
      text: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
      score: 0,
      type: tokenType.byte,
    };
  });
  const letters = Array.from('\u2581abcdefghijklmnopqrstuvwxyz', (text, index) => {
    return { text, score: -1 - index, type: tokenType.normal };
  });
  return [...specials, ...bytes, ...letters];
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

function tensors(random: () => number): Tensor[] {
  const filled = (name: string, shape: readonly number[], spread: number): Tensor => {
    const count = shape.reduce((product, size) => product * size, 1);
    return { name, shape, values: Float32Array.from({ length: count }, () => (random() * 2 - 1) * spread) };
  };
  const ones = (name: string): Tensor => ({ name, shape: [width], values: new Float32Array(width).fill(1) });
  const layer = (index: number): Tensor[] => {
    const at = (name: string): string => `blk.${index}.${name}.weight`;
    return [
      ones(at('attn_norm')),
      ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].map(name => filled(at(name), [width, width], 0.1)),
      ones(at('ffn_norm')),
      filled(at('ffn_gate'), [width, feedForward], 0.1),
      filled(at('ffn_up'), [width, feedForward], 0.1),
      filled(at('ffn_down'), [feedForward, width], 0.1),
    ];
  };
  const output = filled('output.weight', [width, vocabularySize], 1);
  output.values.fill(0, 0, width * (byteTokensAt + 256)); // only letters and the space mark are likely answers
  return [
    filled('token_embd.weight', [width, vocabularySize], 1),
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    ones('output_norm.weight'),
    output,
  ];
}

type Field = (to: Bytes) => Bytes;

function metadata(model: Required<TinyModel>): Field[] {
  const text =
    (key: string, value: string): Field =>
    to =>
      to.string(key).u32(type.string).string(value);
  const count =
    (key: string, value: number): Field =>
    to =>
      to.string(key).u32(type.u32).u32(value);
  const real =
    (key: string, value: number): Field =>
    to =>
      to.string(key).u32(type.f32).f32(value);
  const list = (key: string, of: number, write: (to: Bytes, token: Token) => void): Field => {
    return to => {
      to.string(key).u32(type.array).u32(of).u64(vocabularySize);
      for (const token of vocabulary()) write(to, token);
      return to;
    };
  };
  return [
    text('general.architecture', 'llama'),
    text('general.name', model.name),
    count('general.file_type', 0),
    count('llama.block_count', layers),
    count('llama.context_length', model.contextLength),
    count('llama.embedding_length', width),
    count('llama.feed_forward_length', feedForward),
    count('llama.attention.head_count', heads),
    count('llama.attention.head_count_kv', heads),
    count('llama.rope.dimension_count', width / heads),
    count('llama.vocab_size', vocabularySize),
    real('llama.attention.layer_norm_rms_epsilon', 1e-5),
    text('tokenizer.ggml.model', 'llama'),
    list('tokenizer.ggml.tokens', type.string, (to, token) => to.string(token.text)),
    list('tokenizer.ggml.scores', type.f32, (to, token) => to.f32(token.score)),
    list('tokenizer.ggml.token_type', type.i32, (to, token) => to.u32(token.type)),
    count('tokenizer.ggml.unknown_token_id', 0),
    count('tokenizer.ggml.bos_token_id', 1),
    count('tokenizer.ggml.eos_token_id', 2),
    text('tokenizer.chat_template', chatTemplate),
  ];
}

export function tinyGguf(model: TinyModel = {}): Buffer {
  const full = { name: 'tiny', seed: 1, contextLength: 4096, ...model };
  const fields = metadata(full);
  const data = tensors(randomFrom(full.seed));
  const file = new Bytes().raw(Buffer.from('GGUF')).u32(3).u64(data.length).u64(fields.length);
  for (const field of fields) field(file);
  let offset = 0;
  for (const tensor of data) {
    file.string(tensor.name).u32(tensor.shape.length);
    for (const size of tensor.shape) file.u64(size);
    file.u32(0).u64(offset); // 0 = F32; every tensor here is a whole number of alignments long
    offset += tensor.values.byteLength;
  }
  file.padTo(alignment);
  for (const tensor of data) file.raw(Buffer.from(tensor.values.buffer));
  return file.toBuffer();
}

/** The same weights under another general.name of the same length: another digest, nothing else changed. */
export function renamedGguf(gguf: Buffer, name: string): Buffer {
  const key = Buffer.from('general.name');
  const at = gguf.subarray(0, 1 << 20).indexOf(key);
  if (at < 0) throw new Error('This GGUF file has no general.name.');
  const lengthAt = at + key.length + 4;
  const length = Number(gguf.readBigUInt64LE(lengthAt));
  const copy = Buffer.from(gguf);
  copy.write(name.padEnd(length, '.').slice(0, length), lengthAt + 8, 'latin1');
  return copy;
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
