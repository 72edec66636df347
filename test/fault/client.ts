// An HTTP client for fault tests: one connection per request, so that open descriptors can be counted, and it can leave or stall.
import { request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';

export interface Heard {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The connection broke before the answer's end. */
  readonly cut: boolean;
}

export interface Asking {
  readonly req: ClientRequest;
  /** Settles when headers came. */
  readonly head: Promise<IncomingMessage>;
  /** Settles when the answer ended in any way. */
  readonly heard: Promise<Heard>;
  leave(): void;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Read nothing of the body. */
  readonly paused?: boolean;
}

const askMsMax = 60_000;

export function ask(url: string, options: AskOptions = {}): Asking {
  const headers = {
    ...options.headers,
    ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const req = request(url, {
    method: options.method ?? (options.body === undefined ? 'GET' : 'POST'),
    agent: false,
    headers,
  });
  req.setTimeout(askMsMax, () => req.destroy(new Error(`no answer from ${url} within ${askMsMax} ms`)));
  const head = new Promise<IncomingMessage>((resolve, reject) => {
    req.once('response', resolve);
    req.once('error', reject);
  });
  head.catch(() => undefined);
  const heard = head.then(async response => (options.paused === true ? stalled(response) : read(response)));
  heard.catch(() => undefined);
  req.on('error', () => undefined);
  req.end(options.body);
  return { req, head, heard, leave: () => req.destroy() };
}

async function read(response: IncomingMessage): Promise<Heard> {
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (more: string) => (text += more));
  const cut = await endOf(response);
  return { status: response.statusCode ?? 0, headers: response.headers, text, cut };
}

async function stalled(response: IncomingMessage): Promise<Heard> {
  response.pause();
  const cut = await endOf(response);
  return { status: response.statusCode ?? 0, headers: response.headers, text: '', cut };
}

function endOf(response: IncomingMessage): Promise<boolean> {
  return new Promise(resolve => {
    response.once('end', () => resolve(!response.complete));
    response.once('close', () => resolve(!response.complete));
    response.once('error', () => resolve(true));
  });
}
