// One try of one request on one backend: what comes back on its connection, and what a broken connection means.
// Never retries, never talks to the client; after drop() its owner hears nothing more of it.
import { NO_HEAD } from '../platform/wire/answer-head.ts';
import type { AnswerHead } from '../platform/wire/answer-head.ts';
import type { Broken, Exchange, Ongoing, Request } from '../platform/wire/pool.ts';
import type { Failure } from './core/retry.ts';
import type { Target } from './upstream.ts';
import type { Waiting } from './frozen.ts';

export interface AttemptOwner {
  /** The final head; informational ones are not told. */
  onHead(attempt: Attempt): void;
  /** The chunk's memory is used again afterwards. */
  onChunk(attempt: Attempt, chunk: Buffer): void;
  onEnd(attempt: Attempt): void;
  onFailure(attempt: Attempt, failure: Failure, message: string): void;
}

/** A connection that was kept open dies at once or not at all; later it is the backend that died. */
const staleMsMax = 1_000;
const informationalMax = 16;

export class Attempt implements Exchange, Waiting {
  readonly backend: string;
  readonly sentAtMs: number;
  seat = -1;
  head: AnswerHead = NO_HEAD;
  private readonly owner: AttemptOwner;
  private readonly nowMs: () => number;
  private target: Target | undefined;
  private ongoing: Ongoing | undefined;
  private over = false;
  private informational = 0;

  constructor(owner: AttemptOwner, backend: string, nowMs: () => number) {
    this.owner = owner;
    this.backend = backend;
    this.nowMs = nowMs;
    this.sentAtMs = nowMs();
  }

  /** 0 = no head yet. */
  get status(): number {
    return this.head.status;
  }

  send(target: Target, request: Request): void {
    this.target = target;
    target.running += 1;
    this.ongoing = target.pool.send(request, this);
  }

  /** Hangs up. */
  drop(): void {
    if (this.over) return;
    this.settle();
    this.ongoing?.abort();
  }

  pause(): void {
    this.ongoing?.pause();
  }

  resume(): void {
    if (!this.over) this.ongoing?.resume();
  }

  onFrozen(): void {
    this.fail('frozen', 'it no longer answers anything');
  }

  /** Ends the attempt from our side and tells the owner. */
  fail(failure: Failure, message: string): void {
    if (this.over) return;
    this.drop();
    this.owner.onFailure(this, failure, message);
  }

  onHead(head: AnswerHead): void {
    if (head.status < 200) {
      this.informational += 1;
      if (this.informational > informationalMax)
        this.fail('invalid', 'it sends informational answers without end');
      return;
    }
    this.head = head;
    this.owner.onHead(this);
  }

  onBody(chunk: Buffer): void {
    this.owner.onChunk(this, chunk);
  }

  onEnd(): void {
    this.settle();
    this.owner.onEnd(this);
  }

  onBroken(error: Broken): void {
    this.settle();
    const failure = this.failureOf(error);
    this.owner.onFailure(this, failure, wordsOf(failure, error));
  }

  /** The connection may carry another request from here on: it is no longer ours to stop. */
  private settle(): void {
    this.over = true;
    if (this.target !== undefined) this.target.running -= 1;
  }

  private failureOf(error: Broken): Failure {
    if (error.by === 'connect') return 'connect';
    if (this.status > 0) return 'cut';
    if (error.by === 'protocol') return 'invalid';
    const early = this.nowMs() - this.sentAtMs < staleMsMax;
    return early && this.informational === 0 && error.used ? 'stale' : 'reset';
  }
}

/** For people. */
function wordsOf(failure: Failure, error: Broken): string {
  if (failure === 'invalid') return 'it does not answer in HTTP/1.1';
  if (failure !== 'connect') return 'it ended the connection too early';
  if (error.code === 'ETIMEDOUT') return 'no connection within the limit';
  return `no connection (${error.code ?? error.message})`;
}
