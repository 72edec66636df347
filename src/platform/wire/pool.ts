// Connections to one server, kept open between requests: one request at a time on each, written at once, its answer told as it comes.
// Never follows a redirect, never retries, never pipelines, has no time limit but that of connecting: its callers have their own.
import net from 'node:net';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import { AnswerReader } from './answer-reader.ts';
import type { AnswerSink } from './answer-reader.ts';

export interface PoolOptions {
  /** Scheme, host and port count; a path does not. */
  readonly url: string;
  /** PEM, for https. */
  readonly ca?: string;
  readonly connectMsMax: number;
  /** A connection that was idle for so long is closed. */
  readonly idleMsMax: number;
}

/** connect = no connection, nothing was sent · closed = it ended before the answer did · protocol = the answer is not HTTP/1.1 */
export type BrokenBy = 'connect' | 'closed' | 'protocol';

export class Broken extends Error {
  readonly by: BrokenBy;
  /** The connection had carried an answer before: it may have been closed for being idle. */
  readonly used: boolean;
  readonly code: string | undefined;

  constructor(by: BrokenBy, used: boolean, cause?: NodeJS.ErrnoException) {
    super(cause?.message ?? 'the connection ended');
    this.by = by;
    this.used = used;
    this.code = cause?.code;
  }
}

export interface Exchange extends AnswerSink {
  /** At most once, and then nothing more is told. */
  onBroken(error: Broken): void;
}

export interface Request {
  /** Everything up to the body, with the empty line; latin1. */
  readonly head: string;
  readonly body: Uint8Array;
}

/** What a caller holds while its request is under way. */
export interface Ongoing {
  /** Hangs up; nothing more is told. */
  abort(): void;
  pause(): void;
  resume(): void;
}

/** One write of one string is the cheapest way out of the process, as long as it is short. */
const joinedBytesMax = 16 * 1024;
const keepAliveProbeMs = 60_000;
const idleMax = 512;
const sweepMs = 1_000;
/** A server's own idle limit is a race: stay this far below it. */
const idleSpareMs = 1_000;
const readBytes = 64 * 1024;
/** All connections read into this one piece of memory: a piece is used up before the next one is read. */
const readMemory = Buffer.allocUnsafeSlow(readBytes);

export class Pool {
  /** For the Host field. */
  readonly authority: string;
  private readonly url: URL;
  private readonly options: PoolOptions;
  /** The one used last is taken first, so that the others can grow old. */
  private readonly idle: Connection[] = [];
  private readonly all = new Set<Connection>();
  private readonly sweeper: NodeJS.Timeout;
  private closed = false;

  constructor(options: PoolOptions) {
    this.options = options;
    this.url = new URL(options.url);
    this.authority = this.url.host;
    this.sweeper = setInterval(() => this.sweep(), sweepMs).unref();
  }

  send(request: Request, exchange: Exchange): Ongoing {
    const connection = this.idle.pop() ?? this.open();
    connection.send(request, exchange);
    return connection;
  }

  /** Running requests finish. */
  close(): void {
    this.closed = true;
    clearInterval(this.sweeper);
    for (const connection of this.idle.splice(0)) connection.abort();
  }

  /** Running requests break. */
  destroy(): void {
    this.close();
    for (const connection of [...this.all]) connection.breakOff();
  }

  private open(): Connection {
    const connection = new Connection(this, this.options, this.url);
    this.all.add(connection);
    return connection;
  }

  forget(connection: Connection): void {
    this.all.delete(connection);
    const at = this.idle.indexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
  }

  /** Its answer is complete, and it can carry another one. */
  giveBack(connection: Connection): void {
    if (this.closed || this.idle.length >= idleMax) connection.abort();
    else this.idle.push(connection);
  }

  private sweep(): void {
    const nowMs = performance.now();
    for (const connection of this.idle.filter(one => one.idleUntilMs <= nowMs)) connection.abort();
  }
}

