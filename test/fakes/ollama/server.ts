// The fake Ollama as a server: reads requests, applies faults, keeps a record of what it saw. startFakeOllama is the way in.
// Never opens more than its one port; SIGTERM and kill() cut running streams at once, as Ollama does.
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { anthropicError } from './anthropic.ts';
import { parseBody, readBytes } from './body.ts';
import { Refusal, textOf } from './context.ts';
import type { Fake } from './context.ts';
import { FaultPlan } from './faults.ts';
import type { Fault } from './faults.ts';
import { openAiError } from './openai.ts';
import { DEFAULT_OPTIONS } from './options.ts';
import type { FakeOptions, ModelSeed } from './options.ts';
import { goJson, Outlet } from './outlet.ts';
import { matchRoute } from './routes.ts';
import type { FakeDialect } from './routes.ts';
import { Schedule } from './schedule.ts';
import type { Counts } from './schedule.ts';
import { Store } from './store.ts';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  /** Text of a JSON body up to 64 KiB. */
  readonly body: string;
  readonly bodyBytes: number;
  readonly atMs: number;
}

export interface Control {
  readonly faults?: readonly Fault[];
  /** Adds or replaces models (load times, faults of a load, …). */
  readonly models?: readonly ModelSeed[];
  /** null = tell the truth again. */
  readonly lies?: { readonly tags?: unknown; readonly ps?: unknown };
  readonly forget?: boolean;
}

export interface FakeState {
  readonly counts: Counts;
  readonly inFlight: number;
  readonly connections: number;
  readonly seen: readonly Seen[];
}

export interface FakeOllama {
  readonly url: string;
  readonly port: number;
  control(change: Control): void;
  state(): FakeState;
  /** Ends at once, as SIGTERM does: running streams are cut. The port can be taken again with `port`. */
  stop(): Promise<void>;
}

const seenMax = 5000;
const seenBodyBytesMax = 64 * 1024;

export async function startFakeOllama(options: Partial<FakeOptions> = {}): Promise<FakeOllama> {
  const host = new Host({ ...DEFAULT_OPTIONS, ...options });
  await host.listen();
  return host;
}

class Host implements FakeOllama {
  readonly #fake: Fake;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #seen: Seen[] = [];

  constructor(options: FakeOptions) {
    this.#fake = {
      options,
      store: new Store(options),
      schedule: new Schedule({
        placesPerRunner: options.numParallel,
        runnersMax: options.maxLoaded,
        pendingMax: options.maxQueue,
        keepAliveMs: options.keepAliveMs,
        loadMsMax: options.loadTimeoutMs,
        unloadMs: options.unloadMs,
        memoryBytes: options.memoryBytes,
        device: options.device,
      }),
      faults: new FaultPlan(),
      lies: {},
      counters: { requests: 0, untold: 0 },
    };
    this.#fake.faults.set(faultsOf(options.models));
    this.#server = createServer({ keepAlive: true, noDelay: true }, (req, res) => void this.#serve(req, res));
    this.#server.keepAliveTimeout = 0;
    this.#server.requestTimeout = 0;
    this.#server.headersTimeout = 0;
    this.#server.on('connection', socket => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  async listen(): Promise<void> {
    const { port, host, backlog } = this.#fake.options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, backlog, resolve);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://${this.#fake.options.host}:${this.port}`;
  }

  control(change: Control): void {
    if (change.models !== undefined) for (const seed of change.models) this.#fake.store.add(seed);
    if (change.faults !== undefined) this.#fake.faults.set(change.faults);
    if (change.lies !== undefined) {
      this.#fake.lies.tags = change.lies.tags ?? undefined;
      this.#fake.lies.ps = change.lies.ps ?? undefined;
    }
    if (change.forget === true) this.#seen = [];
  }

  state(): FakeState {
    const { schedule } = this.#fake;
    return {
      counts: { ...schedule.counts },
      inFlight: schedule.inFlight(),
      connections: this.#sockets.size,
      seen: this.#seen,
    };
  }

  async stop(): Promise<void> {
    this.#fake.schedule.stop();
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const out = new Outlet(res);
    const path = (req.url ?? '/').replace(/\?.*$/, '');
    res.on('error', () => undefined);
    if (path === '/__control') {
      await this.#controlRequest(req, out);
      return;
    }
    const { route, params, allowed } = matchRoute(req.method ?? 'GET', path);
    const dialect = route?.dialect ?? 'ollama';
    try {
      if (route === undefined) {
        await this.#unserved(req, out, allowed);
        return;
      }
      this.#checkOrigin(req);
      const body = route.struct === undefined ? {} : await this.#body(req, route.struct);
      if (route.struct === undefined) this.#record(req, Buffer.alloc(0));
      const fault = this.#fake.faults.take(path, textOf(body['model']));
      out.fault = fault;
      if (fault?.kind === 'status')
        throw new Refusal(fault.status ?? 500, fault.message ?? 'the fake was told to fail');
      if (fault !== undefined && commit(fault, out)) return;
      if (res.destroyed) return;
      await route.handle({ fake: this.#fake, req, res, out, path, params, body });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (!out.started) refuse(out, dialect, error);
    }
  }

  async #body(req: IncomingMessage, struct: string): Promise<Record<string, unknown>> {
    const bytes = await readBytes(req);
    this.#record(req, bytes);
    return parseBody(bytes, struct);
  }

  #record(req: IncomingMessage, bytes: Buffer): void {
    if (this.#seen.length >= seenMax) this.#seen.shift();
    this.#seen.push({
      method: req.method ?? '',
      url: req.url ?? '',
      headers: req.rawHeaders,
      body: bytes.length <= seenBodyBytesMax ? bytes.toString('utf8') : '',
      bodyBytes: bytes.length,
      atMs: this.#fake.schedule.nowMs(),
    });
  }

  /** Ollama answers 403 to an Origin that is not listed. */
  #checkOrigin(req: IncomingMessage): void {
    const { origin } = req.headers;
    if (origin === undefined) return;
    const local =
      /^(https?:\/\/(localhost|127\.0\.0\.1|0\.0\.0\.0)(:\d+)?|app:|file:|tauri:|vscode-webview:|vscode-file:)/;
    const { origins } = this.#fake.options;
    if (!local.test(origin) && !origins.includes('*') && !origins.includes(origin))
      throw new Refusal(403, '');
  }

  async #unserved(req: IncomingMessage, out: Outlet, allowed: readonly string[]): Promise<void> {
    this.#record(req, await readBytes(req));
    if (allowed.length === 0) {
      out.full(404, '404 page not found', 'text/plain');
      return;
    }
    out.head(405, { Allow: allowed.join(', '), 'Content-Type': 'text/plain', 'Content-Length': 22 });
    out.write('405 method not allowed');
    out.end();
  }

  async #controlRequest(req: IncomingMessage, out: Outlet): Promise<void> {
    if (req.method === 'POST') this.control(JSON.parse((await readBytes(req)).toString('utf8')) as Control);
    out.json(200, this.state());
  }
}

