// Reads a JSON object byte by byte: checks every byte of it and tells where its top-level members lie.
// Never builds the object, never recurses, and can be fed in pieces, so that a body of 100 MB blocks nobody for long.
import { PrefixHash } from './hash.ts';
import { firstInNumber, nextInNumber, NOT_A_NUMBER, NUMBER_OVER } from './json-number.ts';

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null';

/** A conversation up to a boundary: running hash lanes and the bytes of the value up to there. */
export interface Boundary {
  readonly lane1: number;
  readonly lane2: number;
  readonly bytes: number;
}

export interface Member {
  /** The bytes between the quotes of the key. */
  readonly keyStart: number;
  readonly keyEnd: number;
  /** The bytes of the value, quotes or brackets included. */
  readonly start: number;
  readonly end: number;
  readonly kind: JsonKind;
  /** Bytes inside base64-looking strings: pictures, not text. */
  readonly blobBytes: number;
  /** Hash of the whole value. */
  readonly lane1: number;
  readonly lane2: number;
  /** Ends of the messages in an array; of a string, ends of its first 512, 1024, 2048 … bytes and of its text. */
  readonly boundaries: readonly Boundary[];
}

export interface ScannedObject {
  readonly failed: false;
  readonly members: readonly Member[];
}
export interface ScanFailure {
  readonly failed: true;
  /** What is wrong and where, in words. */
  readonly message: string;
}
export type ScanResult = ScannedObject | ScanFailure;

export interface JsonScanner {
  /** The next piece of the text. 512 KiB take about 2 ms: let the event loop turn in between. */
  push(piece: Uint8Array): void;
  end(): ScanResult;
}

export const depthMax = 512;
export const membersMax = 1024;
const boundariesMax = 31;
const boundariesHead = 8;
const boundariesTail = boundariesMax - boundariesHead;
const textBoundaryBytesMin = 512;
const blobBytesMin = 1024;
const blobProbeBytes = 128;

// What the next byte may be.
const START = 0;
const VALUE = 1;
const FIRST_ELEMENT = 2;
const FIRST_KEY = 3;
const NEXT_KEY = 4;
const COLON = 5;
const AFTER = 6;
const FINISHED = 7;
const STRING = 8;
const ESCAPE = 9;
const HEX = 10;
const LITERAL = 11;
const FAILED = 12;
/** Inside a number: NUMBER plus a state of json-number.ts. */
const NUMBER = 13;

const IN_OBJECT = 1;
const IN_ARRAY = 2;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

type Mutable<Value> = { -readonly [field in keyof Value]: Value[field] };
type OpenMember = Mutable<Member> & { boundaries: Mutable<Boundary>[] };

export function createScanner(): JsonScanner {
  return new Scanner();
}

export function scanObject(text: Uint8Array): ScanResult {
  const scanner = new Scanner();
  scanner.push(text);
  return scanner.end();
}

class Scanner implements JsonScanner {
  private state = START;
  private message = '';
  /** Bytes of all earlier pieces; every place that is kept counts from the first byte of the text. */
  private base = 0;
  private piece: Uint8Array = new Uint8Array(0);
  private depth = 0;
  private readonly kinds: number[] = [0];
  private keyNow = false;
  private hexLeft = 0;
  private literal = '';
  private literalAt = 0;
  private stringStart = 0;
  private stringIsBlob = false;
  private keyStart = 0;
  private keyEnd = 0;
  private member: OpenMember | undefined;
  private readonly members: Member[] = [];
  private readonly hash = new PrefixHash();
  private hashedTo = 0;
  private textBoundary = 0;
  /** Boundaries that took the place of an older one. */
  private replaced = 0;

  push(piece: Uint8Array): void {
    this.piece = piece;
    const length = piece.length;
    let at = 0;
    while (at < length && this.state !== FAILED) at = this.step(piece, at);
    if (this.state === FAILED) return;
    if (this.member !== undefined) {
      this.hashTo(this.base + length);
      if (this.state === STRING) this.probeBlob(this.base + length);
    }
    this.base += length;
  }

  end(): ScanResult {
    if (this.state === FINISHED) return { failed: false, members: this.members };
    if (this.state === FAILED) return { failed: true, message: this.message };
    const message =
      this.state === START
        ? 'The body is empty: one JSON object was expected.'
        : `The JSON text breaks off after ${this.base} bytes.`;
    return { failed: true, message };
  }

  /** Reads from `at` and returns the place of the next byte to read. */
  private step(piece: Uint8Array, at: number): number {
    const state = this.state;
    if (state === STRING) return this.inString(piece, at);
    if (state >= NUMBER) return this.inNumber(piece, at);
    const byte = piece[at] as number;
    if (state === ESCAPE) return this.inEscape(byte, at);
    if (state === HEX) return this.inHex(byte, at);
    if (state === LITERAL) return this.inLiteral(byte, at);
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return at + 1;
    this.structure(state, byte, at);
    return at + 1;
  }

