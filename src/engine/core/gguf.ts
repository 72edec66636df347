// Reads the header of a GGUF file (ggml docs/gguf.md, versions 2 and 3): metadata and tensor shapes. Never reads weights.

export type GgufValue = number | string | boolean | GgufArray;

/** Long arrays (vocabularies) are counted, not kept. */
export interface GgufArray {
  readonly length: number;
  readonly items: readonly (number | string | boolean)[] | undefined;
}

export interface GgufTensor {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  /** Behind the header, in bytes. */
  readonly offset: number;
}

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
  readonly headerBytes: number;
}

/** Undefined = the bytes end before the header does: read more and ask again. */
export function parseGguf(bytes: Uint8Array): GgufHeader | undefined {
  const cursor = new Cursor(bytes);
  try {
    return readHeader(cursor);
  } catch (error) {
    if (error instanceof OutOfBytes) return undefined;
    throw error;
  }
}

export class NotGguf extends Error {}
class OutOfBytes extends Error {}

const MAGIC = 0x46554747;
const entriesMax = 1_000_000;
const keptItemsMax = 64;

function readHeader(cursor: Cursor): GgufHeader {
  if (cursor.uint32() !== MAGIC) throw new NotGguf('the file is not in GGUF format');
  const version = cursor.uint32();
  if (version !== 2 && version !== 3) throw new NotGguf(`GGUF version ${version} is not supported`);
  const tensorCount = cursor.count();
  const entryCount = cursor.count();
  const metadata = new Map<string, GgufValue>();
  for (let at = 0; at < entryCount; at++) metadata.set(cursor.text(), readValue(cursor, cursor.uint32()));
  const tensors: GgufTensor[] = [];
  for (let at = 0; at < tensorCount; at++) tensors.push(readTensor(cursor));
  return { metadata, tensors, headerBytes: cursor.at };
}

function readTensor(cursor: Cursor): GgufTensor {
  const name = cursor.text();
  const dimensions = cursor.uint32();
  if (dimensions > 8) throw new NotGguf(`the tensor ${name} has ${dimensions} dimensions`);
  const shape = Array.from({ length: dimensions }, () => cursor.uint64());
  const type = TENSOR_TYPES[cursor.uint32()]?.[0] ?? 'unknown';
  return { name, type, shape, offset: cursor.uint64() };
}

/** Bytes of the fixed-size kinds, by GGUF's numbers; 8 = string, 9 = array. */
const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, -1, -1, 8, 8, 8];

function readValue(cursor: Cursor, kind: number): GgufValue {
  return kind === 9 ? readArray(cursor) : readScalar(cursor, kind);
}

function readScalar(cursor: Cursor, kind: number): number | string | boolean {
  if (kind === 7) return cursor.uint8() !== 0;
  if (kind === 8) return cursor.text();
  return cursor.number(kind);
}

function readArray(cursor: Cursor): GgufArray {
  const kind = cursor.uint32();
  const length = cursor.count();
  if (kind === 9) throw new NotGguf('nested arrays are not supported');
  if (length <= keptItemsMax) {
    return { length, items: Array.from({ length }, () => readScalar(cursor, kind)) };
  }
  const size = SIZES[kind] ?? 0;
  if (kind === 8) for (let at = 0; at < length; at++) cursor.skip(cursor.uint64());
  else cursor.skip(size * length);
  return { length, items: undefined };
}

const decoder = new TextDecoder();

