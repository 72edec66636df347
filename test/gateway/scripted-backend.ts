// A backend over a raw socket: it answers what an idle Ollama answers to the gateway's own questions, and hands every other request
// to the test byte by byte. Never parses an answer: what the test writes is what the gateway gets.
import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  /** The head as it came. */
  readonly head: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  readonly socket: Socket;
  /** How many requests the connection had carried before. */
  readonly before: number;
}

export type Script = (request: ScriptedRequest) => void;

export interface ScriptedBackend {
  readonly url: string;
  readonly port: number;
  /** Requests that were handed to the test. */
  readonly seen: ScriptedRequest[];
  script: Script;
  /** Answers to load calls; default: loaded at once. */
  onLoad: Script | undefined;
  /** Nothing more is answered, the version neither; what arrives is kept unread. */
  frozen: boolean;
  models: readonly string[];
  loaded: readonly string[];
  version: string;
  /** Paths of the fleet's own questions. */
  readonly asked: string[];
  failsTags: boolean;
  readonly openSockets: number;
  stop(): Promise<void>;
}

export function httpAnswer(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  const all = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `HTTP/1.1 ${status} Status\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

export const streamHead =
  'HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n';
export const eventsHead =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';

export function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}
export const lastChunk = '0\r\n\r\n';

export function tokenLine(content: string): string {
  return `${JSON.stringify({ model: 'm:latest', message: { role: 'assistant', content }, done: false })}\n`;
}
export const doneLine = `${JSON.stringify({
  model: 'm:latest',
  message: { role: 'assistant', content: '' },
  done: true,
  done_reason: 'stop',
  total_duration: 5_000_000,
  prompt_eval_count: 7,
  prompt_eval_duration: 1_000_000,
  eval_count: 2,
  eval_duration: 2_000_000,
})}\n`;

const wholeAnswer = doneLine.trim();

/** Two tokens and the end. */
export const answerStream: Script = ({ socket }) => {
  socket.write(streamHead + chunk(tokenLine('Hel')) + chunk(tokenLine('lo')) + chunk(doneLine) + lastChunk);
};
export const answerWhole: Script = ({ socket }) => void socket.write(httpAnswer(200, wholeAnswer));

export async function startScripted(models: readonly string[] = ['m:latest']): Promise<ScriptedBackend> {
  const backend = new Scripted(models);
  await backend.listen();
  return backend;
}

class Scripted implements ScriptedBackend {
  readonly seen: ScriptedRequest[] = [];
  script: Script = request => (/"stream": ?false/.test(request.body) ? answerWhole : answerStream)(request);
  onLoad: Script | undefined;
  frozen = false;
  models: readonly string[];
  loaded: readonly string[];
  version = '0.24.0';
  readonly asked: string[] = [];
  failsTags = false;
  private readonly sockets = new Set<Socket>();
  private readonly server = net.createServer(socket => this.accept(socket));

  constructor(models: readonly string[]) {
    this.models = models;
    this.loaded = models;
  }

  async listen(): Promise<void> {
    await new Promise<void>(resolve => this.server.listen(0, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
  get openSockets(): number {
    return this.sockets.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise(resolve => this.server.close(resolve));
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => undefined);
    let received = Buffer.alloc(0);
    let count = 0;
    socket.on('data', data => {
      if (this.frozen) return;
      received = Buffer.concat([received, data]);
      for (let next = requestOf(received); next !== undefined; next = requestOf(received)) {
        received = received.subarray(next.bytes);
        this.answer({ ...next.request, socket, before: count });
        count += 1;
      }
    });
  }

  private answer(request: ScriptedRequest): void {
    const own = this.ownAnswer(request);
    if (own !== undefined) {
      this.asked.push(request.path);
      request.socket.write(own);
      return;
    }
    if (isLoad(request) && request.headers.has('x-bigo-hop') && !request.headers.has('x-request-id')) {
      if (this.onLoad !== undefined) this.onLoad(request);
      else request.socket.write(httpAnswer(200, '{"done":true,"done_reason":"load"}'));
      return;
    }
    this.seen.push(request);
    this.script(request);
  }

  private ownAnswer({ method, path, headers }: ScriptedRequest): string | undefined {
    if (headers.has('x-request-id')) return undefined;
    if (method === 'GET' && path === '/api/version')
      return httpAnswer(200, JSON.stringify({ version: this.version }));
    if (method === 'GET' && path === '/api/tags' && this.failsTags)
      return httpAnswer(500, '{"error":"disk"}');
    if (method === 'GET' && path === '/api/tags')
      return httpAnswer(200, JSON.stringify({ models: this.models.map(tagOf) }));
    if (method === 'GET' && path === '/api/ps')
      return httpAnswer(200, JSON.stringify({ models: this.loaded.map(psOf) }));
    if (path === '/api/show')
      return httpAnswer(200, JSON.stringify({ modelfile: '', parameters: '', capabilities: ['completion'] }));
    return undefined;
  }
}

function isLoad({ path, body }: ScriptedRequest): boolean {
  return path === '/api/generate' && !body.includes('"prompt"');
}

function digestOf(name: string): string {
  return Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64);
}
function tagOf(name: string): object {
  return {
    name,
    model: name,
    modified_at: '2026-11-21T10:00:00Z',
    size: 1_000,
    digest: digestOf(name),
    details: {},
  };
}
function psOf(name: string): object {
  return { ...tagOf(name), expires_at: '2099-01-01T00:00:00Z', size_vram: 0, context_length: 4096 };
}

function requestOf(
  bytes: Buffer,
): { bytes: number; request: Omit<ScriptedRequest, 'socket' | 'before'> } | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const [first = '', ...lines] = head.split('\r\n');
  const [method = '', path = ''] = first.split(' ');
  const headers = new Map(
    lines.map(line => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const length = Number(headers.get('content-length') ?? 0);
  const total = end + 4 + length;
  if (bytes.length < total) return undefined;
  return {
    bytes: total,
    request: { method, path, head, headers, body: bytes.toString('utf8', end + 4, total) },
  };
}
