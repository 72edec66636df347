// A node:http server with every limit set knowingly, and one object per client connection that tells who still waits on it.
// Plain requests for known paths take a shorter way through it, the lane (wire/lane.ts).
// Never routes, never reads a body. A request that cannot be parsed gets JSON and a closed connection, never a stack.
import http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { BigoError, ERRORS } from '../api/errors.ts';
import type { ErrorCode } from '../api/errors.ts';
import type { HostPort } from '../api/settings.ts';
import type { ClientRequest } from './wire/client.ts';
import { keepAliveMsMax } from './wire/lane-call.ts';
import type { LaneCall } from './wire/lane-call.ts';
import { Lane } from './wire/lane.ts';
import type { LaneOwner } from './wire/lane.ts';

/** Whoever must hear that a client is gone. */
export interface OpenAnswer {
  /** The socket is closed; called at most once per request. */
  onConnectionClosed(): void;
  /** Its request has not fully arrived and nothing of its answer was written: an error of HTTP can still be its answer. */
  readonly receiving: boolean;
}

export interface HttpServerOptions {
  readonly receiveMsMax: number;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly connectionsMax: number;
  nextRequestId(): string;
  /** `expectsContinue`: the client waits for 100 before it sends the body; write it only when the body is wanted. */
  onRequest(req: IncomingMessage, res: ServerResponse, expectsContinue: boolean): void;
  /** Absent = everything goes through node:http, as it always does with TLS. */
  readonly lane?: {
    /** METHOD and path with a space between. */
    readonly serves: ReadonlySet<string>;
    onCall(call: LaneCall): void;
  };
}

const headBytesMax = 32 * 1024;
const lingerMs = 500;
/** A request that takes longer to arrive is watched by node:http's own clocks. */
const laneReceiveMsMax = 1_000;
const pipelinedMax = 16;

const kConnection = Symbol('connection');
type Marked = Socket & { [kConnection]?: Connection };

export class Connection {
  readonly socket: Socket;
  /** No Set: one that fills and empties all the time leaves garbage that lives long. */
  readonly open: OpenAnswer[] = [];
  refused = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('close', () => this.closed());
  }

  /** What follows a refused request may be a part of it; and nobody pipelines so many in earnest. */
  get takesMore(): boolean {
    return !this.refused && this.open.length < pipelinedMax;
  }

  add(answer: OpenAnswer): void {
    this.open.push(answer);
  }

  remove(answer: OpenAnswer): void {
    const at = this.open.indexOf(answer);
    if (at >= 0) this.open.splice(at, 1);
    if (this.refused && this.open.length === 0) this.socket.destroySoon();
  }

  private closed(): void {
    for (const answer of this.open.splice(0)) answer.onConnectionClosed();
  }
}

export function connectionOf(req: ClientRequest): Connection {
  return connectionFor(req.socket);
}

function connectionFor(socket: Marked): Connection {
  socket[kConnection] ??= new Connection(socket);
  return socket[kConnection];
}

export class HttpServer implements LaneOwner {
  readonly server: http.Server;
  readonly laneServes: ReadonlySet<string>;
  private readonly sockets = new Set<Connection>();
  private readonly lanes = new Set<Lane>();
  private readonly options: HttpServerOptions;
  /** node:http's own way to take a connection. */
  private readonly toHttp: (socket: Socket) => void;
  private readonly sweeper: NodeJS.Timeout;

