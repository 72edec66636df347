// Cross-origin answers, given by the gateway itself since Origin never reaches a backend (rule 18). Never decides who is allowed: core/request/origin.ts does.
import type { HttpExchange } from './http-exchange.ts';

const allowedHeaders = [
  'authorization',
  'content-type',
  'user-agent',
  'accept',
  'x-requested-with',
  'x-api-key',
  'anthropic-version',
  'anthropic-beta',
  'anthropic-dangerous-direct-browser-access',
  'x-bigo-priority',
  'x-bigo-queue-timeout-ms',
];
/** The OpenAI clients send these by the dozen. */
const stainless = /^x-stainless-[a-z-]{1,40}$/;

export function corsHeaders(origin: string): string[] {
  return [
    'access-control-allow-origin',
    origin,
    'access-control-expose-headers',
    'x-bigo-request-id, x-bigo-backend, x-bigo-reason, x-bigo-queue-ms',
    'vary',
    'origin',
  ];
}

export function answerPreflight(exchange: HttpExchange): void {
  const wanted = exchange.req.headers['access-control-request-headers'] ?? '';
  const extra = wanted
    .toLowerCase()
    .split(',')
    .map(name => name.trim())
    .filter(name => stainless.test(name))
    .slice(0, 20);
  exchange.send(204, {
    'access-control-allow-methods': 'GET, HEAD, POST, DELETE, OPTIONS',
    'access-control-allow-headers': [...allowedHeaders, ...extra].join(', '),
    'access-control-max-age': '43200',
  });
}
