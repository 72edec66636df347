// The life of one inference request after its body was read: ticket, attempts, answer, end.
// Where a byte is forwarded: relay() below. Never parses a body, never picks a backend; every path frees its slot exactly once.
import { BigoError } from '../api/errors.ts';
import type { ErrorCode } from '../api/errors.ts';
import { Attempt } from './attempt.ts';
import type { AttemptOwner } from './attempt.ts';
import { conclude } from './conclusion.ts';
import type { GatewayContext } from './context.ts';
import { answerHeaders } from './core/request/headers.ts';
import { decideRetry } from './core/retry.ts';
import type { Failure, RetryDecision } from './core/retry.ts';
import type { Outcome, TicketSpec } from './core/scheduler/messages.ts';
import { errorTail } from './core/stream/errors.ts';
import { createUsageStripper } from './core/stream/strip.ts';
import type { UsageStripper } from './core/stream/strip.ts';
import { createTap } from './core/stream/taps.ts';
import type { StreamTap, TapReport, Usage } from './core/stream/types.ts';
import { usageOfJson } from './core/stream/usage.ts';
import type { Timed } from './deadlines.ts';
import { HeldAnswer, isForeign, isReadableJson, looksWhole, saysModelMissing } from './held.ts';
import type { HttpExchange } from './http-exchange.ts';
import type { DispatchEffect, RejectEffect, TicketOwner } from './loop.ts';
import type { ModelMetrics } from './metrics.ts';
import { modelNotFound } from './models-known.ts';
import type { Plan } from './plan.ts';
import { sampleOf } from './sample.ts';

/** queued = has no slot · sent = waits for the first byte · answering = bytes flow · flushing = all written, not all read · over */
export type Phase = 'queued' | 'sent' | 'answering' | 'flushing' | 'over';

/** While a request that was given up is still being noticed by the runner, its slot stays taken (rule 10). */
const prefillGraceMs = 150;
/** A reader must get this far between two looks at it, or it counts as stopped. */
const readBytesMin = 4_096;

export class Flight implements TicketOwner, AttemptOwner, Timed {
  deadlineMs = Infinity;
  phase: Phase = 'queued';
  readonly context: GatewayContext;
  readonly exchange: HttpExchange;
  readonly plan: Plan;
  readonly metrics: ModelMetrics;
  /** The last grant; kept for the log. */
  grant: DispatchEffect | undefined;
  attempts = 0;
  firstByteAtMs: number | undefined;
  usage: Usage = {};
  error: ErrorCode | undefined;
  chunks = 0;
  /** Status of the backend's answer that is being passed on. */
  answerStatus: number | undefined;
  firstSentAtMs: number | undefined;
  clientGone = false;
  recorded = false;
  /** Kept while another attempt is possible. */
  private body: Uint8Array;
  private ticket: TicketSpec;
  private attempt: Attempt | undefined;
  private held: HeldAnswer | undefined;
  private tap: StreamTap | undefined;
  private stripper: UsageStripper | undefined;
  private holdsSlot = false;
  private retrying = false;
  private staleUsed = false;
  private serverErrors = 0;
  private firstByteMsLeft: number;
  private lastChunkAtMs = 0;
  private paused = false;
  private watchesDrain = false;
  private bytesWrittenAtLook = 0;

  constructor(context: GatewayContext, exchange: HttpExchange, plan: Plan, body: Uint8Array) {
    this.context = context;
    this.exchange = exchange;
    this.plan = plan;
    this.body = body;
    this.ticket = plan.ticket;
    this.metrics = context.metrics.ofModel(plan.modelLabel);
    this.firstByteMsLeft = context.settings.time.firstByteMsMax;
  }

  launch(): void {
    this.context.flights.inFlight += 1;
    this.context.running.add(this);
    this.exchange.whenClosed = complete => this.onClosed(complete);
    this.context.deadlines.add(this);
    this.context.loop.arrive(this, this.ticket);
  }

  // ---- the scheduler's side

