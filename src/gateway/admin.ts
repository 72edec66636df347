// The admin port: health, metrics, the fleet as JSON or as events, usage, drain, last requests. Never serves inference.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BigoError } from '../api/errors.ts';
import type { HostPort } from '../api/settings.ts';
import { HttpServer } from '../platform/http-server.ts';
import { drainRoute } from './admin-drain.ts';
import { FleetEvents } from './admin-events.ts';
import { mayAdminister } from './admin-auth.ts';
import type { GatewayContext } from './context.ts';
import { errorBody } from './core/stream/errors.ts';
import { fleetView } from './fleet-view.ts';
import { settingsView } from './settings-view.ts';
import type { RequestIds } from './ids.ts';
import { pageRecordsMax } from './journal.ts';

export interface AdminAnswer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface AdminParts {
  readonly ids: RequestIds;
  /** Open client connections on the main port. */
  readonly connections: () => number;
}

const connectionsMax = 256;
const requestsShownMax = 1_000;
const DRAIN = /^\/bigo\/v1\/backends\/([^/]{1,200})\/drain$/;

export class AdminServer {
  private readonly context: GatewayContext;
  private readonly parts: AdminParts;
  private readonly server: HttpServer;
  private readonly events: FleetEvents;

  constructor(context: GatewayContext, parts: AdminParts) {
    this.context = context;
    this.parts = parts;
    this.events = new FleetEvents(context);
    this.server = new HttpServer({
      receiveMsMax: context.settings.time.receiveMsMax,
      connectionsMax,
      nextRequestId: () => parts.ids.next(),
      onRequest: (req, res) => void this.handle(req, res),
    });
    this.setGauges();
  }

  listen(at: HostPort): Promise<string> {
    return this.server.listen(at);
  }

  /** Something that /bigo/v1/fleet shows has changed. */
  changed(): void {
    this.events.changed();
  }

  async close(): Promise<void> {
    this.events.close();
    await this.server.close();
  }

