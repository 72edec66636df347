// The Ollama of this pod: list, pull, create, delete, unload. Never decides which; each call has a limit.
import { modelKey } from '../api/names.ts';
import { failureOf } from '../platform/http-failure.ts';
import { createHttpClient, type HttpAnswer, type HttpClient } from '../platform/http.ts';
import type { ModelSeen } from './core/types.ts';

const lookMsMax = 10_000;
const deleteMsMax = 60_000;
const answerBytesMax = 32 * 1024 * 1024;
const lineBytesMax = 1024 * 1024;
const createSilenceMsMax = 10 * 60_000;

export interface PullCall {
  readonly name: string;
  readonly insecure: boolean;
  readonly signal: AbortSignal;
}

export class LocalOllama {
  readonly #http: HttpClient = createHttpClient({ connectMsMax: 3_000 });
  readonly #target: { readonly url: string };

  constructor(url: string) {
    this.#target = { url };
  }

  /** Undefined: it does not answer. */
  async version(): Promise<string | undefined> {
    const answer = await this.#ask('GET', '/api/version').catch(() => undefined);
    const version = answer?.status === 200 ? (parsed(answer) as { version?: unknown })?.version : undefined;
    return typeof version === 'string' ? version : undefined;
  }

  /** Undefined: it does not answer, or not like an Ollama. */
  async models(): Promise<ReadonlyMap<string, ModelSeen> | undefined> {
    const answer = await this.#ask('GET', '/api/tags').catch(() => undefined);
    if (answer?.status !== 200) return undefined;
    const list = (parsed(answer) as { models?: unknown })?.models ?? [];
    if (!Array.isArray(list)) return undefined;
    const seen = list.map(modelOf).filter(model => model !== undefined);
    return new Map(seen.map(model => [model.key, model]));
  }

  /** Lines of progress; the caller reads errors in them. Ends early when `signal` is aborted. */
  async *pull({ name, insecure, signal }: PullCall): AsyncGenerator<string> {
    const body = JSON.stringify({ model: name, stream: true, ...(insecure && { insecure }) });
    yield* this.#lines('/api/pull', body, { signal });
  }

  async *create(body: Readonly<Record<string, unknown>>, signal: AbortSignal): AsyncGenerator<string> {
    const text = JSON.stringify({ ...body, stream: true });
    yield* this.#lines('/api/create', text, { signal, silenceMsMax: createSilenceMsMax });
  }

  /** Undefined: it is gone, or was not there. */
  async delete(name: string): Promise<string | undefined> {
    try {
      const answer = await this.#ask('DELETE', '/api/delete', { model: name });
      return answer.status < 300 || answer.status === 404 ? undefined : messageOf(answer);
    } catch (error) {
      return failureOf(error, this.#target.url).message;
    }
  }

  /** A runner that goes on would serve the old bytes even after the file was replaced (ollama server/sched.go goes by path). */
  async unload(name: string): Promise<void> {
    await this.#ask('POST', '/api/generate', { model: name, keep_alive: 0, stream: false }).catch(
      () => undefined,
    );
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  async *#lines(
    path: string,
    body: string,
    limits: { readonly signal: AbortSignal; readonly silenceMsMax?: number },
  ): AsyncGenerator<string> {
    const answer = await this.#http.askLines(this.#target, {
      method: 'POST',
      path,
      body,
      bytesMax: lineBytesMax,
      ...limits,
    });
    yield* answer.lines;
  }

  #ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<HttpAnswer> {
    return this.#http.ask(this.#target, {
      method,
      path,
      bytesMax: answerBytesMax,
      timeMsMax: method === 'GET' ? lookMsMax : deleteMsMax,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }
}

function modelOf(value: unknown): ModelSeen | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, digest, size } = value as Record<string, unknown>;
  if (typeof name !== 'string' || typeof digest !== 'string') return undefined;
  const sizeBytes = typeof size === 'number' ? size : 0;
  return { name, key: modelKey(name) ?? name, digest: digest.replace(/^sha256:/, ''), sizeBytes };
}

function parsed(answer: HttpAnswer): unknown {
  try {
    return JSON.parse(answer.body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function messageOf(answer: HttpAnswer): string {
  const error = (parsed(answer) as { error?: unknown })?.error;
  return typeof error === 'string' ? error : `status ${answer.status}`;
}