  onDispatch(effect: DispatchEffect): void {
    this.grant = effect;
    this.holdsSlot = true;
    this.attempts += 1;
    this.sendTo(effect.backend);
  }

  onReject(effect: RejectEffect): void {
    const { code, message, retryAfterMs } = effect;
    this.giveUp(new BigoError(code, message, retryAfterMs > 0 ? { retryAfterMs } : {}));
  }

  /** The gateway stops: what is not answered yet gets an error, a stream is cut with one. */
  stop(): void {
    if (this.phase === 'queued') {
      this.context.loop.end({ type: 'cancel', id: this.ticket.id });
      this.giveUp(new BigoError('draining', 'The gateway is stopping.'));
    } else if (this.phase === 'sent' || this.phase === 'answering') {
      this.attempt?.drop('the gateway is stopping');
      this.release('aborted');
      this.breakOff(new BigoError('draining', 'The gateway is stopping; the answer is not complete.'));
    }
  }

  private release(outcome: Outcome): void {
    const { attempt } = this;
    if (attempt !== undefined) this.context.frozen.delete(attempt.backend, attempt);
    if (!this.holdsSlot) return;
    this.holdsSlot = false;
    const sample = outcome === 'ok' ? sampleOf(this.usage) : undefined;
    this.context.loop.end({ type: 'done', id: this.ticket.id, outcome, ...(sample && { sample }) });
  }

  // ---- the backend's side

  private sendTo(backend: string): void {
    const { context, plan } = this;
    const target = context.upstream.get(backend);
    const attempt = new Attempt(this, backend, context.now);
    this.attempt = attempt;
    this.held = undefined;
    this.phase = 'sent';
    this.firstSentAtMs ??= attempt.sentAtMs;
    if (target === undefined) {
      this.onFailure(attempt, 'connect', 'it is not configured any more');
      return;
    }
    if (plan.streamed) this.deadlineMs = attempt.sentAtMs + this.firstByteMsLeft;
    context.frozen.add(backend, attempt);
    const headers = [...plan.headers, 'x-bigo-hop', context.instanceId, ...target.headers];
    attempt.send(target, { method: 'POST', path: plan.path, headers, body: this.body });
  }

  onHead(attempt: Attempt): void {
    const { plan, context } = this;
    if (attempt.status >= 300 && attempt.status < 400) {
      attempt.fail('invalid', `it answered with a redirect (${attempt.status})`);
    } else if (attempt.status < 300 && isForeign(attempt.headers['content-type'])) {
      attempt.fail('invalid', `it answered with ${String(attempt.headers['content-type']).slice(0, 60)}`);
    } else if (!plan.streamed || attempt.status >= 300 || isReadableJson(attempt.headers)) {
      // One JSON value also answers a request for a stream, e.g. one that only loads a model.
      this.held = new HeldAnswer(context.settings.body.heldAnswerBytesMax);
    }
  }

  onChunk(attempt: Attempt, chunk: Buffer): void {
    if (this.held === undefined) {
      this.relay(attempt, chunk);
      return;
    }
    this.deadlineMs = this.context.now() + this.context.settings.time.idleMsMax;
    if (this.firstByteAtMs === undefined && attempt.status < 300) this.noteFirstByte(attempt);
    if (!this.held.add(chunk)) {
      attempt.fail('too_large', `its answer is over ${this.context.settings.body.heldAnswerBytesMax} bytes`);
    }
  }

  onEnd(attempt: Attempt): void {
    if (this.held !== undefined) this.finishHeld(attempt, this.held);
    else if (this.tap === undefined) this.onFailure(attempt, 'cut', 'its answer was empty');
    else this.finishStream(attempt);
  }

  /** Before the first byte to the client: again, elsewhere, or an error. After it: an error inside the stream. */
  onFailure(attempt: Attempt, failure: Failure, message: string): void {
    const { context } = this;
    context.frozen.delete(attempt.backend, attempt);
    if (failure === 'connect') context.fleet.noteDown(attempt.backend, message);
    if (this.tap !== undefined) {
      this.cutStream(attempt, failure, message);
      return;
    }
    const decision = this.decide(attempt, failure, false);
    if (!this.tryAgain(attempt, decision)) {
      this.release(decision.outcome);
      this.giveUp(
        new BigoError(decision.code, `Backend ${attempt.backend}: ${message}.`, { backend: attempt.backend }),
      );
    }
  }

