// Speaks to a gateway, or to any Ollama, and turns every failure into a sentence with what to do. Never retries.
import type { Readable } from 'node:stream';
import { createHttpClient, type HttpClient } from '../platform/http.ts';
import { HttpFailure } from '../platform/http-failure.ts';
import type { App } from './app.ts';
import { CliError } from './exit.ts';
import type { Target } from './target.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: JsonObject;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeMsMax?: number;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly lines: AsyncIterable<string>;
}

const jsonBytesMax = 64 * 1024 * 1024;
const lineBytesMax = 16 * 1024 * 1024;
const shortMsMax = 30_000;
const connectMsMax = 5_000;

export class Client {
  readonly target: Target;
  readonly #http: HttpClient = createHttpClient({ connectMsMax });
  readonly #interrupted: AbortSignal;

  constructor(app: App, target: Target) {
    this.target = target;
    this.#interrupted = app.interrupted();
  }

  /** The whole answer; an empty body is `{}`. */
  async json(ask: Ask): Promise<JsonObject> {
    const answer = await this.#explained(() =>
      this.#http.ask(this.#httpTarget(), {
        ...this.#request(ask),
        bytesMax: jsonBytesMax,
        timeMsMax: ask.timeMsMax ?? shortMsMax,
      }),
    );
    const text = answer.body.toString('utf8');
    if (answer.status >= 400) throw this.#refusal(answer.status, text);
    return text.trim() === '' ? {} : parseObject(text, this.target.url);
  }

  /** Line by line: NDJSON or server-sent events. No time limit: the gateway has its own. */
  async lines(ask: Ask): Promise<Answer> {
    const answer = await this.#explained(() =>
      this.#http.askLines(this.#httpTarget(), { ...this.#request(ask), bytesMax: lineBytesMax }),
    );
    if (answer.status >= 400) throw this.#refusal(answer.status, await allText(answer.lines));
    return { headers: answer.headers, lines: this.#explainedLines(answer.lines) };
  }

  /** NDJSON objects; an `{"error":…}` line becomes an error here. */
  async *objects(ask: Ask): AsyncGenerator<JsonObject> {
    const { lines } = await this.lines(ask);
    for await (const line of lines) {
      if (line.trim() === '') continue;
      const object = parseObject(line, this.target.url);
      const error = errorText(object);
      if (error !== undefined) throw new CliError(error);
      yield object;
    }
  }

  /** A blob, unless it is there already. No time limit: a model may be large. */
  async upload(path: string, blob: { readonly bytes: number; readonly open: () => Readable }): Promise<void> {
    const target = this.#httpTarget();
    const common = { path, signal: this.#interrupted, bytesMax: jsonBytesMax };
    const there = await this.#explained(() =>
      this.#http.ask(target, { ...common, method: 'HEAD', timeMsMax: shortMsMax }),
    );
    if (there.status === 200) return;
    const headers = { 'content-length': String(blob.bytes) };
    const answer = await this.#explained(() =>
      this.#http.ask(target, { ...common, method: 'POST', headers, body: blob.open() }),
    );
    if (answer.status >= 400) throw this.#refusal(answer.status, answer.body.toString('utf8'));
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  #httpTarget() {
    const { url, token } = this.target;
    return token === undefined ? { url } : { url, headers: { authorization: `Bearer ${token}` } };
  }

  #request(ask: Ask) {
    const signal =
      ask.signal === undefined ? this.#interrupted : AbortSignal.any([this.#interrupted, ask.signal]);
    return {
      method: ask.method ?? (ask.body === undefined ? 'GET' : 'POST'),
      path: ask.path,
      signal,
      ...(ask.headers === undefined ? {} : { headers: ask.headers }),
      ...(ask.body === undefined ? {} : { body: JSON.stringify(ask.body) }),
    } as const;
  }

  async #explained<Value>(attempt: () => Promise<Value>): Promise<Value> {
    try {
      return await attempt();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async *#explainedLines(lines: AsyncIterable<string>): AsyncGenerator<string> {
    try {
      yield* lines;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(error: unknown): unknown {
    if (!(error instanceof HttpFailure)) return error;
    const { url, origin, namedBy = '--url or BIGO_URL' } = this.target;
    const isAbsent = ['refused', 'name', 'unreachable'].includes(error.kind);
    if (!isAbsent)
      return new CliError(`${url} (${origin}): ${error.message}`, { next: 'See `bigo status`.' });
    const next = `Start a fleet with \`bigo up\`, or name a gateway with ${namedBy}.`;
    return new CliError(`nothing answers at ${url} (${origin})`, { next });
  }

  #refusal(status: number, text: string): CliError {
    const message = errorText(tryParse(text)) ?? `${this.target.url} answered ${status}`;
    return new RefusedError(status, message);
  }
}

const NEXT_OF_STATUS: Readonly<Record<number, string>> = {
  401: 'Give a key with --key or BIGO_KEY; `bigo keys create` makes one.',
  403: 'This key may not do that; use one with the admin role (`bigo keys create --role admin`).',
  404: '`bigo ls` shows the models that are here; `bigo pull NAME` adds one.',
  429: 'The queue is full: try again in a moment; `bigo status` shows it.',
  503: '`bigo status` shows which backends are down.',
};

export class RefusedError extends CliError {
  readonly status: number;

  constructor(status: number, message: string) {
    const next = NEXT_OF_STATUS[status];
    super(message, next === undefined ? {} : { next });
    this.status = status;
  }
}

/** The message of an error body in any of the three dialects. */
export function errorText(body: JsonObject | undefined): string | undefined {
  const error = body?.error;
  if (typeof error === 'string') return error;
  const message = (error as JsonObject | undefined)?.message;
  return typeof message === 'string' ? message : undefined;
}

async function allText(lines: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const line of lines) text += `${line}\n`;
  return text;
}

function parseObject(text: string, url: string): JsonObject {
  const value = tryParse(text);
  if (value !== undefined) return value;
  throw new CliError(`${url} did not answer with JSON: ${text.slice(0, 80)}`, {
    next: 'Is this the address of BigO or Ollama?',
  });
}

function tryParse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined;
  } catch {
    return undefined;
  }
}
