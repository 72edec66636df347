// A backend that reads bytes strictly and records each request as it came. Anything that is not one clean request is a finding.
// Answers just enough of Ollama's API to be polled, with its one model always loaded, so that the gateway never loads.
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export interface Recorded {
  readonly method: string;
  readonly target: string;
  /** Names in lower case, in their order. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

export interface RecordingUpstream {
  readonly url: string;
  readonly host: string;
  /** Requests that are not the gateway's own polls, since the last `forget`. */
  inference(): Recorded[];
  /** Bytes that are no clean request. */
  findings(): string[];
  forget(): void;
  stop(): Promise<void>;
}

const MODEL = 'm:latest';
const weights = 'ab'.repeat(32);
const details = {
  format: 'gguf',
  family: 'llama',
  families: ['llama'],
  parameter_size: '1B',
  quantization_level: 'Q4',
};
const listed = { name: MODEL, model: MODEL, size: 1000, digest: weights, details };
const far = '2318-01-01T00:00:00Z';

const POLLS: Readonly<Record<string, unknown>> = {
  '/api/version': { version: '0.24.0' },
  '/api/tags': { models: [{ ...listed, modified_at: '2026-01-01T00:00:00Z' }] },
  '/api/ps': { models: [{ ...listed, size_vram: 1000, context_length: 4096, expires_at: far }] },
  '/api/show': {
    modelfile: `FROM /models/blobs/sha256-${weights}\n`,
    template: '',
    details,
    model_info: { 'general.architecture': 'llama' },
    capabilities: ['completion'],
  },
};

export async function startRecordingUpstream(): Promise<RecordingUpstream> {
  const upstream = new Upstream();
  await upstream.listen();
  return upstream;
}

class Upstream implements RecordingUpstream {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #inference: Recorded[] = [];
  #findings: string[] = [];

  constructor() {
    this.#server = createServer({ noDelay: true }, socket => this.#accept(socket));
  }

  async listen(): Promise<void> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  inference(): Recorded[] {
    return this.#inference;
  }

  findings(): string[] {
    return this.#findings;
  }

  forget(): void {
    this.#inference = [];
    this.#findings = [];
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    let pending = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      pending += text;
      for (;;) {
        const taken = take(pending);
        if (taken === undefined) return;
        if (typeof taken === 'string') {
          this.#findings.push(`${taken}: ${JSON.stringify(pending.slice(0, 300))}`);
          socket.destroy();
          return;
        }
        pending = pending.slice(taken.length);
        this.#answer(socket, taken.request);
      }
    });
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #answer(socket: Socket, request: Recorded): void {
    const poll = POLLS[request.target];
    if (poll === undefined) this.#inference.push(request);
    const body = JSON.stringify(poll ?? { ...answerOf(request), model: MODEL });
    const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
    socket.write(head + body);
  }
}

function answerOf(request: Recorded): Record<string, unknown> {
  if (request.target === '/api/embed') return { embeddings: [[1]], prompt_eval_count: 1 };
  return {
    message: { role: 'assistant', content: 'ok' },
    response: 'ok',
    done: true,
    done_reason: 'stop',
    eval_count: 1,
    prompt_eval_count: 1,
  };
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// eslint-disable-next-line no-control-regex -- what a value must never hold
const VALUE = /^[^\u0000-\u0008\u000a-\u001f\u007f]*$/;

/** One whole request from the front of the text; a text says what is wrong; undefined = more bytes are needed. */
function take(text: string): { request: Recorded; length: number } | string | undefined {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return text.length > 64 * 1024 ? 'a head without end' : undefined;
  const [first = '', ...lines] = text.slice(0, headEnd).split('\r\n');
  const line = /^([A-Z]+) (\/[\x21-\x7e]*) HTTP\/1\.1$/.exec(first);
  if (line === null) return 'a strange request line';
  const headers: [string, string][] = [];
  for (const each of lines) {
    const colon = each.indexOf(':');
    const [name, value] = [each.slice(0, colon), each.slice(colon + 1).trim()];
    if (!TOKEN.test(name) || !VALUE.test(value)) return 'a strange header';
    headers.push([name.toLowerCase(), value]);
  }
  const body = bodyOf(headers, text, headEnd + 4);
  if (typeof body === 'string' || body === undefined) return body;
  const request = { method: line[1] ?? '', target: line[2] ?? '', headers, body: body.text };
  return { request, length: body.end };
}

function bodyOf(
  headers: readonly [string, string][],
  text: string,
  start: number,
): { text: string; end: number } | string | undefined {
  const lengths = headers.filter(([name]) => name === 'content-length').map(([, value]) => value);
  const codings = headers.filter(([name]) => name === 'transfer-encoding').map(([, value]) => value);
  if (lengths.length > 1 || codings.length > 1 || (lengths.length > 0 && codings.length > 0))
    return 'two framings';
  if (codings.length === 1) return codings[0] === 'chunked' ? chunkedBody(text, start) : 'a strange coding';
  if (lengths.length === 0) return { text: '', end: start };
  if (!/^\d{1,15}$/.test(lengths[0] ?? '')) return 'a strange length';
  const end = start + Number(lengths[0]);
  return text.length < end ? undefined : { text: text.slice(start, end), end };
}

function chunkedBody(text: string, start: number): { text: string; end: number } | string | undefined {
  let [at, body] = [start, ''];
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = text.slice(at, lineEnd);
    if (!/^[0-9a-f]{1,8}$/i.test(size)) return 'a strange chunk';
    const bytes = Number.parseInt(size, 16);
    const end = lineEnd + 2 + bytes;
    if (text.length < end + 2) return undefined;
    if (text.slice(end, end + 2) !== '\r\n') return 'a chunk without its end';
    body += text.slice(lineEnd + 2, end);
    at = end + 2;
    if (bytes === 0) return { text: body, end: at };
  }
}
