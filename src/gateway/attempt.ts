// One try of one request on one backend: undici's handler, and what an error of undici means to us.
// Never retries, never talks to the client; after drop() its owner hears nothing more of it.
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Failure } from './core/retry.ts';
import { metUsedConnection } from './upstream.ts';
import type { Target } from './upstream.ts';
import type { Waiting } from './frozen.ts';

export interface AttemptOwner {
  /** The final head; informational ones are not told. */
  onHead(attempt: Attempt): void;
  onChunk(attempt: Attempt, chunk: Buffer): void;
  onEnd(attempt: Attempt): void;
  onFailure(attempt: Attempt, failure: Failure, message: string): void;
}

export interface AttemptRequest {
  readonly method: 'POST' | 'GET' | 'DELETE';
  readonly path: string;
  readonly headers: string[];
  readonly body: Buffer | Uint8Array;
}

/** A connection that was kept open dies at once or not at all; later it is the backend that died. */
const staleMsMax = 1_000;
const informationalMax = 16;

export class Attempt implements Dispatcher.DispatchHandler, Waiting {
  readonly backend: string;
  readonly sentAtMs: number;
  status = 0;
  headers: IncomingHttpHeaders = {};
  private readonly owner: AttemptOwner;
  private readonly nowMs: () => number;
  private target: Target | undefined;
  private controller: Dispatcher.DispatchController | undefined;
  private connected = false;
  private over = false;
  private informational = 0;

  constructor(owner: AttemptOwner, backend: string, nowMs: () => number) {
    this.owner = owner;
    this.backend = backend;
    this.nowMs = nowMs;
    this.sentAtMs = nowMs();
  }

  send(target: Target, request: AttemptRequest): void {
    this.target = target;
    target.running += 1;
    target.pool.dispatch(request, this);
  }

  /** Hangs up. A request that waits for its connection is dropped when it gets one. */
  drop(reason: string): void {
    if (this.over) return;
    this.settle();
    this.controller?.abort(new Error(reason));
  }

  pause(): void {
    this.controller?.pause();
  }

  resume(): void {
    this.controller?.resume();
  }

  onFrozen(): void {
    this.fail('frozen', 'it no longer answers anything');
  }

  /** Ends the attempt from our side and tells the owner. */
  fail(failure: Failure, message: string): void {
    if (this.over) return;
    this.drop(message);
    this.owner.onFailure(this, failure, message);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Thrown here, the request ends and its fresh connection stays usable.
    if (this.over) throw new Error('dropped before it was sent');
    this.controller = controller;
    this.connected = true;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.over) return;
    if (status < 200) {
      this.informational += 1;
      if (this.informational > informationalMax)
        this.fail('invalid', 'it sends informational answers without end');
      return;
    }
    this.status = status;
    this.headers = headers;
    this.owner.onHead(this);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.over) this.owner.onChunk(this, chunk);
  }

  onResponseEnd(): void {
    if (this.over) return;
    this.settle();
    this.owner.onEnd(this);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.over) return;
    this.settle();
    const failure = this.failureOf(error);
    this.owner.onFailure(this, failure, wordsOf(failure, error));
  }

  private settle(): void {
    this.over = true;
    if (this.target !== undefined) this.target.running -= 1;
  }

  /** The answer's headers as name, value, name, value. */
  flatHeaders(): string[] {
    const flat: string[] = [];
    for (const name in this.headers) {
      const value = this.headers[name];
      if (typeof value === 'string') flat.push(name, value);
      else for (const one of value ?? []) flat.push(name, one);
    }
    return flat;
  }

  private failureOf(error: Error & { code?: string }): Failure {
    if (!this.connected) return 'connect';
    if (this.status > 0) return 'cut';
    if (error.name === 'HTTPParserError' || error.code === 'UND_ERR_HEADERS_OVERFLOW') return 'invalid';
    const early = this.nowMs() - this.sentAtMs < staleMsMax;
    return early && this.informational === 0 && metUsedConnection(error) ? 'stale' : 'reset';
  }
}

/** For people: what undici says is meant for programmers. */
function wordsOf(failure: Failure, error: Error & { code?: string }): string {
  if (failure === 'invalid') return 'it does not answer in HTTP/1.1';
  if (failure !== 'connect') return 'it ended the connection too early';
  if (error.code === 'UND_ERR_CONNECT_TIMEOUT') return 'no connection within the limit';
  return `no connection (${error.code ?? error.message})`;
}