  private async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const requestId = this.parts.ids.next();
    req.resume();
    res.setHeader('x-bigo-request-id', requestId);
    try {
      const url = new URL(req.url ?? '/', 'http://admin');
      const answer = this.refusal(req, url.pathname) ?? (await this.route(req, res, url));
      if (answer === undefined) return;
      const { status, body, type = 'application/json; charset=utf-8', headers = {} } = answer;
      const length = Buffer.byteLength(body);
      res.writeHead(status, {
        'content-type': type,
        'content-length': length,
        'cache-control': 'no-store',
        ...headers,
      });
      res.end(req.method === 'HEAD' ? undefined : body);
    } catch (error) {
      const known =
        error instanceof BigoError ? error : new BigoError('internal', 'The gateway failed on this request.');
      if (known !== error) this.context.log.error({ id: requestId, err: error }, 'internal error');
      if (res.headersSent) res.destroy();
      else this.sendError(req, res, known);
    }
  }

  private sendError(req: IncomingMessage, res: ServerResponse, error: BigoError): void {
    const requestId = String(res.getHeader('x-bigo-request-id'));
    const { status, headers, body } = errorBody('bigo', error, requestId);
    if (error.code === 'wrong_method') {
      const isDrain = DRAIN.test((req.url ?? '').split('?')[0] ?? '');
      res.setHeader('allow', isDrain ? 'GET, HEAD, POST, DELETE' : 'GET, HEAD');
    }
    res.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
    res.end(body);
  }

  /** Probes need no key: a kubelet has none. */
  private refusal(req: IncomingMessage, path: string): undefined {
    if (path === '/livez' || path === '/readyz') return undefined;
    const error = mayAdminister(this.context, req);
    if (error !== undefined) throw error;
    return undefined;
  }

  private async route(req: IncomingMessage, res: ServerResponse, url: URL): Promise<AdminAnswer | undefined> {
    const drain = DRAIN.exec(url.pathname);
    if (drain !== null) return drainRoute(this.context, req.method ?? '', decodeURIComponent(drain[1] ?? ''));
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      throw new BigoError('wrong_method', `${url.pathname} takes GET.`);
    }
    switch (url.pathname) {
      case '/livez':
        return text(200, 'ok\n');
      case '/readyz':
        return this.ready(url);
      case '/metrics':
        return this.metrics();
      case '/bigo/v1/fleet':
        return this.fleet(req, res);
      case '/bigo/v1/usage':
        return this.usage(url);
      case '/bigo/v1/settings':
        return json(settingsView(this.context));
      case '/bigo/v1/requests':
        return json({ requests: this.context.recent.list(limitOf(url, requestsShownMax)) });
      default:
        throw new BigoError(
          'unknown_path',
          `There is no path ${url.pathname.slice(0, 100)} on the admin port.`,
        );
    }
  }

  private ready(url: URL): AdminAnswer {
    const { context } = this;
    const missing = context.draining
      ? 'draining'
      : !context.fleet.ready()
        ? 'not every backend was asked yet'
        : url.searchParams.get('require') === 'backend' && !this.hasBackend()
          ? 'no backend answers'
          : undefined;
    return missing === undefined ? text(200, 'ready\n') : text(503, `not ready: ${missing}\n`);
  }

  private hasBackend(): boolean {
    return this.context.fleet
      .snapshot()
      .backends.some(backend => backend.state === 'up' && !backend.draining);
  }

  private async metrics(): Promise<AdminAnswer> {
    const { exporter } = this.context.metrics;
    return { status: 200, body: await exporter.text(), type: exporter.contentType };
  }

  private fleet(req: IncomingMessage, res: ServerResponse): AdminAnswer | undefined {
    if (!(req.headers.accept ?? '').includes('text/event-stream')) return json(fleetView(this.context));
    this.events.subscribe(res);
    return undefined;
  }

  private async usage(url: URL): Promise<AdminAnswer> {
    const after = url.searchParams.get('after') ?? undefined;
    if (after !== undefined && !/^[0-9A-Za-z-]{1,64}:\d{1,15}$/.test(after)) {
      throw new BigoError('bad_request', 'after must be EPOCH:SEQ, as `next` of an earlier answer says.');
    }
    return json(await this.context.journal.read(after, limitOf(url, pageRecordsMax)));
  }

  private setGauges(): void {
    const { context } = this;
    const { families } = context.metrics;
    families.bigo_connections.collect = () => {
      families.bigo_connections.with().value = this.parts.connections();
    };
    families.bigo_queue_length.collect = () => {
      families.bigo_queue_length.with().value = context.loop.view().queue.length;
    };
    families.bigo_fleet_demand.collect = () => {
      const { queue, backends } = context.loop.view();
      const running = backends.reduce((sum, { inFlight }) => sum + inFlight, 0);
      // Also when it is 0: no value would look like no gateway.
      families.bigo_fleet_demand.reset();
      families.bigo_fleet_demand.with(context.settings.kubernetes?.fleet ?? '').value =
        queue.length + running;
    };
    families.bigo_queue_bytes.collect = () => {
      families.bigo_queue_bytes.with().value = context.bodyBytesHeld;
    };
    families.bigo_backend_up.collect = () => {
      for (const name of [families.bigo_backend_up, families.bigo_backend_draining, families.bigo_in_flight])
        name.reset();
      for (const backend of context.loop.view().backends) {
        families.bigo_in_flight.with(backend.name).value = backend.inFlight;
      }
      for (const backend of context.fleet.snapshot().backends) {
        // It serves no request, so it must not hide that nobody does.
        if (backend.spec.access === 'write') continue;
        families.bigo_backend_up.with(backend.spec.name).value = backend.state === 'up' ? 1 : 0;
        families.bigo_backend_draining.with(backend.spec.name).value = backend.draining ? 1 : 0;
      }
    };
  }
}

function limitOf(url: URL, most: number): number {
  const text = url.searchParams.get('limit');
  if (text === null) return most;
  if (!/^\d{1,6}$/.test(text) || Number(text) < 1)
    throw new BigoError('bad_request', 'limit must be a positive number.');
  return Math.min(most, Number(text));
}

function json(value: object): AdminAnswer {
  return { status: 200, body: JSON.stringify(value) };
}

function text(status: number, body: string): AdminAnswer {
  return { status, body, type: 'text/plain; charset=utf-8' };
}
