// Reads of a program or library what an image must know: its processor, its loader, the libraries that it loads.
// Only 64-bit little-endian ELF (System V ABI, chapters 4 and 5), which both of our processors use; never runs anything.
export interface Elf {
  readonly machine: number;
  /** Absent: a library, or a program without shared libraries. */
  readonly loader: string | undefined;
  readonly libraries: readonly string[];
}

const segment = { load: 1, dynamic: 2, interpreter: 3 };
const dynamicTag = { end: 0, needed: 1, strings: 5 };

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly sizeBytes: number;
}

/** Undefined for anything that is no ELF file. */
export function readElf(bytes: Buffer): Elf | undefined {
  if (bytes.length < 64 || bytes.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return undefined;
  const segments = segmentsOf(bytes);
  const interpreter = segments.find(({ type }) => type === segment.interpreter);
  return {
    machine: bytes.readUInt16LE(18),
    loader: interpreter === undefined ? undefined : textAt(bytes, interpreter.offset),
    libraries: librariesOf(bytes, segments),
  };
}

function segmentsOf(bytes: Buffer): Segment[] {
  const at = Number(bytes.readBigUInt64LE(32));
  const sizeBytes = bytes.readUInt16LE(54);
  return Array.from({ length: bytes.readUInt16LE(56) }, (_, index) => {
    const start = at + index * sizeBytes;
    const field = (offset: number): number => Number(bytes.readBigUInt64LE(start + offset));
    return { type: bytes.readUInt32LE(start), offset: field(8), address: field(16), sizeBytes: field(32) };
  });
}

function librariesOf(bytes: Buffer, segments: readonly Segment[]): string[] {
  const dynamic = segments.find(({ type }) => type === segment.dynamic);
  if (dynamic === undefined) return [];
  const needed: number[] = [];
  let strings = 0;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.sizeBytes; at += 16) {
    const tag = Number(bytes.readBigInt64LE(at));
    const value = Number(bytes.readBigUInt64LE(at + 8));
    if (tag === dynamicTag.end) break;
    if (tag === dynamicTag.needed) needed.push(value);
    if (tag === dynamicTag.strings) strings = value;
  }
  const table = offsetOf(strings, segments);
  return needed.map(offset => textAt(bytes, table + offset));
}

/** Where in the file lies what the program finds at this address. */
function offsetOf(address: number, segments: readonly Segment[]): number {
  const holds = segments.find(
    one => one.type === segment.load && one.address <= address && address < one.address + one.sizeBytes,
  );
  if (holds === undefined) throw new Error(`No segment of the program holds address ${address}.`);
  return holds.offset + address - holds.address;
}

function textAt(bytes: Buffer, offset: number): string {
  return bytes.toString('latin1', offset, bytes.indexOf(0, offset));
}