  constructor(options: HttpServerOptions) {
    this.options = options;
    this.server = makeServer(options);
    this.server.maxConnections = options.connectionsMax;
    this.laneServes = options.lane?.serves ?? new Set();
    this.toHttp = this.takeOver();
    this.sweeper = setInterval(() => this.sweepLanes(), lookMs(options)).unref();
    this.server.on('request', (req: IncomingMessage, res: ServerResponse) => this.take(req, res, false));
    this.server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => this.take(req, res, true));
    this.server.on('checkExpectation', (req: IncomingMessage) =>
      this.refuse(req.socket, 'bad_http', 'The only expectation that is met is 100-continue.'),
    );
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) =>
      this.clientError(error, socket),
    );
    this.server.on('connect', (_req: IncomingMessage, socket: Socket) =>
      this.refuse(socket, 'wrong_method', 'CONNECT is not served.'),
    );
  }

  private track(socket: Socket): void {
    const connection = connectionFor(socket);
    this.sockets.add(connection);
    socket.on('close', () => this.sockets.delete(connection));
  }

  /** Puts the lane before node:http; gives what hands a connection on. */
  private takeOver(): (socket: Socket) => void {
    const { server, options } = this;
    if (options.lane === undefined || options.tls !== undefined) {
      server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
        this.track(socket),
      );
      return () => undefined;
    }
    const [listener] = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      this.track(socket);
      this.lanes.add(new Lane(this, socket));
    });
    return socket => listener?.call(server, socket);
  }

  onCall(call: LaneCall): void {
    this.options.lane?.onCall(call);
  }

  onUnusual(lane: Lane, bytes: Buffer): void {
    const { socket } = lane;
    this.lanes.delete(lane);
    // Flowing would lose the bytes before node:http listens.
    socket.pause();
    if (bytes.length > 0) socket.unshift(bytes);
    this.toHttp(socket);
    socket.resume();
  }

  onLaneClosed(lane: Lane): void {
    this.lanes.delete(lane);
  }

  /** A lane has no timers of its own: slow senders go to node:http, which has, and idle connections end. */
  private sweepLanes(): void {
    const nowMs = performance.now();
    for (const lane of this.lanes) {
      const quietMs = nowMs - lane.sinceMs;
      if (lane.receiving && quietMs > Math.min(laneReceiveMsMax, this.options.receiveMsMax / 2)) {
        this.onUnusual(lane, lane.leave());
      } else if (lane.idle && lane.served === 0 && quietMs > this.options.receiveMsMax) {
        this.refuse(lane.socket, 'request_timeout', 'The head of the request took too long.');
      } else if (lane.idle && quietMs > keepAliveMsMax) {
        lane.socket.destroy();
      }
    }
  }

  async listen(at: HostPort): Promise<string> {
    const { server } = this;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: at.host, port: at.port, backlog: 1024 }, () => {
        server.off('error', reject);
        resolve();
      });
    }).catch((error: unknown) => {
      throw listenError(error as NodeJS.ErrnoException, at);
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : at.port;
    const scheme = this.options.tls === undefined ? 'http' : 'https';
    return `${scheme}://${at.host.includes(':') ? `[${at.host}]` : at.host}:${port}`;
  }

  useTls(tls: { readonly cert: string; readonly key: string }): void {
    if (this.server instanceof https.Server) this.server.setSecureContext(tls);
  }

  /** No new connections; those without a request are closed. */
  stopAccepting(): void {
    if (this.server.listening) this.server.close();
    this.server.closeIdleConnections();
    for (const lane of this.lanes) if (lane.idle) lane.socket.destroy();
  }

  async close(): Promise<void> {
    this.stopAccepting();
    clearInterval(this.sweeper);
    this.server.closeAllConnections();
    for (const lane of this.lanes) lane.socket.destroy();
  }

  /** Requests whose answer is not out yet. */
  get openRequests(): number {
    let open = 0;
    for (const connection of this.sockets) open += connection.open.length;
    return open;
  }

  get connections(): number {
    return this.sockets.size;
  }

  private take(req: IncomingMessage, res: ServerResponse, expectsContinue: boolean): void {
    const connection = connectionFor(req.socket);
    if (!connection.takesMore) {
      connection.refused = true;
      return;
    }
    const wrong = ambiguity(req);
    if (wrong === undefined) this.options.onRequest(req, res, expectsContinue);
    else this.refuse(req.socket, 'bad_http', wrong);
  }

  private clientError(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const { code, message } = httpErrorOf(error);
    this.refuse(socket, code, message);
  }

  /** An answer outside of any request. What arrives later on this connection is read no more. */
  private refuse(socket: Socket, code: ErrorCode, message: string): void {
    const connection = connectionFor(socket);
    if (connection.refused) return;
    connection.refused = true;
    // Requests before the bad bytes get their answers; the connection ends with the last of them.
    if (connection.open.some(answer => !answer.receiving)) return;
    socket.end(rawAnswer(code, message, this.options.nextRequestId()));
    // A close with bytes unread would reset the connection, and the answer might be lost with it.
    setTimeout(() => socket.destroy(), lingerMs).unref();
  }
}

function makeServer(options: HttpServerOptions): http.Server {
  const settings: http.ServerOptions = {
    noDelay: true,
    keepAliveTimeout: keepAliveMsMax,
    headersTimeout: options.receiveMsMax,
    // Would cut the upload of a blob; pieces of a body have their own limit (rule 22).
    requestTimeout: 0,
    connectionsCheckingInterval: lookMs(options),
    maxHeaderSize: headBytesMax,
    requireHostHeader: true,
    insecureHTTPParser: false,
    joinDuplicateHeaders: false,
    rejectNonStandardBodyWrites: false,
  };
  if (options.tls === undefined) return http.createServer(settings);
  return https.createServer({
    ...settings,
    ...options.tls,
    minVersion: 'TLSv1.2',
    handshakeTimeout: options.receiveMsMax,
    ALPNProtocols: ['http/1.1'],
  });
}

function lookMs(options: HttpServerOptions): number {
  return Math.min(5_000, Math.ceil(options.receiveMsMax / 4));
}

/** What Node's parser lets through although two readers could understand it differently (RFC 9112 §2.3, §3.2, §6.1). */
function ambiguity(req: IncomingMessage): string | undefined {
  if (req.httpVersionMajor !== 1) return 'Only HTTP/1.0 and HTTP/1.1 are spoken here.';
  const coding = req.headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    return 'The only transfer coding that is read here is chunked.';
  }
  let hosts = 0;
  const raw = req.rawHeaders;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts > 1 ? 'The Host header is there twice.' : undefined;
}

function httpErrorOf(error: NodeJS.ErrnoException): { code: ErrorCode; message: string } {
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return { code: 'headers_too_large', message: `The head of the request is over ${headBytesMax} bytes.` };
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { code: 'request_timeout', message: 'The head of the request took too long.' };
  }
  if (error.code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') {
    return { code: 'too_large', message: 'The chunk extensions are too long.' };
  }
  return { code: 'bad_http', message: 'The request is not well-formed HTTP/1.1.' };
}

function rawAnswer(code: ErrorCode, message: string, requestId: string): string {
  const { status } = ERRORS[code];
  const body = JSON.stringify({ error: message });
  return [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? 'Error'}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-bigo-request-id: ${requestId}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}

function listenError(error: NodeJS.ErrnoException, at: HostPort): Error {
  const where = `${at.host}:${at.port}`;
  if (error.code === 'EADDRINUSE') {
    return new BigoError('port_in_use', `The address ${where} is already in use by another program.`);
  }
  if (error.code === 'EACCES') return new BigoError('cannot_listen', `This user may not listen on ${where}.`);
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new BigoError('cannot_listen', `This machine has no address ${at.host}.`);
  }
  return new BigoError('cannot_listen', `Cannot listen on ${where}: ${error.code ?? error.message}.`);
}
