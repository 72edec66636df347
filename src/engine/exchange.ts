// One HTTP request and its answer: reading the body, writing JSON or a stream, knowing when the client has left. Never knows a route.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorShape } from './core/answer.ts';
import { EngineFailure, badRequest } from './core/failure.ts';
import { isObject } from './core/json.ts';
import type { JsonObject } from './core/json.ts';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  /** Path parameters, decoded. */
  readonly parameter: string;
  /** Aborted when the client leaves before the answer is complete. */
  readonly signal: AbortSignal;
  /** How this route's dialect writes an error. */
  readonly errorShape: ErrorShape;
}

const bodyBytesMax = 100 * 1024 * 1024;

/** `struct` is the name that Ollama's messages use for this body. */
export async function readJson(exchange: Exchange, struct: string): Promise<JsonObject> {
  const bytes = await readBody(exchange.request);
  if (bytes.length === 0) throw badRequest('missing request body');
  const value = parse(bytes.toString('utf8'));
  if (isObject(value)) return value;
  const kind = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  if (kind === 'null') return {};
  throw badRequest(`json: cannot unmarshal ${kind} into Go value of type ${struct}`);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw new EngineFailure(415, `content encoding ${encoding} is not supported`);
  const tooLarge = new EngineFailure(413, 'http: request body too large');
  if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax) throw tooLarge;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyBytesMax) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(goMessage(error instanceof Error ? error.message : ''));
  }
}

/** What Go's decoder says of the same fault. */
function goMessage(message: string): string {
  if (/Unexpected end|Unterminated/.test(message)) return 'unexpected EOF';
  const character = /Unexpected token '(.)'/su.exec(message)?.[1];
  return character === undefined
    ? 'invalid character in the request body'
    : `invalid character '${character}' looking for beginning of value`;
}

export function sendJson(exchange: Exchange, status: number, body: JsonObject): void {
  send(exchange, { status, type: 'application/json; charset=utf-8', text: JSON.stringify(body) });
}

export interface TextAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function send(exchange: Exchange, answer: TextAnswer): void {
  const { response, request } = exchange;
  if (response.headersSent || response.destroyed) return;
  const bytes = Buffer.from(answer.text);
  response.writeHead(answer.status, {
    ...answer.headers,
    'content-type': answer.type,
    'content-length': bytes.length,
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

export function sendEmpty(exchange: Exchange, status: number): void {
  if (exchange.response.headersSent || exchange.response.destroyed) return;
  exchange.response.writeHead(status, { 'content-length': 0 });
  exchange.response.end();
}

/** Sends the failure if the answer has not begun; a stream that has begun ends in its dialect's words elsewhere. */
export function sendFailure(exchange: Exchange, error: unknown): void {
  const { status, message } = failureOf(error);
  if (exchange.signal.aborted) return;
  if (status === 413) exchange.response.setHeader('connection', 'close');
  sendJson(exchange, status, exchange.errorShape(status, message));
}

export function failureOf(error: unknown): { status: number; message: string } {
  if (error instanceof EngineFailure) return { status: error.status, message: error.message };
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC') return { status: 500, message: 'no space left on device' };
  return { status: 500, message: error instanceof Error ? error.message : String(error) };
}

/** Pieces go out as they come; `write` gives a promise only while the client reads too slowly. */
export interface OutStream {
  readonly begun: boolean;
  write(text: string): Promise<void> | undefined;
  end(): void;
}

export function openStream(exchange: Exchange, type: string): OutStream {
  const { response, signal } = exchange;
  let begun = false;
  function begin(): void {
    begun = true;
    const streaming = type === 'text/event-stream' ? { 'cache-control': 'no-cache' } : {};
    response.writeHead(200, { ...streaming, 'content-type': type });
  }
  return {
    get begun() {
      return begun;
    },
    write(text) {
      if (signal.aborted || text === '') return undefined;
      if (!begun) begin();
      return response.write(text) ? undefined : drained(exchange);
    },
    end() {
      if (signal.aborted) return;
      if (!begun) begin();
      response.end();
    },
  };
}

/** Never waits for a client that is gone. */
function drained({ response, signal }: Exchange): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      response.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    response.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