class Connection implements Ongoing {
  idleUntilMs = 0;
  private readonly pool: Pool;
  private readonly idleMsMax: number;
  private readonly socket: Socket;
  private exchange: Exchange | undefined;
  private reader: AnswerReader | undefined;
  private connected = false;
  private used = false;
  private error: NodeJS.ErrnoException | undefined;
  private connectTimer: NodeJS.Timeout | undefined;

  constructor(pool: Pool, options: PoolOptions, url: URL) {
    this.pool = pool;
    this.idleMsMax = options.idleMsMax;
    const { socket } = this.connect(options, url);
    this.socket = socket;
    this.connectTimer = setTimeout(() => {
      socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }));
    }, options.connectMsMax);
    socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => this.onConnect());
    socket.on('end', () => this.onEnd());
    socket.on('error', (error: NodeJS.ErrnoException) => (this.error ??= error));
    socket.on('close', () => this.onClose());
  }

  send(request: Request, exchange: Exchange): void {
    const { socket } = this;
    this.exchange = exchange;
    this.reader = new AnswerReader({
      onHead: head => exchange.onHead(head),
      onBody: bytes => exchange.onBody(bytes),
      onEnd: () => this.complete(exchange),
    });
    const { head, body } = request;
    if (body.length <= joinedBytesMax) {
      socket.write(head + asLatin1(body), 'latin1');
      return;
    }
    socket.cork();
    socket.write(head, 'latin1');
    socket.write(body);
    socket.uncork();
  }

  abort(): void {
    this.exchange = undefined;
    this.reader?.stop();
    this.pool.forget(this);
    this.socket.destroy();
  }

  breakOff(): void {
    this.socket.destroy();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  private connect(options: PoolOptions, url: URL): { socket: Socket } {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
    if (url.protocol === 'https:') {
      const { ca } = options;
      const servername = net.isIP(host) === 0 ? { servername: host } : {};
      const socket = tls.connect({
        host,
        port,
        ALPNProtocols: ['http/1.1'],
        ...servername,
        ...(ca === undefined ? {} : { ca }),
      });
      socket.on('data', (piece: Buffer) => this.onPiece(piece));
      return { socket };
    }
    const onread = {
      buffer: readMemory,
      callback: (bytes: number) => {
        this.onPiece(readMemory.subarray(0, bytes));
        return true;
      },
    };
    return { socket: net.connect({ host, port, onread }) };
  }

  private onConnect(): void {
    this.connected = true;
    clearTimeout(this.connectTimer);
    this.socket.setNoDelay(true);
    this.socket.setKeepAlive(true, keepAliveProbeMs);
  }

  private onPiece(piece: Buffer): void {
    const { reader } = this;
    // Nobody asked: whatever this is, it must not become the answer of the next request.
    if (reader === undefined) {
      this.abort();
      return;
    }
    if (reader.read(piece)) return;
    this.fail('protocol');
  }

  private complete(exchange: Exchange): void {
    const { reader, socket } = this;
    const head = reader?.head;
    this.reader = undefined;
    this.exchange = undefined;
    this.used = true;
    // An answer before the request was all sent leaves bytes of it on the way.
    const clean = reader?.tooMuch === false && socket.writableLength === 0 && !socket.destroyed;
    if (clean && head?.keepsAlive === true) {
      if (socket.isPaused()) socket.resume();
      this.idleUntilMs = performance.now() + Math.min(this.idleMsMax, head.idleMsMax - idleSpareMs);
      this.pool.giveBack(this);
    } else this.abort();
    exchange.onEnd();
  }

  private onEnd(): void {
    if (this.reader?.endOfConnection() !== true) this.fail('closed');
  }

  private onClose(): void {
    clearTimeout(this.connectTimer);
    this.pool.forget(this);
    this.fail(this.connected ? 'closed' : 'connect');
  }

  private fail(by: BrokenBy): void {
    const { exchange } = this;
    this.abort();
    exchange?.onBroken(new Broken(by, this.used, this.error));
  }
}

function asLatin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