  private structure(state: number, byte: number, at: number): void {
    if (state === VALUE) return this.beginValue(byte, at);
    if (state === COLON) {
      if (byte !== 0x3a) return this.fail(at, 'a colon was expected');
      this.state = VALUE;
      return;
    }
    if (state === AFTER) return this.afterValue(byte, at);
    if (state === NEXT_KEY) return this.beginKey(byte, at);
    if (state === FIRST_KEY) return byte === 0x7d ? this.close(at) : this.beginKey(byte, at);
    if (state === FIRST_ELEMENT) return byte === 0x5d ? this.close(at) : this.beginValue(byte, at);
    if (state === FINISHED) return this.fail(at, 'the object is complete, but more follows');
    if (byte === 0x7b) return this.open(IN_OBJECT, at);
    this.fail(at, byte === 0xef ? 'a byte order mark is not JSON' : 'the body must be one JSON object');
  }

  private beginKey(byte: number, at: number): void {
    if (byte !== QUOTE) return this.fail(at, 'a key in double quotes was expected');
    this.keyNow = true;
    this.stringStart = this.base + at + 1;
    this.state = STRING;
  }

  private beginValue(byte: number, at: number): void {
    if (byte === QUOTE) {
      if (this.depth === 1) this.openMember('string', at);
      this.keyNow = false;
      this.stringStart = this.base + at + 1;
      this.stringIsBlob = true;
      this.state = STRING;
    } else if (byte === 0x7b) {
      if (this.depth === 1) this.openMember('object', at);
      this.open(IN_OBJECT, at);
    } else if (byte === 0x5b) {
      if (this.depth === 1) this.openMember('array', at);
      this.open(IN_ARRAY, at);
    } else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) {
      if (this.depth === 1) this.openMember('number', at);
      this.state = NUMBER + firstInNumber(byte);
    } else {
      this.beginLiteral(byte, at);
    }
  }

  private beginLiteral(byte: number, at: number): void {
    const kind = byte === 0x74 ? 'true' : byte === 0x66 ? 'false' : byte === 0x6e ? 'null' : undefined;
    if (kind === undefined) return this.fail(at, 'a value was expected');
    if (this.depth === 1) this.openMember(kind, at);
    this.literal = kind;
    this.literalAt = 1;
    this.state = LITERAL;
  }

  private inLiteral(byte: number, at: number): number {
    if (byte !== this.literal.charCodeAt(this.literalAt)) {
      this.fail(at, `\`${this.literal}\` is misspelt`);
    } else if (++this.literalAt === this.literal.length) {
      this.endValue(at + 1);
    }
    return at + 1;
  }

  private inString(piece: Uint8Array, from: number): number {
    const length = piece.length;
    let at = from;
    while (at < length) {
      const byte = piece[at] as number;
      if (byte === QUOTE) {
        this.endString(at);
        return at + 1;
      }
      if (byte === BACKSLASH) {
        this.state = ESCAPE;
        return at + 1;
      }
      if (byte < 0x20) {
        this.fail(at, 'a control character must be escaped');
        return at;
      }
      at++;
    }
    return at;
  }

  private inEscape(byte: number, at: number): number {
    // " \ / b f n r t, or u and four hexadecimal digits
    const simple =
      byte === QUOTE ||
      byte === BACKSLASH ||
      byte === 0x2f ||
      byte === 0x62 ||
      byte === 0x66 ||
      byte === 0x6e ||
      byte === 0x72 ||
      byte === 0x74;
    if (simple) {
      this.state = STRING;
    } else if (byte === 0x75) {
      this.state = HEX;
      this.hexLeft = 4;
    } else {
      this.fail(at, 'this escape does not exist');
    }
    return at + 1;
  }

  private inHex(byte: number, at: number): number {
    const lower = byte | 0x20;
    const isHex = (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x66);
    if (!isHex) this.fail(at, 'four hexadecimal digits were expected');
    else if (--this.hexLeft === 0) this.state = STRING;
    return at + 1;
  }

  private endString(at: number): void {
    if (this.keyNow) {
      if (this.depth === 1) {
        this.keyStart = this.stringStart;
        this.keyEnd = this.base + at;
      }
      this.state = COLON;
      return;
    }
    const bytes = this.base + at - this.stringStart;
    if (bytes >= blobBytesMin && this.member !== undefined) {
      this.probeBlob(this.base + at);
      if (this.stringIsBlob) this.member.blobBytes += bytes;
    }
    if (this.depth === 1) this.boundaryAt(at);
    this.endValue(at + 1);
    if (this.depth === 2) this.elementEnd(at + 1);
  }

  private inNumber(piece: Uint8Array, from: number): number {
    const length = piece.length;
    for (let at = from; at < length; at++) {
      const next = nextInNumber(this.state - NUMBER, piece[at] as number);
      if (next === NUMBER_OVER) {
        this.endValue(at);
        return at;
      }
      if (next === NOT_A_NUMBER) {
        this.fail(at, 'this is not a number');
        return at;
      }
      this.state = NUMBER + next;
    }
    return length;
  }

  private afterValue(byte: number, at: number): void {
    const inObject = this.kinds[this.depth] === IN_OBJECT;
    if (byte === 0x2c) this.state = inObject ? NEXT_KEY : VALUE;
    else if (byte === (inObject ? 0x7d : 0x5d)) this.close(at);
    else this.fail(at, inObject ? 'a comma or } was expected' : 'a comma or ] was expected');
  }

  private open(kind: number, at: number): void {
    if (this.depth === depthMax) return this.fail(at, `it is nested deeper than ${depthMax}`);
    this.kinds[++this.depth] = kind;
    this.state = kind === IN_OBJECT ? FIRST_KEY : FIRST_ELEMENT;
  }

  private close(at: number): void {
    const isObject = this.kinds[this.depth] === IN_OBJECT;
    this.depth--;
    this.endValue(at + 1);
    if (this.depth === 2 && isObject) this.elementEnd(at + 1);
  }

  private endValue(at: number): void {
    this.state = this.depth === 0 ? FINISHED : AFTER;
    const member = this.member;
    if (this.depth !== 1 || member === undefined) return;
    member.end = this.base + at;
    this.hashPart(member.end);
    member.lane1 = this.hash.lane1();
    member.lane2 = this.hash.lane2();
    if (this.replaced > 0) this.putInOrder(member.boundaries);
    this.members.push(member);
    this.member = undefined;
    if (this.members.length > membersMax) this.fail(at, `it has more than ${membersMax} keys`);
  }

  /** A string or object inside a top-level array ended: a message, most often. */
  private elementEnd(at: number): void {
    if (this.kinds[2] === IN_ARRAY) this.boundaryAt(at);
  }

  private boundaryAt(at: number): void {
    if (this.member === undefined) return;
    this.hashTo(this.base + at);
    this.addBoundary(this.member, this.base + at);
  }

  private openMember(kind: JsonKind, at: number): void {
    const start = this.base + at;
    const { keyStart, keyEnd } = this;
    this.member = {
      keyStart,
      keyEnd,
      start,
      end: start,
      kind,
      blobBytes: 0,
      lane1: 0,
      lane2: 0,
      boundaries: [],
    };
    this.hash.reset();
    this.replaced = 0;
    this.hashedTo = start;
    this.textBoundary = kind === 'string' ? start + textBoundaryBytesMin : Infinity;
  }

  private hashTo(place: number): void {
    while (place > this.textBoundary && this.member !== undefined) {
      this.hashPart(this.textBoundary);
      this.addBoundary(this.member, this.textBoundary);
      this.textBoundary += this.textBoundary - this.member.start;
    }
    this.hashPart(place);
  }

  private hashPart(place: number): void {
    this.hash.update(this.piece, this.hashedTo - this.base, place - this.base);
    this.hashedTo = place;
  }

  /**
   * Keeps the first few and the latest: a growing conversation is met at its end, a shared beginning at its start.
   * The latest take turns in their places: millions of empty messages must cost little each.
   */
  private addBoundary(member: OpenMember, place: number): void {
    const { boundaries } = member;
    const lane1 = this.hash.lane1();
    const lane2 = this.hash.lane2();
    const bytes = place - member.start;
    if (boundaries.length < boundariesMax) {
      boundaries.push({ lane1, lane2, bytes });
      return;
    }
    const oldest = boundaries[boundariesHead + (this.replaced++ % boundariesTail)] as Mutable<Boundary>;
    oldest.lane1 = lane1;
    oldest.lane2 = lane2;
    oldest.bytes = bytes;
  }

  private putInOrder(boundaries: Boundary[]): void {
    boundaries.push(...boundaries.splice(boundariesHead, this.replaced % boundariesTail));
  }

  /** Looks at the first bytes of the string that ends at `place` or goes on there. */
  private probeBlob(place: number): void {
    const from = Math.max(this.stringStart, this.base);
    const to = Math.min(this.stringStart + blobProbeBytes, place);
    for (let at = from; at < to && this.stringIsBlob; at++) {
      this.stringIsBlob = isBlobByte(this.piece[at - this.base] as number);
    }
  }

  private fail(at: number, what: string): void {
    this.state = FAILED;
    this.message = `The body is not valid JSON: ${what} (byte ${this.base + at}).`;
  }
}

/** Letters and digits of base64, and what a data: URL has before them. */
function isBlobByte(byte: number): boolean {
  const lower = byte | 0x20;
  if (lower >= 0x61 && lower <= 0x7a) return true;
  if (byte >= 0x2b && byte <= 0x3d) return true;
  return byte === 0x5f || byte === BACKSLASH;
}
