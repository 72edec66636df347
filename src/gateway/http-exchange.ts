// One request and its answer on the main port: who hears when the client is gone, what it holds of the body bound, how errors are said.
// Never decides what the answer is.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BigoError } from '../api/errors.ts';
import { connectionOf } from '../platform/http-server.ts';
import type { Connection, OpenAnswer } from '../platform/http-server.ts';
import type { ClientAnswer, ClientRequest } from '../platform/wire/client.ts';
import { LaneCall } from '../platform/wire/lane-call.ts';
import type { GatewayContext } from './context.ts';
import type { Dialect, Route } from './core/request/types.ts';
import { errorBody } from './core/stream/errors.ts';
import type { Exchange, Identity } from './exchange.ts';

/** On the answer itself: a WeakMap would cost the collector a look at every entry. */
const kExchange = Symbol('exchange');
type Marked = ClientAnswer & { [kExchange]?: HttpExchange };

/** The two ways that a request comes in: through node:http, or whole, by the lane. */
export type Incoming =
  | { readonly req: IncomingMessage; readonly res: ServerResponse; readonly expectsContinue: boolean }
  | LaneCall;

/** Left in place until the key was read and the route was found; no handler sees it. */
const NOBODY: Identity = { tenant: 'anonymous', role: 'user', priorityMax: 'normal' };

export class HttpExchange implements Exchange, OpenAnswer {
  readonly req: ClientRequest;
  readonly res: ClientAnswer;
  readonly requestId: string;
  readonly receivedAtMs: number;
  identity: Identity = NOBODY;
  params: Readonly<Record<string, string>> = {};
  /** Bytes of this request's body that count against the queue's bound. */
  bodyBytesHeld = 0;
  /** Called once when the answer is out or the client is gone; `complete` tells which. */
  whenClosed: ((complete: boolean) => void) | undefined;
  /** CORS and such, sent with every answer: name, value, name, value. */
  extraHeaders: readonly string[] = [];
  closed = false;
  /** The body, where it came with the head. */
  readonly wholeBody: Buffer | undefined;
  private readonly context: GatewayContext;
  private readonly connection: Connection;
  private readonly streamed: { readonly req: IncomingMessage; readonly res: ServerResponse } | undefined;
  private readonly expectsContinue: boolean;
  private continued = false;
  private matched: Route | undefined;
  private abort: AbortController | undefined;
  private parsedQuery: URLSearchParams | undefined;

  constructor(context: GatewayContext, incoming: Incoming, requestId: string) {
    const whole = incoming instanceof LaneCall;
    this.req = whole ? incoming : incoming.req;
    this.res = whole ? incoming : incoming.res;
    this.wholeBody = whole ? incoming.body : undefined;
    this.streamed = whole ? undefined : incoming;
    this.expectsContinue = !whole && incoming.expectsContinue;
    this.context = context;
    this.requestId = requestId;
    this.receivedAtMs = context.clock.nowMs();
    this.connection = connectionOf(this.req);
    this.connection.add(this);
    (this.res as Marked)[kExchange] = this;
    this.res.on('close', onResponseClose);
  }

  /** For those that read the body as it comes. */
  get stream(): IncomingMessage {
    return this.node.req;
  }

  get response(): ServerResponse {
    return this.node.res;
  }

  private get node(): { readonly req: IncomingMessage; readonly res: ServerResponse } {
    if (this.streamed === undefined) throw new Error('this request did not come through node:http');
    return this.streamed;
  }

  get started(): boolean {
    return this.res.headersSent;
  }

  get receiving(): boolean {
    return !this.req.complete && !this.res.headersSent;
  }

  get route(): Route {
    if (this.matched === undefined) throw new Error('no route was matched yet');
    return this.matched;
  }
  set route(route: Route) {
    this.matched = route;
  }

  get query(): URLSearchParams {
    if (this.parsedQuery === undefined) {
      const url = this.req.url ?? '';
      const question = url.indexOf('?');
      this.parsedQuery = new URLSearchParams(question < 0 ? '' : url.slice(question + 1));
    }
    return this.parsedQuery;
  }

  /** Made only for those who ask: most requests never do. */
  get signal(): AbortSignal {
    if (this.abort === undefined) {
      this.abort = new AbortController();
      if (this.closed && !this.res.writableFinished) this.abort.abort(new Error('the client is gone'));
    }
    return this.abort.signal;
  }

  onConnectionClosed(): void {
    this.close();
  }

  /** Written once, and only when the body is really wanted. */
  continueIfAsked(): void {
    if (!this.expectsContinue || this.continued || this.res.headersSent) return;
    this.continued = true;
    this.res.writeContinue();
  }

  releaseBody(): void {
    this.context.bodyBytesHeld -= this.bodyBytesHeld;
    this.bodyBytesHeld = 0;
  }

  /** A piece of an answer; its memory may be used again afterwards. */
  write(chunk: Uint8Array): boolean {
    // node:http keeps what it cannot send at once.
    return this.res.write(this.wholeBody === undefined ? Buffer.from(chunk) : chunk);
  }

  /** The usual way to answer with a short body. */
  send(
    status: number,
    headers: Readonly<Record<string, string | number>>,
    body: string | Uint8Array = '',
  ): void {
    const { res } = this;
    if (this.closed || res.headersSent) return;
    const lines: (string | number)[] = ['x-bigo-request-id', this.requestId, ...this.extraHeaders];
    for (const [name, value] of Object.entries(headers)) lines.push(name, value);
    if (!this.req.complete) this.limitRest();
    if (this.context.draining || this.unwantedBody) lines.push('connection', 'close');
    lines.push('content-length', Buffer.byteLength(body));
    res.writeHead(status, lines as string[]);
    res.end(this.req.method === 'HEAD' ? undefined : body);
  }

  fail(dialect: Dialect, error: BigoError, headers: Readonly<Record<string, string>> = {}): void {
    const answer = errorBody(dialect, error, this.requestId);
    const { 'x-bigo-request-id': _, ...rest } = answer.headers;
    this.send(answer.status, { ...rest, ...headers }, answer.body);
  }

  /** The client was told to send no body, so nothing it sends now is one. */
  private get unwantedBody(): boolean {
    return this.expectsContinue && !this.continued && !this.req.complete;
  }

  /** The rest of a body that nobody wants is read away for a short time, so that the answer is not lost in a reset. */
  private limitRest(): void {
    const { res, stream: req } = this;
    const timer = setTimeout(() => req.socket.destroy(), restMsMax);
    timer.unref();
    let left = restBytesMax;
    req.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) req.socket.destroy();
    });
    req.on('end', () => clearTimeout(timer));
    res.on('close', () => {
      if (req.complete || req.socket.destroyed) clearTimeout(timer);
    });
  }

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    const complete = this.res.writableFinished;
    this.connection.remove(this);
    this.releaseBody();
    if (!complete) this.abort?.abort(new Error('the client is gone'));
    this.whenClosed?.(complete);
  }
}

const restMsMax = 2_000;
const restBytesMax = 4 * 1024 * 1024;

function onResponseClose(this: Marked): void {
  this[kExchange]?.onConnectionClosed();
}
