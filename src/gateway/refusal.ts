// A request that gets an error before it is a ticket: counted, logged, answered. Never logs a body, a query or a key.
import { ERRORS, type BigoError } from '../api/errors.ts';
import type { GatewayContext } from './context.ts';
import type { Dialect, Route } from './core/request/types.ts';
import type { HttpExchange } from './http-exchange.ts';

export interface Refusal {
  readonly dialect: Dialect;
  readonly error: BigoError;
  /** Where nobody else counts the request. */
  readonly route?: Route;
  readonly headers?: Readonly<Record<string, string>>;
}

const pathCharsMax = 200;

export function refuse(context: GatewayContext, exchange: HttpExchange, refusal: Refusal): void {
  const { dialect, error, route, headers = {} } = refusal;
  const { status } = ERRORS[error.code];
  const { method, url = '' } = exchange.req;
  context.metrics.errors.with(error.code).value += 1;
  if (route !== undefined) context.metrics.countOther(route, status);
  const path = (url.split('?')[0] ?? '').slice(0, pathCharsMax);
  context.log.info({ id: exchange.requestId, method, path, code: status, error: error.code }, 'refused');
  exchange.fail(dialect, error, headers);
}
