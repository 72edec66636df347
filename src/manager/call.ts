// One request to the manager's API, read and checked, and the ways to answer it. Never reads more of a body than its route allows.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type * as z from 'zod';
import { BigoError, ERRORS } from '../api/errors.ts';
import { BODY_BYTES_MAX, type ApiRoute } from './core/routes.ts';
import type { Caller } from './types.ts';

export interface Call {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly route: ApiRoute;
  /** What the path has after its fixed part. */
  readonly rest: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly rawBody: string;
  readonly caller: Caller;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /** Under which the API is reached, for the OpenAPI document. */
  readonly prefix: string;
}

/** Undefined = the handler writes the answer itself. */
export type Handler = (call: Call) => Promise<object | undefined>;

/** A refusal with numbers, for programs. */
export class Refusal extends BigoError {
  readonly fields: object;

  constructor(message: string, fields: object) {
    super('bad_request', message);
    this.fields = fields;
  }
}

const bodyMsMax = 30_000;
const restMsMax = 2_000;
const restBytesMax = 8 * 1024 * 1024;

/** What is too large is read away for a moment, so that the answer is not lost in a reset. */
export function readBody(req: IncomingMessage, route: ApiRoute): Promise<string> {
  const bytesMax = route.bodyBytesMax ?? BODY_BYTES_MAX;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = setTimeout(() => {
      reject(new BigoError('request_timeout', 'The body took too long.'));
      setTimeout(() => req.destroy(), restMsMax).unref();
    }, bodyMsMax).unref();
    req.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else reject(new BigoError('too_large', `The body is over ${bytesMax} bytes.`));
      if (bytes > bytesMax + restBytesMax) req.destroy();
    });
    req.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    req.on('error', reject);
    req.on('close', () => {
      clearTimeout(timer);
      reject(new BigoError('client_gone', 'The client left.'));
    });
  });
}

/** Only JSON: a page of another origin cannot send that without being asked first. */
export function parseBody(text: string, route: ApiRoute, contentType: string): Record<string, unknown> {
  if (route.method !== 'POST') return {};
  if (text === '' && route.body === undefined) return {};
  if (!/^application\/json\b/i.test(contentType)) {
    throw new BigoError('unsupported_encoding', 'Send the body with `content-type: application/json`.');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BigoError('bad_json', 'The body is not JSON.');
  }
  return route.body === undefined ? (value as Record<string, unknown>) : checked(route.body, value);
}

export function checked(schema: z.ZodObject, value: unknown): Record<string, unknown> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const at = issue?.path.join('.') ?? '';
  throw new BigoError(
    'bad_request',
    `${at === '' ? 'The request' : at}: ${issue?.message ?? 'is not right'}`,
  );
}

export function sendJson(res: ServerResponse, status: number, value: object): void {
  if (res.headersSent || res.destroyed) return;
  const body = JSON.stringify(value);
  res.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  res.end(res.req.method === 'HEAD' ? undefined : body);
}

export function sendError(res: ServerResponse, error: BigoError, extra: object = {}): void {
  const { next } = ERRORS[error.code];
  sendJson(res, error.status, { success: false, error: error.message, code: error.code, next, ...extra });
}