  private decide(attempt: Attempt, failure: Failure, modelMissing: boolean): RetryDecision {
    return decideRetry(
      {
        failure,
        status: attempt.status,
        modelMissing,
        sentBytes: 0,
        attempts: this.attempts,
        serverErrors: this.serverErrors,
        staleUsed: this.staleUsed,
      },
      this.context.flights,
    );
  }

  private tryAgain(attempt: Attempt, decision: RetryDecision): boolean {
    const { context } = this;
    if (decision.action !== 'same' && decision.action !== 'other') return false;
    context.metrics.retries.with(decision.reason).value += 1;
    this.firstByteAtMs = undefined;
    if (decision.action === 'same') {
      this.staleUsed = true;
      this.sendTo(attempt.backend);
      return true;
    }
    if (!this.retrying) {
      this.retrying = true;
      context.flights.retrying += 1;
    }
    // Time that a silent backend took is gone: the limit is the request's, not the attempt's (rule 23).
    this.firstByteMsLeft -= context.now() - attempt.sentAtMs;
    this.deadlineMs = Infinity;
    this.phase = 'queued';
    this.ticket = { ...this.ticket, tried: [...this.ticket.tried, attempt.backend] };
    context.log.warn(
      { id: this.ticket.id, backend: attempt.backend, why: decision.reason, attempt: this.attempts },
      'trying another backend',
    );
    this.release(decision.outcome);
    if (decision.reason === 'model_missing') context.fleet.forgetModel(attempt.backend, this.ticket.model);
    context.loop.arrive(this, this.ticket);
    return true;
  }

  // ---- streamed answers

  private relay(attempt: Attempt, chunk: Buffer): void {
    const nowMs = this.context.now();
    if (this.tap === undefined) this.beginStream(attempt);
    else this.metrics.gap.observe((nowMs - this.lastChunkAtMs) / 1000);
    this.lastChunkAtMs = nowMs;
    this.chunks += 1;
    this.tap?.push(chunk);
    if (this.tap?.report().terminated === true) this.record();
    if (!this.write(chunk)) this.pause(attempt, nowMs);
    else this.deadlineMs = nowMs + this.context.settings.time.idleMsMax;
  }

  /** False = the client has not read what it was given. */
  private write(chunk: Buffer): boolean {
    const { res } = this.exchange;
    if (this.stripper === undefined) return res.write(chunk);
    let more = true;
    for (const part of this.stripper.push(chunk)) more = res.write(part);
    return more;
  }

  private beginStream(attempt: Attempt): void {
    const { plan, exchange } = this;
    this.noteFirstByte(attempt);
    this.tap = createTap(plan.shape);
    if (plan.stripsUsage) this.stripper = createUsageStripper();
    this.body = NO_BODY;
    exchange.releaseBody();
    const headers = answerHeaders(attempt.rawHeaders(), 'stream');
    this.addOurHeaders(headers);
    exchange.res.writeHead(attempt.status, headers);
  }

  private noteFirstByte(attempt: Attempt): void {
    const nowMs = this.context.now();
    this.phase = 'answering';
    this.firstByteAtMs = nowMs;
    this.context.frozen.delete(attempt.backend, attempt);
    if (this.plan.generates) this.metrics.firstToken.observe((nowMs - this.exchange.receivedAtMs) / 1000);
    this.context.loop.feed({ type: 'first_byte', id: this.ticket.id });
  }

