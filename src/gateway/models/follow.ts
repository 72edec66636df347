// Shows one client the progress of a change: the latest state, as fast as the client reads. Never holds lines for a slow one.
import type { ServerResponse } from 'node:http';
import { BigoError } from '../../api/errors.ts';
import type { GatewayContext } from '../context.ts';
import type { Refusal } from '../core/models/verdict.ts';
import { withNext } from '../core/stream/errors.ts';
import type { HttpExchange } from '../http-exchange.ts';
import type { Work } from './work.ts';

const SUCCESS = '{"status":"success"}';
const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

export interface Following {
  readonly context: GatewayContext;
  readonly exchange: HttpExchange;
  readonly work: Work;
  readonly stream: boolean;
}

export async function follow({ context, exchange, work, stream }: Following): Promise<void> {
  work.join();
  try {
    if (stream) await showLines(context, exchange, work);
    else await showEnd(exchange, work);
  } finally {
    work.leave();
  }
}

async function showEnd(exchange: HttpExchange, work: Work): Promise<void> {
  const { signal } = exchange;
  while (work.verdict === undefined && !signal.aborted) await work.next(work.progress.version, signal);
  if (signal.aborted || work.verdict === undefined) return;
  const { error } = work.verdict;
  if (error === undefined) exchange.send(200, { ...JSON_TYPE, ...marks(work) }, SUCCESS);
  else answerError(exchange, error);
}

async function showLines(context: GatewayContext, exchange: HttpExchange, work: Work): Promise<void> {
  const { response: res, signal } = exchange;
  let seen = 0;
  for (;;) {
    const { verdict } = work;
    const lines = work.progress.since(seen).map(line => `${JSON.stringify(line)}\n`);
    seen = work.progress.version;
    if (lines.length > 0 || verdict?.error === undefined) begin(context, exchange, work);
    if (lines.length > 0) await write(res, lines.join(''), context.settings.time.writeStallMsMax);
    if (signal.aborted) return;
    if (verdict !== undefined) return end(exchange, verdict.error);
    await work.next(seen, signal);
    if (signal.aborted) return;
  }
}

/** The status line leaves with the first line of the body, so that a refusal can still have a status of its own. */
function begin(context: GatewayContext, exchange: HttpExchange, work: Work): void {
  if (exchange.started || (work.progress.version === 0 && work.verdict === undefined)) return;
  const headers: string[] = ['x-bigo-request-id', exchange.requestId, ...exchange.extraHeaders];
  for (const [name, value] of Object.entries(marks(work))) headers.push(name, value);
  headers.push(
    'content-type',
    'application/x-ndjson',
    'cache-control',
    'no-cache, no-transform',
    'x-accel-buffering',
    'no',
  );
  if (context.draining) headers.push('connection', 'close');
  exchange.res.writeHead(200, headers);
}

function marks(work: Work): Record<string, string> {
  return { 'x-bigo-reason': 'fan_out', ...(work.backends === '' ? {} : { 'x-bigo-backend': work.backends }) };
}

function end(exchange: HttpExchange, error: BigoError | Refusal | undefined): void {
  if (error === undefined) exchange.res.end(`${SUCCESS}\n`);
  else if (exchange.started) exchange.res.end(`${JSON.stringify({ error: words(error) })}\n`);
  else answerError(exchange, error);
}

function words(error: BigoError | Refusal): string {
  return error instanceof BigoError ? withNext(error) : error.message;
}

/** Before the first byte. A refusal is said as the server said it. */
export function answerError(exchange: HttpExchange, error: BigoError | Refusal): void {
  if (error instanceof BigoError) exchange.fail('ollama', error);
  else exchange.send(error.status, JSON_TYPE, JSON.stringify({ error: error.message }));
}

/** Races the drain with the end of the connection (rule 11); a client that reads nothing is cut. */
async function write(res: ServerResponse, text: string, stallMsMax: number): Promise<void> {
  if (res.write(text) || res.destroyed) return;
  await new Promise<void>(resolve => {
    const timer = setTimeout(() => res.destroy(), stallMsMax);
    const go = (): void => {
      clearTimeout(timer);
      res.off('drain', go);
      res.off('close', go);
      resolve();
    };
    res.on('drain', go);
    res.on('close', go);
  });
}
