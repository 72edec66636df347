// One request of the lane and its answer. The answer leaves in as few writes as it can: head and first bytes together, each chunk as one.
// Never keeps a chunk: what it is given may be used again after the call.
import type { IncomingHttpHeaders } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientAnswer, ClientRequest } from './client.ts';
import { isFieldValue } from './fields.ts';
import type { RequestHead } from './request-head.ts';

/** Longer pieces go out as bytes: a string of them would be made only to be taken apart again. */
const joinedBytesMax = 16 * 1024;

export interface CallOwner {
  /** Its answer is out. `closes` = no other request may follow. */
  onAnswered(closes: boolean): void;
}

export class LaneCall implements ClientRequest, ClientAnswer {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly complete = true;
  readonly socket: Socket;
  readonly body: Buffer;
  statusCode = 200;
  headersSent = false;
  writableFinished = false;
  private readonly owner: CallOwner;
  /** The head until something goes out with it. */
  private head = '';
  private lengthTold = false;
  private closes = false;
  private chunked = false;
  private ended = false;
  private drained: (() => void) | undefined;
  private closed: (() => void) | undefined;

  constructor(owner: CallOwner, socket: Socket, head: RequestHead, body: Buffer) {
    this.owner = owner;
    this.socket = socket;
    this.method = head.method;
    this.url = head.path;
    this.headers = head.headers;
    this.rawHeaders = head.fields;
    this.body = body;
  }

  writeHead(status: number, headers: readonly string[]): void {
    if (this.headersSent) throw new Error('the head was written already');
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Status'}\r\n`;
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = headers[at] as string;
      const value = String(headers[at + 1]);
      if (!isFieldValue(value)) throw new Error(`the value of ${name} cannot be sent`);
      if (name === 'connection') {
        this.closes = value === 'close';
        continue;
      }
      if (name === 'content-length') this.lengthTold = true;
      head += `${name}: ${value}\r\n`;
    }
    this.head = head + dateField() + (this.closes ? CLOSES : KEEPS);
    this.statusCode = status;
    this.headersSent = true;
  }

  write(chunk: Uint8Array): boolean {
    if (chunk.length === 0) return true;
    const start = this.takeHead(false);
    if (!this.chunked) return this.put(start, chunk, '');
    return this.put(`${start}${chunk.length.toString(16)}\r\n`, chunk, '\r\n');
  }

  end(chunk: string | Uint8Array = NOTHING): void {
    if (this.ended) return;
    this.ended = true;
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    const start = this.takeHead(true, bytes.length);
    if (!this.chunked) this.put(start, bytes, '');
    else if (bytes.length === 0) this.put(`${start}0\r\n\r\n`, bytes, '');
    else this.put(`${start}${bytes.length.toString(16)}\r\n`, bytes, '\r\n0\r\n\r\n');
    // Mostly the operating system has taken it all by now.
    if (this.socket.writableLength === 0) this.finish();
    else this.socket.write('', () => this.finish());
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Expectations are not plain: see request-head.ts. */
  writeContinue(): void {}

  on(event: 'drain' | 'close', listener: () => void): void {
    if (event === 'drain') this.drained = listener;
    else this.closed = listener;
  }

  onDrain(): void {
    this.drained?.();
  }

  private finish(): void {
    if (this.socket.destroyed) return;
    this.writableFinished = true;
    this.owner.onAnswered(this.closes);
    this.closed?.();
  }

  /** What goes before the next bytes. Only an answer whose length is not told is chunked. */
  private takeHead(last: boolean, bytes = 0): string {
    const { head } = this;
    if (head === '') return '';
    this.head = '';
    if (this.lengthTold) return `${head}\r\n`;
    if (last) return `${head}content-length: ${bytes}\r\n\r\n`;
    this.chunked = true;
    return `${head}transfer-encoding: chunked\r\n\r\n`;
  }

  private put(before: string, bytes: Uint8Array, after: string): boolean {
    const { socket } = this;
    if (bytes.length <= joinedBytesMax) return socket.write(before + asLatin1(bytes) + after, 'latin1');
    socket.cork();
    if (before !== '') socket.write(before, 'latin1');
    const more = socket.write(Buffer.from(bytes));
    if (after !== '') socket.write(after, 'latin1');
    socket.uncork();
    return more;
  }
}

const NOTHING = new Uint8Array(0);
/** Longer than the idle time of usual load balancers (60 s), so that they close first and never meet a reset. */
export const keepAliveMsMax = 75_000;
const KEEPS = `connection: keep-alive\r\nkeep-alive: timeout=${keepAliveMsMax / 1000}\r\n`;
const CLOSES = 'connection: close\r\n';

function asLatin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

let dateSecond = 0;
let dateText = '';

/** Made once a second. */
function dateField(): string {
  const nowMs = Date.now();
  const second = Math.floor(nowMs / 1000);
  if (second !== dateSecond) dateText = `date: ${new Date(nowMs).toUTCString()}\r\n`;
  dateSecond = second;
  return dateText;
}
