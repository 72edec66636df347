// The headers of an answer that came from a backend: the backend's own that may pass, and ours. Never a length: the caller knows it.
import type { Attempt } from './attempt.ts';
import type { GatewayContext } from './context.ts';
import { answerHeaders } from './core/request/headers.ts';
import type { HttpExchange } from './http-exchange.ts';
import type { DispatchEffect } from './loop.ts';

export interface Reply {
  readonly context: GatewayContext;
  readonly exchange: HttpExchange;
  readonly grant: DispatchEffect | undefined;
}

export function replyHeaders(reply: Reply, attempt: Attempt, answer: 'stream' | 'whole'): string[] {
  const { exchange, context } = reply;
  const headers = answerHeaders(attempt.head.fields, answer);
  headers.push('x-bigo-request-id', exchange.requestId);
  if (exchange.extraHeaders.length > 0) headers.push(...exchange.extraHeaders);
  addDecision(headers, reply.grant);
  if (context.draining) headers.push('connection', 'close');
  return headers;
}

/** Also on errors: which backend it was, and why. */
export function addDecision(headers: string[], grant: DispatchEffect | undefined): void {
  if (grant === undefined) return;
  headers.push('x-bigo-backend', grant.backend, 'x-bigo-reason', grant.reason);
  headers.push('x-bigo-queue-ms', String(Math.round(grant.queuedMs)));
}