function faultsOf(models: readonly ModelSeed[]): Fault[] {
  return models.flatMap(seed => (seed.fault === undefined ? [] : [{ ...seed.fault, model: seed.name }]));
}

function refuse(out: Outlet, dialect: FakeDialect, refusal: Refusal): void {
  const { status, message, by } = refusal;
  if (message === '') {
    out.empty(status);
    return;
  }
  const type =
    by === 'layer' || dialect === 'ollama' ? 'application/json; charset=utf-8' : 'application/json';
  out.full(status, goJson(errorOf(dialect, status, message)), type);
}

function errorOf(dialect: FakeDialect, status: number, message: string): unknown {
  if (dialect === 'openai') return openAiError(status, message);
  return dialect === 'anthropic' ? anthropicError(status, message) : { error: message };
}

const informationalCount = 200;

/** Faults that replace the answer; true = nothing more is to be done. */
function commit(fault: Fault, out: Outlet): boolean {
  const { res } = out;
  switch (fault.kind) {
    case 'die_at_once':
      res.socket?.resetAndDestroy();
      return true;
    case 'freeze':
      return true;
    case 'html':
      out.full(fault.status ?? 200, '<!doctype html><title>It works</title><p>nginx</p>', 'text/html');
      return true;
    case 'redirect':
      out.head(307, { Location: fault.location ?? 'http://127.0.0.1:1/', 'Content-Length': 0 });
      out.end();
      return true;
    case 'huge_json':
      void hugeJson(res, fault.bytes ?? 1024 ** 3);
      return true;
    case 'informational':
      for (let count = 0; count < informationalCount; count++) res.writeProcessing();
      return false;
    case 'status':
    case 'gzip':
    case 'die_before_first_byte':
    case 'die_after':
    case 'stall_after':
    case 'short_body':
    case 'long_body':
    case 'cut_after':
    case 'error_after_tokens':
    case 'huge_headers':
      return false;
    default:
      return fault.kind satisfies never;
  }
}

/** A JSON text of that size, written as fast as it is read and never held. */
async function hugeJson(res: ServerResponse, bytes: number): Promise<void> {
  res.writeHead(200, { 'Content-Type': 'application/json' });
  res.write('{"response":"');
  const block = Buffer.alloc(64 * 1024, 'x');
  for (let sent = 0; sent < bytes && !res.destroyed; sent += block.length) {
    if (!res.write(block)) {
      await new Promise<void>(resolve => {
        res.once('drain', resolve);
        res.once('close', resolve);
      });
    }
  }
  if (!res.destroyed) res.end('"}');
}
