// What is kept of a request when it ends: the usage record, the metrics, the log line, its place among the last requests.
// Never a prompt, an answer or a key.
import { ERRORS } from '../api/errors.ts';
import { costDollars } from './core/cost.ts';
import type { Flight } from './flight.ts';

/** Appended before the last bytes of the answer are given to the client. */
function record(flight: Flight): void {
  const { context, exchange, plan, usage } = flight;
  if (!plan.generates) return;
  const nowMs = context.now();
  const busyMs = flight.firstSentAtMs === undefined ? 0 : nowMs - flight.firstSentAtMs;
  const target = context.upstream.get(flight.grant?.backend ?? '');
  const cost = costDollars({
    dollarsPerHour: target?.spec.dollarsPerHour ?? 0,
    busyMs,
    // A finished attempt has left the count already.
    sharers: (target?.running ?? 0) + 1,
  });
  const { metrics } = flight;
  metrics.tokensIn.value += usage.promptTokens ?? 0;
  metrics.tokensOut.value += usage.completionTokens ?? 0;
  metrics.cost.value += cost;
  context.journal.append({
    at: context.wallIso(),
    requestId: exchange.requestId,
    tenant: exchange.identity.tenant,
    model: plan.ticket.model,
    backend: flight.grant?.backend,
    route: exchange.route.id,
    code: codeOf(flight),
    error: flight.error,
    promptTokens: usage.promptTokens,
    completionTokens: usage.completionTokens,
    loadMs: usage.loadMs,
    promptMs: usage.promptMs,
    evalMs: usage.evalMs,
    queueMs: round(flight.grant?.queuedMs ?? nowMs - exchange.receivedAtMs),
    durationMs: round(nowMs - exchange.receivedAtMs),
    costDollars: cost,
  });
}

function log(flight: Flight): void {
  const { context, exchange, plan, grant, usage, metrics } = flight;
  const nowMs = context.now();
  const durationMs = nowMs - exchange.receivedAtMs;
  const waitMs = grant?.queuedMs ?? durationMs;
  const code = codeOf(flight);
  metrics.duration.observe(durationMs / 1000);
  if (grant !== undefined) {
    metrics.queueWait.observe(waitMs / 1000);
    context.metrics.countDecision(grant.reason);
  }
  const { route } = exchange;
  context.metrics.countRequest(metrics, route, code);
  if (flight.error !== undefined) context.metrics.errors.with(flight.error).value += 1;
  const line = {
    id: exchange.requestId,
    tenant: exchange.identity.tenant,
    route: route.id,
    model: plan.ticket.model,
    backend: grant?.backend,
    reason: grant?.reason,
    priority: plan.ticket.priority,
    code,
    error: flight.error,
    attempts: flight.tries.count,
    waitMs: round(waitMs),
    estimateMs: flight.estimateMs === undefined ? undefined : round(flight.estimateMs),
    firstByteMs:
      flight.firstByteAtMs === undefined ? undefined : round(flight.firstByteAtMs - exchange.receivedAtMs),
    durationMs: round(durationMs),
    promptTokens: usage.promptTokens,
    tokens: usage.completionTokens,
    considered: grant === undefined || grant.considered.length < 2 ? undefined : grant.considered,
  };
  context.recent.add(line, context.wallIso());
  context.requestLog.write(line);
}

/** 499 is for us only: the client did not see a status. */
function codeOf(flight: Flight): number {
  if (flight.clientGone) return ERRORS.client_gone.status;
  const { res } = flight.exchange;
  if (res.headersSent) return res.statusCode;
  return flight.error === undefined ? (flight.answerStatus ?? 200) : ERRORS[flight.error].status;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

export const conclude = { record, log };