  /** At most one read of the backend lies in memory per stream: it is not read further until the client has read. */
  private pause(attempt: Attempt, nowMs: number): void {
    this.paused = true;
    attempt.pause();
    this.deadlineMs = nowMs + this.context.settings.time.writeStallMsMax;
    if (this.watchesDrain) return;
    this.watchesDrain = true;
    this.exchange.res.on('drain', () => {
      this.paused = false;
      this.deadlineMs = this.context.now() + this.context.settings.time.idleMsMax;
      this.attempt?.resume();
    });
  }

  private finishStream(attempt: Attempt): void {
    const report = this.report();
    if (!report.terminated && report.error === undefined) {
      this.cutStream(attempt, 'cut', 'its answer ended too early');
      return;
    }
    const failed = report.error !== undefined;
    if (failed) this.noteError('stream_error');
    this.release(failed ? 'failed' : 'ok');
    this.record();
    this.writeHeldBack();
    this.endAnswer(undefined);
  }

  private cutStream(attempt: Attempt, failure: Failure, message: string): void {
    const code = failure === 'stalled' ? 'stream_stalled' : 'stream_cut';
    this.release('failed');
    const text = `Backend ${attempt.backend}: ${message}. The answer is not complete.`;
    this.breakOff(new BigoError(code, text, { backend: attempt.backend }));
  }

  /** The stream ends with an error of its dialect and without its terminator; where that cannot be said, the connection breaks. */
  private breakOff(error: BigoError): void {
    if (this.tap === undefined) {
      this.giveUp(error);
      return;
    }
    this.noteError(error.code);
    this.record();
    const { exchange, plan } = this;
    const encoded = this.attempt?.headers['content-encoding'] !== undefined;
    const tail = errorTail(plan.shape, error, this.report(), exchange.requestId);
    if (encoded || tail.length === 0) {
      exchange.res.destroy();
      return;
    }
    this.writeHeldBack();
    this.endAnswer(tail);
  }

  private writeHeldBack(): void {
    for (const part of this.stripper?.end() ?? []) this.exchange.res.write(part);
  }

  private report(): TapReport {
    const report = this.tap?.report() ?? NOTHING_SEEN;
    this.usage = report.usage;
    return report;
  }

  // ---- held answers

  private finishHeld(attempt: Attempt, held: HeldAnswer): void {
    const body = held.bytes();
    if (attempt.status >= 300) {
      this.finishRefusal(attempt, body);
      return;
    }
    const readable = isReadableJson(attempt.headers);
    if (readable && !looksWhole(body)) {
      this.onFailure(attempt, 'cut', 'its answer is not complete JSON');
      return;
    }
    if (readable) this.usage = usageOfJson(body);
    this.answerStatus = attempt.status;
    const own = this.plan.makeAnswer?.(body);
    if (this.plan.makeAnswer !== undefined && own === undefined) {
      this.onFailure(attempt, 'invalid', 'its answer cannot be read');
      return;
    }
    this.release('ok');
    this.record();
    this.sendHeld(attempt, own === undefined ? body : Buffer.from(own));
  }

  private finishRefusal(attempt: Attempt, body: Buffer): void {
    if (attempt.status === 500) this.serverErrors += 1;
    const decision = this.decide(attempt, 'status', saysModelMissing(attempt.status, body));
    if (this.tryAgain(attempt, decision)) return;
    this.release(decision.outcome);
    if (!looksWhole(body)) {
      const text = `Backend ${attempt.backend} answered with status ${attempt.status} and no error that can be read.`;
      this.giveUp(new BigoError('backend_failed', text, { backend: attempt.backend }));
      return;
    }
    this.error = attempt.status >= 500 ? 'backend_failed' : undefined;
    this.answerStatus = attempt.status;
    this.record();
    this.sendHeld(attempt, body);
  }

  private sendHeld(attempt: Attempt, body: Buffer): void {
    const { exchange } = this;
    this.body = NO_BODY;
    exchange.releaseBody();
    const headers = answerHeaders(attempt.rawHeaders(), 'whole');
    this.addOurHeaders(headers);
    headers.push('content-length', String(body.length));
    exchange.res.writeHead(attempt.status, headers);
    this.endAnswer(body);
  }

  // ---- the client's side

