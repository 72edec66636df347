// An engine in this process with a store of its own, and the few ways tests talk to it. Never uses a model with meaning.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { serveEngine } from '../../src/engine/serve.ts';
import type { EngineOptions } from '../../src/engine/serve.ts';
import { digestOf, tinyGguf } from '../tools/tiny-gguf.ts';

export interface TestEngine {
  readonly url: string;
  readonly store: string;
  post(path: string, body: unknown, signal?: AbortSignal): Promise<Response>;
  /** Uploads a GGUF file and creates the model. */
  add(model: string, gguf?: Buffer): Promise<void>;
  loaded(): Promise<readonly Loaded[]>;
  close(): Promise<void>;
}

export interface Loaded {
  readonly name: string;
  readonly context_length: number;
  readonly expires_at: string;
}

export type Json = Record<string, unknown>;

export async function startTestEngine(
  t: TestContext,
  options: Partial<EngineOptions> = {},
): Promise<TestEngine> {
  const store = await mkdtemp(join(tmpdir(), 'bigo-engine-'));
  const base = { host: '127.0.0.1', port: 0, store, slots: 1, threads: 1, log: () => {} };
  const listening = await serveEngine({ ...base, ...options });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= listening.close());
  t.after(async () => {
    await close();
    await rm(store, { recursive: true, force: true });
  });
  const { url } = listening;
  const post = (path: string, body: unknown, signal?: AbortSignal): Promise<Response> =>
    fetch(url + path, {
      method: 'POST',
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
  return {
    url,
    store,
    close,
    post,
    async add(model, gguf = tinyGguf({ name: model })) {
      const digest = digestOf(gguf);
      const upload = await fetch(`${url}/api/blobs/${digest}`, {
        method: 'POST',
        body: new Uint8Array(gguf),
      });
      if (!upload.ok) throw new Error(await upload.text());
      const made = await post('/api/create', { model, files: { 'm.gguf': digest }, stream: false });
      if (!made.ok) throw new Error(await made.text());
    },
    async loaded() {
      const answer = (await (await fetch(`${url}/api/ps`)).json()) as { models: readonly Loaded[] };
      return answer.models;
    },
  };
}

export async function json(answer: Response | Promise<Response>): Promise<Json> {
  return (await (await answer).json()) as Json;
}

export async function lines(answer: Response): Promise<Json[]> {
  const text = await answer.text();
  return text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Json);
}

export interface OpenStream {
  /** The first line; the rest is not read. */
  readonly first: Json;
  leave(): void;
  /** Reads to the end; the last line. */
  last(): Promise<Json>;
}

/** A generate request that writes for long. */
export async function openStream(engine: TestEngine, body: Json): Promise<OpenStream> {
  const stop = new AbortController();
  const answer = await engine.post('/api/generate', { prompt: 'a', raw: true, ...body }, stop.signal);
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  while (!text.includes('\n')) text += Buffer.from((await reader.read()).value ?? []).toString('utf8');
  return {
    first: JSON.parse(text.split('\n')[0] ?? '') as Json,
    leave: () => stop.abort(),
    async last() {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        text = (text + Buffer.from(part.value).toString('utf8')).slice(-4_000);
      }
      return JSON.parse(text.trim().split('\n').at(-1) ?? '') as Json;
    },
  };
}
