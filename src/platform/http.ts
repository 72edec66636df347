// A small client for asking backends: JSON answers and NDJSON streams, each with limits in time and bytes, and abort.
// Never used on the path of a client's inference bytes, never follows a redirect, never reads a proxy setting.
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { failureOf, HttpFailure } from './http-failure.ts';
import { Agent, request, Stop } from './undici.ts';

/** A BackendSpec is one. */
export interface HttpTarget {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly ca?: string;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text, raw bytes or a stream; a string is sent as application/json. */
  readonly body?: string | Uint8Array | Readable;
  readonly bytesMax: number;
  /** The whole exchange. */
  readonly timeMsMax?: number;
  /** Waiting for the head, and between two pieces of the body. */
  readonly silenceMsMax?: number;
  readonly signal?: AbortSignal;
}

export interface HttpHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface HttpAnswer extends HttpHead {
  readonly body: Buffer;
}

export interface HttpLines extends HttpHead {
  /** Complete lines without their end; the last one also without a line end. Leaving the loop early hangs up. */
  readonly lines: AsyncIterable<string>;
}

export interface HttpClient {
  ask(target: HttpTarget, wanted: HttpRequest): Promise<HttpAnswer>;
  /** As ask, but the body comes line by line; `bytesMax` then bounds one line. */
  askLines(target: HttpTarget, wanted: HttpRequest): Promise<HttpLines>;
  close(): Promise<void>;
}

const authoritiesMax = 64;

export function createHttpClient(limits: { readonly connectMsMax: number }): HttpClient {
  const agents = new Map<string, Agent>();
  const agentFor = (ca = ''): Agent => {
    const known = agents.get(ca);
    if (known !== undefined) return known;
    if (agents.size >= authoritiesMax) throw new RangeError(`more than ${authoritiesMax} private CAs`);
    const agent = new Agent({
      connect: { timeout: limits.connectMsMax, ...(ca === '' ? {} : { ca }) },
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    agents.set(ca, agent);
    return agent;
  };
  return {
    ask: (target, wanted) => ask(agentFor(target.ca), target, wanted),
    askLines: (target, wanted) => askLines(agentFor(target.ca), target, wanted),
    close: async () => {
      await Promise.all([...agents.values()].map(agent => agent.destroy()));
    },
  };
}

async function ask(agent: Agent, target: HttpTarget, wanted: HttpRequest): Promise<HttpAnswer> {
  const watch = new Watch(wanted);
  try {
    const { statusCode, headers, body } = await open(agent, target, wanted, watch);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      watch.heard();
      bytes += chunk.length;
      if (bytes > wanted.bytesMax) throw tooLarge(target, wanted);
      chunks.push(chunk);
    }
    return { status: statusCode, headers, body: Buffer.concat(chunks, bytes) };
  } catch (error) {
    throw watch.explain(error, target);
  } finally {
    watch.end();
  }
}

async function askLines(agent: Agent, target: HttpTarget, wanted: HttpRequest): Promise<HttpLines> {
  const watch = new Watch(wanted);
  try {
    const { statusCode, headers, body } = await open(agent, target, wanted, watch);
    return { status: statusCode, headers, lines: readLines(body, { target, wanted, watch }) };
  } catch (error) {
    watch.end();
    throw watch.explain(error, target);
  }
}

async function open(
  agent: Agent,
  target: HttpTarget,
  wanted: HttpRequest,
  watch: Watch,
): Promise<Dispatcher.ResponseData> {
  const answer = await request(agent, target.url + wanted.path, {
    method: wanted.method,
    headers: {
      ...(typeof wanted.body === 'string' ? { 'content-type': 'application/json' } : {}),
      ...target.headers,
      ...wanted.headers,
    },
    body: wanted.body ?? null,
    signal: watch.signal,
  });
  watch.heard();
  return answer;
}

async function* readLines(
  body: AsyncIterable<Buffer>,
  context: { target: HttpTarget; wanted: HttpRequest; watch: Watch },
): AsyncGenerator<string> {
  const { target, wanted, watch } = context;
  let parts: Buffer[] = [];
  let held = 0;
  try {
    for await (const chunk of body) {
      watch.heard();
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        parts.push(chunk.subarray(from, end));
        yield Buffer.concat(parts).toString('utf8');
        parts = [];
        held = 0;
        from = end + 1;
      }
      if (from < chunk.length) parts.push(chunk.subarray(from));
      held += chunk.length - from;
      if (held > wanted.bytesMax) throw tooLarge(target, wanted);
    }
    if (held > 0) yield Buffer.concat(parts).toString('utf8');
  } catch (error) {
    throw watch.explain(error, target);
  } finally {
    watch.end();
  }
}

function tooLarge(target: HttpTarget, wanted: HttpRequest): HttpFailure {
  const what = `the answer of ${target.url}${wanted.path} is over ${wanted.bytesMax} bytes`;
  return new HttpFailure('too_large', what);
}

/** The clocks of one exchange; each ends it by the one Stop, with an Error as reason. */
class Watch {
  readonly #stop = new Stop();
  readonly #silenceMsMax: number | undefined;
  readonly #outer: AbortSignal | undefined;
  #total: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;

  constructor(wanted: HttpRequest) {
    this.#silenceMsMax = wanted.silenceMsMax;
    this.#outer = wanted.signal;
    if (wanted.timeMsMax !== undefined) this.#total = this.#after(wanted.timeMsMax, 'took longer than');
    this.#outer?.addEventListener('abort', this.#leave, { once: true });
    if (this.#outer?.aborted === true) this.#leave();
    this.heard();
  }

  get signal(): Stop {
    return this.#stop;
  }

  /** Something arrived: silence begins anew. */
  heard(): void {
    clearTimeout(this.#silence);
    if (this.#silenceMsMax !== undefined) this.#silence = this.#after(this.#silenceMsMax, 'was silent for');
  }

  end(): void {
    clearTimeout(this.#total);
    clearTimeout(this.#silence);
    this.#outer?.removeEventListener('abort', this.#leave);
  }

  explain(error: unknown, target: HttpTarget): HttpFailure {
    const { reason } = this.#stop;
    if (reason instanceof HttpFailure) return reason;
    return failureOf(error, target.url);
  }

  #after(ms: number, what: string): NodeJS.Timeout {
    return setTimeout(() => this.#stop.abort(new HttpFailure('silent', `it ${what} ${ms} ms`)), ms);
  }

  readonly #leave = (): void => {
    this.#stop.abort(new HttpFailure('aborted', 'nobody waits for the answer any more'));
  };
}