  private addOurHeaders(headers: string[]): void {
    const { exchange, grant, context } = this;
    headers.push('x-bigo-request-id', exchange.requestId);
    if (exchange.extraHeaders.length > 0) headers.push(...exchange.extraHeaders);
    if (grant !== undefined) {
      headers.push('x-bigo-backend', grant.backend, 'x-bigo-reason', grant.reason);
      headers.push('x-bigo-queue-ms', String(Math.round(grant.queuedMs)));
    }
    if (context.draining) headers.push('connection', 'close');
  }

  private giveUp(error: BigoError): void {
    const { exchange, plan, context } = this;
    this.noteError(error.code);
    this.record();
    this.beginFlush();
    if (this.grant !== undefined) {
      const { backend, reason } = this.grant;
      exchange.extraHeaders = [...exchange.extraHeaders, 'x-bigo-backend', backend, 'x-bigo-reason', reason];
    }
    const told = error.code === 'model_not_found' ? modelNotFound(context.models, plan.modelName) : error;
    exchange.fail(exchange.route.dialect, told);
  }

  private endAnswer(last: Uint8Array | undefined): void {
    this.beginFlush();
    if (last === undefined) this.exchange.res.end();
    else this.exchange.res.end(last);
  }

  private beginFlush(): void {
    this.phase = 'flushing';
    this.bytesWrittenAtLook = 0;
    this.deadlineMs = this.context.now() + this.context.settings.time.writeStallMsMax;
  }

  /** Once per request, before its last bytes are given to the client (design.md §5.6). */
  private record(): void {
    if (this.recorded) return;
    this.recorded = true;
    if (this.tap !== undefined) this.report();
    conclude.record(this);
  }

  private noteError(code: ErrorCode): void {
    this.error = code;
    if (this.tap !== undefined) this.context.metrics.streamFailures.with(code).value += 1;
  }

  /** The answer was read to its end, or the client is gone: in whatever phase, this is the last that happens. */
  private onClosed(complete: boolean): void {
    const { phase, context } = this;
    this.phase = 'over';
    this.deadlineMs = Infinity;
    if (!complete && phase !== 'flushing') this.clientGone = true;
    if (phase === 'queued') context.loop.end({ type: 'cancel', id: this.ticket.id });
    else if (this.holdsSlot) this.leaveBackend(phase);
    context.deadlines.delete(this);
    context.running.delete(this);
    context.flights.inFlight -= 1;
    if (this.retrying) context.flights.retrying -= 1;
    if (this.clientGone) {
      context.metrics.clientsGone.with(phase).value += 1;
      this.metrics.wasted.value += this.chunks;
    }
    if (!this.recorded) this.record();
    conclude.log(this);
  }

  private leaveBackend(phase: Phase): void {
    this.attempt?.drop('the client is gone');
    if (phase !== 'sent') {
      this.release('aborted');
      return;
    }
    const { attempt } = this;
    if (attempt !== undefined) this.context.frozen.delete(attempt.backend, attempt);
    setTimeout(() => this.release('aborted'), prefillGraceMs).unref();
  }

  onDeadline(nowMs: number): void {
    const { attempt, exchange } = this;
    if (this.phase === 'flushing' || this.paused) {
      const written = exchange.req.socket.bytesWritten;
      if (this.phase === 'flushing' && written - this.bytesWrittenAtLook >= readBytesMin) {
        this.bytesWrittenAtLook = written;
        this.deadlineMs = nowMs + this.context.settings.time.writeStallMsMax;
        return;
      }
      exchange.req.socket.destroy();
    } else if (this.phase === 'sent') {
      attempt?.fail(
        'first_byte_timeout',
        `no byte of an answer came within ${this.context.settings.time.firstByteMsMax} ms`,
      );
    } else if (this.phase === 'answering') {
      attempt?.fail('stalled', 'no more of its answer came for too long');
    }
  }
}

const NO_BODY = new Uint8Array(0);
const NOTHING_SEEN: TapReport = { terminated: false, usage: {}, midLine: false, bytes: 0 };
