// The life of one inference request after its body was read: ticket, attempts, answer, end.
// Never parses a body, never picks a backend, never reads a byte of an answer; every path frees its slot exactly once.
import { BigoError } from '../api/errors.ts';
import type { ErrorCode } from '../api/errors.ts';
import { Attempt } from './attempt.ts';
import type { AttemptOwner } from './attempt.ts';
import { conclude } from './conclusion.ts';
import type { GatewayContext } from './context.ts';
import { SUSPECT } from './core/retry.ts';
import type { Failure, RetryDecision } from './core/retry.ts';
import type { Outcome, TicketSpec } from './core/scheduler/messages.ts';
import type { Usage } from './core/stream/types.ts';
import { usageOfJson } from './core/stream/usage.ts';
import type { Timed } from './deadlines.ts';
import { HeldAnswer, isReadableJson, looksWhole, saysModelMissing, wrongHead } from './held.ts';
import type { HttpExchange } from './http-exchange.ts';
import type { DispatchEffect, RejectEffect, TicketOwner } from './loop.ts';
import type { ModelMetrics } from './metrics.ts';
import { modelNotFound } from './models-known.ts';
import type { Plan } from './plan.ts';
import { Reader } from './reader.ts';
import { addDecision, replyHeaders } from './reply-headers.ts';
import { sampleOf } from './sample.ts';
import { StreamAnswer } from './stream-answer.ts';
import { Tries } from './tries.ts';

/** queued = has no slot · sent = waits for the first byte · answering = bytes flow · flushing = all written, not all read · over */
export type Phase = 'queued' | 'sent' | 'answering' | 'flushing' | 'over';

/** While a request that was given up is still being noticed by the runner, its slot stays taken (rule 10). */
const prefillGraceMs = 150;

export class Flight implements TicketOwner, AttemptOwner, Timed {
  deadlineMs = Infinity;
  seat = -1;
  phase: Phase = 'queued';
  readonly context: GatewayContext;
  readonly exchange: HttpExchange;
  readonly plan: Plan;
  readonly metrics: ModelMetrics;
  /** The last grant; kept for the log. */
  grant: DispatchEffect | undefined;
  /** Until the first token, as it looked when the request came. */
  estimateMs: number | undefined;
  readonly tries: Tries;
  firstByteAtMs: number | undefined;
  usage: Usage = {};
  error: ErrorCode | undefined;
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
  private stream: StreamAnswer | undefined;
  private holdsSlot = false;
  private lastChunkAtMs = 0;
  private readonly reader: Reader;

  constructor(context: GatewayContext, exchange: HttpExchange, plan: Plan, body: Uint8Array) {
    this.context = context;
    this.exchange = exchange;
    this.plan = plan;
    this.body = body;
    this.ticket = plan.ticket;
    this.metrics = context.metrics.ofModel(plan.modelLabel);
    this.tries = new Tries(context);
    this.reader = new Reader(exchange);
  }

  launch(): void {
    this.context.flights.inFlight += 1;
    this.exchange.whenClosed = complete => this.onClosed(complete);
    this.context.deadlines.add(this);
    this.context.loop.arrive(this, this.ticket);
  }

  onDispatch(effect: DispatchEffect): void {
    this.grant = effect;
    this.estimateMs ??= effect.estimateMs;
    this.holdsSlot = true;
    this.tries.count += 1;
    this.sendTo(effect.backend);
  }

  onReject(effect: RejectEffect): void {
    const { code, message, retryAfterMs } = effect;
    this.giveUp(new BigoError(code, message, retryAfterMs > 0 ? { retryAfterMs } : {}));
  }

  /** The gateway stops: what is not answered yet gets an error, a stream is cut with one. */
  stop(): void {
    const { phase, stream } = this;
    if (phase === 'flushing' || phase === 'over') return;
    if (phase === 'queued') this.context.loop.end({ type: 'cancel', id: this.ticket.id });
    this.attempt?.drop();
    this.release('aborted');
    const error = new BigoError('draining', 'The gateway is stopping; the answer is not complete.');
    if (stream === undefined) this.giveUp(error);
    else this.breakOff(stream, error);
  }

