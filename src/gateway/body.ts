// Receives a request's body as one Buffer, bounded per body and over all bodies held. Never parses, never waits for a slow sender without limit.
import { BigoError } from '../api/errors.ts';
import type { GatewayContext } from './context.ts';
import { bodyWithRoom } from './core/request/edits.ts';
import { createScanner } from './core/request/scan.ts';
import type { JsonScanner, ScanResult } from './core/request/scan.ts';
import type { HttpExchange } from './http-exchange.ts';
import type { Timed } from './deadlines.ts';

/** A sender must get this far between two looks at it, or it counts as stopped. */
const progressBytesMin = 1_024;
/** A body that is larger is scanned while it arrives, so that no one scan blocks the others. */
const scanAtOnceBytesMax = 1024 * 1024;
const EMPTY = Buffer.alloc(0);

/** `scanned` is there when the body was scanned while it arrived. */
export type BodyDone = (error: BigoError | undefined, body: Buffer, scanned?: ScanResult) => void;

/** Calls back exactly once: with the body, or with the error to answer. A client that left gets neither. */
export function receiveBody(context: GatewayContext, exchange: HttpExchange, done: BodyDone): void {
  const refusal = refuseByLength(context, exchange);
  if (refusal !== undefined) {
    done(refusal, EMPTY);
    return;
  }
  if (exchange.wholeBody !== undefined) {
    const { length } = exchange.wholeBody;
    context.bodyBytesHeld += length;
    exchange.bodyBytesHeld = length;
    done(undefined, exchange.wholeBody);
    return;
  }
  const receiver = new BodyReceiver(context, exchange, done);
  exchange.continueIfAsked();
  receiver.start();
}

/** Decided before a byte is read (rule 32). */
function refuseByLength(context: GatewayContext, exchange: HttpExchange): BigoError | undefined {
  const { jsonBytesMax } = context.settings.body;
  const length = Number(exchange.req.headers['content-length'] ?? 0);
  if (length > jsonBytesMax) return tooLarge(jsonBytesMax);
  if (context.bodyBytesHeld + length > context.settings.queue.bytesMax) return bytesFull(context);
  return undefined;
}

class BodyReceiver implements Timed {
  deadlineMs: number;
  seat = -1;
  private readonly context: GatewayContext;
  private readonly exchange: HttpExchange;
  private done: BodyDone | undefined;
  private chunks: Buffer[] = [];
  /** A large body of known length is put together while it arrives: joining 100 MB at the end would block everybody. */
  private readonly whole: Buffer | undefined;
  private bytes = 0;
  private bytesAtLastLook = 0;
  private scanner: JsonScanner | undefined;

  constructor(context: GatewayContext, exchange: HttpExchange, done: BodyDone) {
    this.context = context;
    this.exchange = exchange;
    this.done = done;
    this.deadlineMs = exchange.receivedAtMs + context.settings.time.receiveMsMax;
    const length = Number(exchange.req.headers['content-length'] ?? 0);
    // The memory is only taken as pieces are copied into it.
    if (length > scanAtOnceBytesMax) this.whole = memoryFor(length);
  }

  start(): void {
    const { stream: req } = this.exchange;
    this.exchange.whenClosed = () => this.finish();
    req.on('data', (chunk: Buffer) => this.take(chunk));
    req.on('end', () => this.complete());
    this.context.deadlines.add(this);
  }

  onDeadline(nowMs: number): void {
    if (this.bytes - this.bytesAtLastLook >= progressBytesMin) {
      this.bytesAtLastLook = this.bytes;
      this.deadlineMs = nowMs + this.context.settings.time.receiveMsMax;
      return;
    }
    this.fail(new BigoError('request_timeout', 'The body of the request arrives too slowly.'));
  }

  private take(chunk: Buffer): void {
    if (this.done === undefined) return;
    if (this.whole === undefined) this.chunks.push(chunk);
    else chunk.copy(this.whole, this.bytes);
    this.bytes += chunk.length;
    this.context.bodyBytesHeld += chunk.length;
    this.exchange.bodyBytesHeld += chunk.length;
    this.scan(chunk);
    const { jsonBytesMax } = this.context.settings.body;
    if (this.bytes > jsonBytesMax) this.fail(tooLarge(jsonBytesMax));
    else if (this.context.bodyBytesHeld > this.context.settings.queue.bytesMax)
      this.fail(bytesFull(this.context));
  }

  private complete(): void {
    const [only] = this.chunks;
    const few = this.chunks.length === 1 && only !== undefined ? only : undefined;
    const whole = this.whole ?? few ?? joined(this.chunks, this.bytes);
    this.finish()?.(undefined, whole, this.scanner?.end());
  }

  private scan(chunk: Buffer): void {
    if (this.exchange.route.body !== 'json') return;
    if (this.scanner !== undefined) this.scanner.push(chunk);
    else if (this.whole !== undefined) {
      this.scanner = createScanner();
      this.scanner.push(chunk);
    } else if (this.bytes > scanAtOnceBytesMax) {
      this.scanner = createScanner();
      for (const held of this.chunks) this.scanner.push(held);
    }
  }

  private fail(error: BigoError): void {
    this.finish()?.(error, EMPTY);
    this.exchange.releaseBody();
  }

  /** Whom to tell; undefined when somebody was told before. */
  private finish(): BodyDone | undefined {
    const { done } = this;
    this.done = undefined;
    this.chunks = [];
    if (done === undefined) return undefined;
    this.context.deadlines.delete(this);
    this.exchange.whenClosed = undefined;
    return done;
  }
}

function memoryFor(bytes: number): Buffer {
  const body = bodyWithRoom(bytes);
  return Buffer.from(body.buffer, body.byteOffset, bytes);
}

function joined(chunks: readonly Buffer[], bytes: number): Buffer {
  const body = memoryFor(bytes);
  let at = 0;
  for (const chunk of chunks) at += chunk.copy(body, at);
  return body;
}

function tooLarge(bytesMax: number): BigoError {
  return new BigoError('too_large', `The body is over ${bytesMax} bytes, the most that is taken here.`);
}

function bytesFull(context: GatewayContext): BigoError {
  const message = `The gateway holds ${context.settings.queue.bytesMax} bytes of requests, the most it may.`;
  return new BigoError('queue_bytes_full', message, { retryAfterMs: 2_000 });
}
