// Changes to a request's body: bytes are cut out and put in, nothing is re-serialised. Never reorders or reformats.
import type { Edit, Span } from './types.ts';

const encoder = new TextEncoder();

/** Before and behind a large body, so that an edit moves the smaller side and not 100 MB. */
const roomBytes = 4 * 1024;
const inPlaceBytesMin = 256 * 1024;

/** Memory for a body that applyEdits may change where it lies. */
export function bodyWithRoom(bytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(bytes + 2 * roomBytes), roomBytes, bytes);
}

/** No other view has this layout: slices of shared memory are smaller, whole buffers begin at their beginning. */
function hasRoom(body: Uint8Array): boolean {
  const isWhole = body.buffer.byteLength === body.length + 2 * roomBytes;
  return isWhole && body.byteOffset === roomBytes && body.length >= inPlaceBytesMin;
}

/** What stays between two edits, and the text that follows it. */
interface Piece {
  readonly from: number;
  readonly bytes: number;
  /** Where it begins in the result. */
  readonly to: number;
  readonly text: Uint8Array;
}

/**
 * The body with all edits done; the body itself when there are none. Spans must not overlap.
 * A body of bodyWithRoom() is changed itself: whoever read it before must not read it again.
 */
export function applyEdits(body: Uint8Array, edits: readonly Edit[]): Uint8Array {
  if (edits.length === 0) return body;
  const pieces = piecesOf(body.length, edits);
  return (hasRoom(body) ? spliced(body, pieces) : undefined) ?? copied(body, pieces);
}

function piecesOf(bodyBytes: number, edits: readonly Edit[]): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  let to = 0;
  for (const { span, text } of edits.toSorted((a, b) => a.span.start - b.span.start)) {
    const piece = { from, bytes: span.start - from, to, text: encoder.encode(text) };
    pieces.push(piece);
    from = span.end;
    to += piece.bytes + piece.text.length;
  }
  pieces.push({ from, bytes: bodyBytes - from, to, text: new Uint8Array(0) });
  return pieces;
}

function copied(body: Uint8Array, pieces: readonly Piece[]): Uint8Array {
  const result = new Uint8Array(resultBytes(pieces));
  for (const { from, bytes, to, text } of pieces) {
    result.set(body.subarray(from, from + bytes), to);
    result.set(text, to + bytes);
  }
  return result;
}

function resultBytes(pieces: readonly Piece[]): number {
  const last = pieces.at(-1) as Piece;
  return last.to + last.bytes;
}

/** The largest piece stays where it is. Undefined = there is not enough room. */
function spliced(body: Uint8Array, pieces: readonly Piece[]): Uint8Array | undefined {
  const still = pieces.reduce((most, piece) => (piece.bytes > most.bytes ? piece : most));
  const start = body.byteOffset + still.from - still.to;
  const length = resultBytes(pieces);
  if (start < 0 || start + length > body.buffer.byteLength) return undefined;
  const all = new Uint8Array(body.buffer);
  const shift = still.from - still.to;
  // Those that move left from the left, those that move right from the right: none is overwritten before it has moved.
  const leftwards = pieces.filter(({ from, to }) => to + shift < from);
  const rightwards = pieces.filter(({ from, to }) => to + shift > from).toReversed();
  for (const { from, bytes, to } of [...leftwards, ...rightwards]) {
    const at = body.byteOffset + from;
    all.copyWithin(start + to, at, at + bytes);
  }
  for (const { to, bytes, text } of pieces) all.set(text, start + to + bytes);
  return all.subarray(start, start + length);
}

/** Puts another model in the place of the one that the client named. */
export function modelEdit(
  request: { readonly modelSpan: Span; readonly modelInForm?: true },
  name: string,
): Edit {
  return { span: request.modelSpan, text: request.modelInForm ? name : JSON.stringify(name) };
}
