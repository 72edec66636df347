// Reads one answer of HTTP/1.1 from the bytes of a connection: head, body, end. Never keeps a byte of a body:
// what the sink is given lies in the connection's own memory and is only valid during the call.
import { readAnswerHead } from './answer-head.ts';
import type { AnswerHead } from './answer-head.ts';
import { ChunkedReader } from './chunked.ts';

export interface AnswerSink {
  /** Also of informational answers (1xx), which have no body and no end. */
  onHead(head: AnswerHead): void;
  onBody(bytes: Buffer): void;
  onEnd(): void;
}

const HEAD = 0;
const BODY = 1;
const OVER = 2;

const headBytesMax = 32 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const NOTHING = Buffer.alloc(0);

export class AnswerReader {
  /** The last head that is no informational one. */
  head: AnswerHead | undefined;
  /** More came than belongs to the answer. */
  tooMuch = false;
  private state = HEAD;
  private readonly sink: AnswerSink;
  private held: Buffer = NOTHING;
  private left = 0;
  private chunked: ChunkedReader | undefined;
  private stopped = false;

  constructor(sink: AnswerSink) {
    this.sink = sink;
  }

  /** The sink hears nothing more. */
  stop(): void {
    this.stopped = true;
  }

  /** False = this is not HTTP/1.1. */
  read(piece: Buffer): boolean {
    let rest: Buffer | undefined = piece;
    while (rest.length > 0 && this.state !== OVER && !this.stopped) {
      rest = this.state === HEAD ? this.readHead(rest) : this.readBody(rest);
      if (rest === undefined) return false;
    }
    if (this.state === OVER && !this.stopped) this.finish(rest.length > 0);
    return true;
  }

  /** The connection ended. True = that was the end of the answer, too. */
  endOfConnection(): boolean {
    if (this.state !== BODY || this.head?.body !== 'until_close' || this.stopped) return false;
    this.finish(false);
    return true;
  }

  /** What follows the head, or undefined when it cannot be read. */
  private readHead(piece: Buffer): Buffer | undefined {
    const all = this.held.length === 0 ? piece : Buffer.concat([this.held, piece]);
    const end = all.indexOf(HEAD_END, Math.max(0, this.held.length - 3));
    if (end > headBytesMax || (end < 0 && all.length > headBytesMax)) return undefined;
    if (end < 0) {
      // The connection's memory is used again for the next piece.
      this.held = Buffer.from(all);
      return NOTHING;
    }
    this.held = NOTHING;
    const head = readAnswerHead(all.toString('latin1', 0, end + 2));
    if (head === undefined) return undefined;
    if (head.status >= 200) this.begin(head);
    this.sink.onHead(head);
    if (this.state === BODY && head.body === 'length' && this.left === 0) this.state = OVER;
    return all.subarray(end + 4);
  }

  private begin(head: AnswerHead): void {
    this.head = head;
    this.state = BODY;
    this.left = head.body === 'length' ? head.bodyBytes : Infinity;
    if (head.body === 'chunked') this.chunked = new ChunkedReader();
  }

  private readBody(piece: Buffer): Buffer | undefined {
    const { chunked } = this;
    if (chunked !== undefined) return this.readChunks(piece, chunked);
    const bytes = Math.min(this.left, piece.length);
    this.left -= bytes;
    this.sink.onBody(bytes === piece.length ? piece : piece.subarray(0, bytes));
    if (this.left === 0) this.state = OVER;
    return piece.subarray(bytes);
  }

  private readChunks(piece: Buffer, chunked: ChunkedReader): Buffer | undefined {
    const body = chunked.read(piece) as Buffer;
    if (body.length > 0) this.sink.onBody(body);
    if (chunked.broken) return undefined;
    if (chunked.done) this.state = OVER;
    return piece.subarray(chunked.endedAt);
  }

  /** The last that happens: the sink may use the connection again at once. */
  private finish(more: boolean): void {
    this.tooMuch = more;
    this.stopped = true;
    this.sink.onEnd();
  }
}