  private release(outcome: Outcome): void {
    const { attempt } = this;
    if (attempt !== undefined) this.context.frozen.delete(attempt.backend, attempt);
    if (!this.holdsSlot) return;
    this.holdsSlot = false;
    const sample = outcome === 'ok' ? sampleOf(this.usage) : undefined;
    this.context.loop.end({ type: 'done', id: this.ticket.id, outcome, ...(sample && { sample }) });
  }

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
    if (plan.streamed) this.deadlineMs = attempt.sentAtMs + this.tries.firstByteMsLeft;
    context.frozen.add(backend, attempt);
    const head = `${plan.head}${target.fields}content-length: ${this.body.length}\r\n\r\n`;
    attempt.send(target, { head, body: this.body });
  }

  onHead(attempt: Attempt): void {
    const { plan, context } = this;
    const wrong = wrongHead(attempt.head);
    if (wrong !== undefined) {
      attempt.fail('invalid', wrong);
    } else if (!plan.streamed || attempt.status >= 300 || isReadableJson(attempt.head)) {
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
    else if (this.stream === undefined) this.onFailure(attempt, 'cut', 'its answer was empty');
    else this.finishStream(attempt, this.stream);
  }

  /** Before the first byte to the client: again, elsewhere, or an error. After it: an error inside the stream. */
  onFailure(attempt: Attempt, failure: Failure, message: string): void {
    const { context } = this;
    context.frozen.delete(attempt.backend, attempt);
    if (SUSPECT.has(failure)) context.fleet.noteDown(attempt.backend, message);
    if (this.stream !== undefined) {
      this.cutStream(attempt, this.stream, { failure, message });
      return;
    }
    const decision = this.tries.decide(attempt, failure, false);
    if (!this.tryAgain(attempt, decision)) {
      this.release(decision.outcome);
      this.giveUp(
        new BigoError(decision.code, `Backend ${attempt.backend}: ${message}.`, { backend: attempt.backend }),
      );
    }
  }

  private tryAgain(attempt: Attempt, decision: RetryDecision): boolean {
    const { context } = this;
    if (decision.action !== 'same' && decision.action !== 'other') return false;
    context.metrics.retries.with(decision.reason).value += 1;
    this.firstByteAtMs = undefined;
    if (decision.action === 'same') {
      this.tries.noteSame();
      this.sendTo(attempt.backend);
      return true;
    }
    this.deadlineMs = Infinity;
    this.phase = 'queued';
    this.ticket = this.tries.again(this.ticket, attempt);
    context.log.warn(
      { id: this.ticket.id, backend: attempt.backend, why: decision.reason, attempt: this.tries.count },
      'trying another backend',
    );
    this.release(decision.outcome);
    if (decision.reason === 'model_missing') context.fleet.forgetModel(attempt.backend, this.ticket.model);
    context.loop.arrive(this, this.ticket);
    return true;
  }

  private relay(attempt: Attempt, chunk: Buffer): void {
    const nowMs = this.context.now();
    if (this.stream === undefined) this.stream = this.beginStream(attempt);
    else this.metrics.gap.observe((nowMs - this.lastChunkAtMs) / 1000);
    this.lastChunkAtMs = nowMs;
    if (this.stream.read(chunk)) this.record();
    if (!this.stream.push(chunk)) this.pause(attempt, nowMs);
    else this.deadlineMs = nowMs + this.context.settings.time.idleMsMax;
  }

  private beginStream(attempt: Attempt): StreamAnswer {
    const { shape, stripsUsage } = this.plan;
    const { exchange } = this;
    this.noteFirstByte(attempt);
    this.dropBody();
    const encoded = attempt.head.contentEncoding !== undefined;
    const headers = replyHeaders(this, attempt, 'stream');
    return new StreamAnswer({ exchange, shape, stripsUsage, encoded }, attempt.status, headers);
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
    const { time } = this.context.settings;
    attempt.pause();
    this.deadlineMs = nowMs + time.writeStallMsMax;
    this.reader.pause(() => {
      this.deadlineMs = this.context.now() + time.idleMsMax;
      this.attempt?.resume();
    });
  }

  private finishStream(attempt: Attempt, stream: StreamAnswer): void {
    const { terminated, error, usage } = stream.report();
    if (!terminated && error === undefined) {
      this.cutStream(attempt, stream, { failure: 'cut', message: 'its answer ended too early' });
      return;
    }
    this.usage = usage;
    if (error !== undefined) this.noteError('stream_error');
    this.release(error === undefined ? 'ok' : 'failed');
    this.beginFlush();
    stream.end();
  }

  private cutStream(
    attempt: Attempt,
    stream: StreamAnswer,
    why: { readonly failure: Failure; readonly message: string },
  ): void {
    const { backend } = attempt;
    const code = why.failure === 'stalled' ? 'stream_stalled' : 'stream_cut';
    this.release('failed');
    const text = `Backend ${backend}: ${why.message}. The answer is not complete.`;
    this.breakOff(stream, new BigoError(code, text, { backend }));
  }

  private breakOff(stream: StreamAnswer, error: BigoError): void {
    this.noteError(error.code);
    this.beginFlush();
    stream.breakOff(error, this.exchange.requestId);
  }

  private finishHeld(attempt: Attempt, held: HeldAnswer): void {
    const body = held.bytes();
    if (attempt.status >= 300) {
      this.finishRefusal(attempt, body);
      return;
    }
    const readable = isReadableJson(attempt.head);
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
    this.sendHeld(attempt, own === undefined ? body : Buffer.from(own));
  }

  private finishRefusal(attempt: Attempt, body: Buffer): void {
    const decision = this.tries.decide(attempt, 'status', saysModelMissing(attempt.status, body));
    if (this.tryAgain(attempt, decision)) return;
    this.release(decision.outcome);
    if (!looksWhole(body)) {
      const text = `Backend ${attempt.backend} answered with status ${attempt.status} and no error that can be read.`;
      this.giveUp(new BigoError('backend_failed', text, { backend: attempt.backend }));
      return;
    }
    this.error = attempt.status >= 500 ? 'backend_failed' : undefined;
    this.answerStatus = attempt.status;
    this.sendHeld(attempt, body);
  }

  private sendHeld(attempt: Attempt, body: Buffer): void {
    const { res } = this.exchange;
    this.dropBody();
    this.held = undefined;
    const headers = replyHeaders(this, attempt, 'whole');
    headers.push('content-length', String(body.length));
    res.writeHead(attempt.status, headers);
    this.beginFlush();
    res.end(body);
  }

  /** No other attempt is possible any more. */
  private dropBody(): void {
    this.body = NO_BODY;
    this.exchange.releaseBody();
  }

  private giveUp(error: BigoError): void {
    const { exchange, plan, context } = this;
    this.noteError(error.code);
    this.beginFlush();
    const headers = [...exchange.extraHeaders];
    addDecision(headers, this.grant);
    exchange.extraHeaders = headers;
    const unknown = error.code === 'model_not_found';
    const told = unknown ? modelNotFound(context.models, plan.modelName, exchange.identity.models) : error;
    exchange.fail(exchange.route.dialect, told);
  }

  private beginFlush(): void {
    this.record();
    this.phase = 'flushing';
    this.deadlineMs = this.context.now() + this.context.settings.time.writeStallMsMax;
  }

  /** Once per request, before its last bytes are given to the client (design.md §5.6). */
  private record(): void {
    if (this.recorded) return;
    this.recorded = true;
    if (this.stream !== undefined) this.usage = this.stream.report().usage;
    conclude.record(this);
  }

  private noteError(code: ErrorCode): void {
    this.error = code;
    if (this.stream !== undefined) this.context.metrics.streamFailures.with(code).value += 1;
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
    context.flights.inFlight -= 1;
    this.tries.end();
    if (this.clientGone) {
      context.metrics.clientsGone.with(phase).value += 1;
      this.metrics.wasted.value += this.stream?.chunks ?? 0;
    }
    if (!this.recorded) this.record();
    conclude.log(this);
  }

  private leaveBackend(phase: Phase): void {
    this.attempt?.drop();
    if (phase === 'sent') setTimeout(() => this.release('aborted'), prefillGraceMs).unref();
    else this.release('aborted');
  }

  onDeadline(nowMs: number): void {
    const { time } = this.context.settings;
    if (this.phase === 'flushing' && this.reader.reads()) {
      this.deadlineMs = nowMs + time.writeStallMsMax;
    } else if (this.phase === 'flushing' || this.reader.paused) {
      this.reader.cut();
    } else if (this.phase === 'sent') {
      const message = `no byte of an answer came within ${time.firstByteMsMax} ms`;
      this.attempt?.fail('first_byte_timeout', message);
    } else if (this.phase === 'answering') {
      this.attempt?.fail('stalled', 'no more of its answer came for too long');
    }
  }
}

const NO_BODY = new Uint8Array(0);
