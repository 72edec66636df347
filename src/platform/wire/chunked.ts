// Takes the chunk framing off a body that arrives in pieces cut anywhere (RFC 9112 §7.1).
// Never copies a piece that holds a single chunk; several chunks of one piece are moved together inside it.

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER = 6;
const TRAILER_LF = 7;
const DONE = 8;
const BROKEN = 9;

const CR = 0x0d;
const LF = 0x0a;
const sizeDigitsMax = 12;
/** Of extensions and trailers together, over the whole body. */
const aroundBytesMax = 32 * 1024;

const NOTHING = new Uint8Array(0);

export class ChunkedReader {
  /** Where the body ended in the piece that was read last; what follows belongs to nobody. */
  endedAt = 0;
  private state = SIZE;
  private left = 0;
  private digits = 0;
  private around = 0;
  private lineEmpty = true;
  /** Bytes of the last piece that belong to the body, with the first of them at `start`. */
  private start = 0;
  private length = 0;

  get done(): boolean {
    return this.state === DONE;
  }

  get broken(): boolean {
    return this.state === BROKEN;
  }

  /** The bytes of the body in this piece. The piece is overwritten where it held several chunks. */
  read(piece: Uint8Array): Uint8Array {
    this.start = 0;
    this.length = 0;
    let at = 0;
    while (at < piece.length && this.state < DONE) {
      if (this.state === DATA) at = this.data(piece, at);
      else this.framing(piece[at++] as number);
    }
    this.endedAt = at;
    return this.length === 0 ? NOTHING : piece.subarray(this.start, this.start + this.length);
  }

  private data(piece: Uint8Array, at: number): number {
    const bytes = Math.min(this.left, piece.length - at);
    if (this.length === 0) this.start = at;
    else piece.copyWithin(this.start + this.length, at, at + bytes);
    this.length += bytes;
    this.left -= bytes;
    if (this.left === 0) this.state = DATA_CR;
    return at + bytes;
  }

  private framing(byte: number): void {
    switch (this.state) {
      case SIZE:
        this.size(byte);
        return;
      case EXTENSION:
        if (byte === CR) this.state = SIZE_LF;
        else if (byte === LF || ++this.around > aroundBytesMax) this.state = BROKEN;
        return;
      case SIZE_LF:
        this.sizeEnd(byte);
        return;
      case DATA_CR:
        this.state = byte === CR ? DATA_LF : BROKEN;
        return;
      case DATA_LF:
        this.state = byte === LF ? SIZE : BROKEN;
        this.digits = 0;
        return;
      case TRAILER:
        this.trailer(byte);
        return;
      default:
        this.trailerEnd(byte);
    }
  }

  private size(byte: number): void {
    const digit = hexValue(byte);
    if (digit >= 0) {
      this.left = this.left * 16 + digit;
      if (++this.digits > sizeDigitsMax) this.state = BROKEN;
    } else if (this.digits === 0) this.state = BROKEN;
    else if (byte === CR) this.state = SIZE_LF;
    else this.state = byte === 0x3b || byte === 0x20 || byte === 0x09 ? EXTENSION : BROKEN;
  }

  private sizeEnd(byte: number): void {
    if (byte !== LF) this.state = BROKEN;
    else if (this.left > 0) this.state = DATA;
    else {
      this.state = TRAILER;
      this.lineEmpty = true;
    }
  }

  private trailer(byte: number): void {
    if (byte === CR) this.state = TRAILER_LF;
    else if (byte === LF || ++this.around > aroundBytesMax) this.state = BROKEN;
    else this.lineEmpty = false;
  }

  private trailerEnd(byte: number): void {
    if (byte !== LF) this.state = BROKEN;
    else this.state = this.lineEmpty ? DONE : TRAILER;
    this.lineEmpty = true;
  }
}

function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