class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  get at(): number {
    return this.#at;
  }
  #take(size: number): number {
    const from = this.#at;
    if (from + size > this.#bytes.byteLength) throw new OutOfBytes();
    this.#at = from + size;
    return from;
  }
  skip(size: number): void {
    this.#take(size);
  }
  uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }
  count(): number {
    const count = this.uint64();
    if (count > entriesMax) throw new NotGguf(`the header counts ${count} entries`);
    return count;
  }
  text(): string {
    const size = this.uint64();
    if (size > entriesMax * 16) throw new NotGguf(`the header holds a text of ${size} bytes`);
    const from = this.#take(size);
    return decoder.decode(this.#bytes.subarray(from, from + size));
  }
  number(kind: number): number {
    const size = SIZES[kind];
    if (size === undefined || size < 0) throw new NotGguf(`unknown value type ${kind}`);
    return readNumber(this.#view, kind, this.#take(size));
  }
}

function readNumber(view: DataView, kind: number, at: number): number {
  switch (kind) {
    case 0:
      return view.getUint8(at);
    case 1:
      return view.getInt8(at);
    case 2:
      return view.getUint16(at, true);
    case 3:
      return view.getInt16(at, true);
    case 4:
      return view.getUint32(at, true);
    case 5:
      return view.getInt32(at, true);
    case 6:
      return Number(view.getFloat32(at, true).toPrecision(8));
    case 10:
      return Number(view.getBigUint64(at, true));
    case 11:
      return Number(view.getBigInt64(at, true));
    default:
      return view.getFloat64(at, true);
  }
}

/** By GGUF's numbers: name, elements of a block, bytes of a block (ggml type_traits). Retired types have no size. */
// prettier-ignore
const TENSOR_TYPES: readonly (readonly [name: string, elements?: number, bytes?: number])[] = [
  ['F32', 1, 4], ['F16', 1, 2], ['Q4_0', 32, 18], ['Q4_1', 32, 20], ['Q4_2'], ['Q4_3'], ['Q5_0', 32, 22],
  ['Q5_1', 32, 24], ['Q8_0', 32, 34], ['Q8_1', 32, 36], ['Q2_K', 256, 84], ['Q3_K', 256, 110], ['Q4_K', 256, 144],
  ['Q5_K', 256, 176], ['Q6_K', 256, 210], ['Q8_K', 256, 292], ['IQ2_XXS', 256, 66], ['IQ2_XS', 256, 74],
  ['IQ3_XXS', 256, 98], ['IQ1_S', 256, 50], ['IQ4_NL', 32, 18], ['IQ3_S', 256, 110], ['IQ2_S', 256, 82],
  ['IQ4_XS', 256, 136], ['I8', 1, 1], ['I16', 1, 2], ['I32', 1, 4], ['I64', 1, 8], ['F64', 1, 8], ['IQ1_M', 256, 56],
  ['BF16', 1, 2], ['Q4_0_4_4'], ['Q4_0_4_8'], ['Q4_0_8_8'], ['TQ1_0', 256, 54], ['TQ2_0', 256, 66], ['IQ4_NL_4_4'],
  ['IQ4_NL_4_8'], ['IQ4_NL_8_8'], ['MXFP4', 32, 17],
];

// prettier-ignore
const FILE_TYPES = [
  'F32', 'F16', 'Q4_0', 'Q4_1', 'MXFP4', 'unknown', 'unknown', 'Q8_0', 'Q5_0', 'Q5_1', 'Q2_K', 'Q3_K_S', 'Q3_K_M', 'Q3_K_L',
  'Q4_K_S', 'Q4_K_M', 'Q5_K_S', 'Q5_K_M', 'Q6_K', 'IQ2_XXS', 'IQ2_XS', 'Q2_K_S', 'IQ3_XS', 'IQ3_XXS', 'IQ1_S', 'IQ4_NL',
  'IQ3_S', 'IQ3_M', 'IQ2_S', 'IQ4_XS', 'IQ1_M', 'BF16',
];

const BLOCKS = new Map(
  TENSOR_TYPES.map(([name, elements, bytes]) => [name, { elements: elements ?? 1, bytes: bytes ?? 0 }]),
);
const alignmentDefault = 32;

/** Where the file must not end before. A tensor of a type without a known size counts with its first byte. */
export function wholeFileBytes(header: GgufHeader): number {
  const alignment = numberOf(header.metadata, 'general.alignment') ?? alignmentDefault;
  const dataAt = Math.ceil(header.headerBytes / alignment) * alignment;
  return header.tensors.reduce(
    (most, tensor) => Math.max(most, dataAt + tensorEnd(tensor)),
    header.headerBytes,
  );
}

function tensorEnd(tensor: GgufTensor): number {
  const { elements, bytes } = BLOCKS.get(tensor.type) ?? { elements: 1, bytes: 0 };
  const count = tensor.shape.reduce((size, edge) => size * edge, 1);
  return tensor.offset + (count / elements) * bytes;
}

/** What the rest of the engine asks of a header. */
export interface GgufFacts {
  readonly architecture: string;
  readonly fileType: string;
  readonly parameterCount: number;
  readonly parameterSize: string;
  readonly contextLength: number;
  readonly embeddingLength: number;
  readonly chatTemplate: string | undefined;
  readonly embedding: boolean;
  readonly insert: boolean;
  readonly kind: 'model' | 'adapter' | 'projector';
}

export function ggufFacts(header: GgufHeader): GgufFacts {
  const { metadata } = header;
  const architecture = textOf(metadata, 'general.architecture') ?? 'unknown';
  const parameterCount = countParameters(header);
  return {
    architecture,
    fileType: FILE_TYPES[numberOf(metadata, 'general.file_type') ?? -1] ?? 'unknown',
    parameterCount,
    parameterSize: humanNumber(parameterCount),
    contextLength: numberOf(metadata, `${architecture}.context_length`) ?? 0,
    embeddingLength: numberOf(metadata, `${architecture}.embedding_length`) ?? 0,
    chatTemplate: textOf(metadata, 'tokenizer.chat_template'),
    embedding: metadata.has(`${architecture}.pooling_type`),
    insert: canInsert(metadata),
    kind: kindOfFile(metadata, architecture),
  };
}

/** Filling in needs the three marker tokens, under either of their names. */
function canInsert(metadata: ReadonlyMap<string, GgufValue>): boolean {
  const has = (...keys: string[]): boolean =>
    keys.some(key => metadata.has(`tokenizer.ggml.${key}_token_id`));
  return has('prefix', 'fim_pre') && has('suffix', 'fim_suf') && has('middle', 'fim_mid');
}

function kindOfFile(metadata: ReadonlyMap<string, GgufValue>, architecture: string): GgufFacts['kind'] {
  const type = textOf(metadata, 'general.type');
  if (type === 'adapter') return 'adapter';
  const visionOnly =
    metadata.has(`${architecture}.vision.block_count`) && !metadata.has(`${architecture}.block_count`);
  return type === 'projector' || type === 'mmproj' || architecture === 'clip' || visionOnly
    ? 'projector'
    : 'model';
}

function countParameters(header: GgufHeader): number {
  return header.tensors.reduce((sum, tensor) => sum + tensor.shape.reduce((size, edge) => size * edge, 1), 0);
}

function textOf(metadata: ReadonlyMap<string, GgufValue>, key: string): string | undefined {
  const value = metadata.get(key);
  return typeof value === 'string' ? value : undefined;
}

function numberOf(metadata: ReadonlyMap<string, GgufValue>, key: string): number | undefined {
  const value = metadata.get(key);
  return typeof value === 'number' ? value : undefined;
}

/** 134.52M, 7.6B, 400K (ollama format/format.go HumanNumber). */
export function humanNumber(count: number): string {
  const whole = (value: number, decimals: number): string =>
    value.toFixed(Number.isInteger(value) ? 0 : decimals);
  if (count >= 1e9) return `${whole(count / 1e9, 1)}B`;
  if (count >= 1e6) return `${whole(count / 1e6, 2)}M`;
  return count >= 1e3 ? `${(count / 1e3).toFixed(0)}K` : String(count);
}
