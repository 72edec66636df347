// The Model Manager: its API and its page, mounted on a gateway's port or served on a port of its own.
// Never carries a client's inference bytes except those of its own page, never changes a model without the gateway.
import type { IncomingMessage, ServerResponse } from 'node:http';
import os from 'node:os';
import { BigoError } from '../api/errors.ts';
import { checkHost } from '../api/origin.ts';
import type { HostPort } from '../api/settings.ts';
import type { Clock } from '../platform/clock.ts';
import { createHttpClient, type HttpClient } from '../platform/http.ts';
import { HttpServer } from '../platform/http-server.ts';
import type { Log } from '../platform/log.ts';
import { checked, parseBody, readBody, Refusal, sendError, sendJson, type Handler } from './call.ts';
import type { Cluster } from './cluster/cluster.ts';
import { linkGroups, type ManagerContext } from './context.ts';
import { matchApi, type ApiRoute, type RouteId } from './core/routes.ts';
import { FleetSights } from './fleet-sights.ts';
import { Catalogue } from './catalogue.ts';
import { GatewayLink } from './gateway-link.ts';
import { deploymentHandlers } from './handlers/deployments.ts';
import { modelHandlers } from './handlers/models.ts';
import { systemHandlers } from './handlers/system.ts';
import { usageHandlers } from './handlers/usage.ts';
import { Identities, mayUse } from './identity.ts';
import { Live } from './live.ts';
import { Pulls } from './pulls.ts';
import { StaticFiles } from './static-files.ts';
import type { Caller, GatewayAddress, ManagerStore } from './types.ts';
import { UsageSync } from './usage-sync.ts';

export { libraryRegistry } from './catalogue.ts';
export { Cluster } from './cluster/cluster.ts';
export { ClusterStore } from './cluster/cluster-store.ts';
export { openStore } from './store.ts';

export interface ManagerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: ManagerStore;
  readonly version: string;
  /** URL of the registry in which the curated models are looked up; undefined = nobody is asked. */
  readonly registry?: string | undefined;
  /** Folder of the built page. */
  readonly uiDir: string;
  /** Finds the gateways; absent = they are named. */
  readonly cluster?: Cluster;
  /** Admits an admin, also where no gateway is there to ask. */
  readonly token?: string;
}

const connectMsMax = 3_000;
const connectionsMax = 1_000;
const receiveMsMax = 30_000;
const UI = '/ui/';
/** Each look that finds something writes an object that the API server keeps. */
const clusterUsageMs = 5_000;
const API = '/manager/api';
const OWN_API = '/api';
const machineName = os.hostname();

export class Manager {
  private readonly options: ManagerOptions;
  private readonly context: ManagerContext;
  private readonly http: HttpClient = createHttpClient({ connectMsMax });
  private readonly files: StaticFiles;
  private readonly identities: Identities;
  private readonly handlers: Partial<Record<RouteId, Handler>>;
  private server: HttpServer | undefined;

  constructor(options: ManagerOptions) {
    const { clock, log, store, version } = options;
    this.options = options;
    const { cluster } = options;
    const pulls = new Pulls({ store, clock, log, owner: machineName });
    const sync = new UsageSync({ store, log, ...(cluster && { lookMs: clusterUsageMs }) });
    const sights = new FleetSights(this.http, () => this.context);
    const live = new Live(pulls);
    const catalogue = new Catalogue(this.http, clock, options.registry);
    this.context = { clock, log, store, version, cluster, pulls, sync, sights, live, catalogue, links: [] };
    this.files = new StaticFiles(options.uiDir);
    this.identities = new Identities(() => clock.nowMs(), options.token);
    this.handlers = {
      ...modelHandlers(this.context),
      ...deploymentHandlers(this.context),
      ...usageHandlers(this.context),
      ...systemHandlers(this.context),
    };
  }

  /** Called once, when the gateways answer. */
  async start(gateways: readonly GatewayAddress[]): Promise<void> {
    const { pulls, cluster } = this.context;
    await pulls.recover().catch((error: Error) => {
      this.options.log.warn({ error: error.message }, 'pulls of before cannot be read');
    });
    this.use(gateways);
    if (cluster === undefined) return;
    cluster.onGateways = found => this.use([...gateways, ...found]);
    await cluster.start();
  }

  /** Those that stay keep their connections and their place in the journal. */
  private use(gateways: readonly GatewayAddress[]): void {
    const { context } = this;
    const before = new Map(context.links.map(link => [JSON.stringify(link.address), link]));
    const links = gateways.map(address => {
      const known = before.get(JSON.stringify(address));
      return known ?? new GatewayLink(address, this.http);
    });
    for (const link of context.links) if (!links.includes(link)) context.sync.unfollow(link.name);
    for (const link of links) if (!context.links.includes(link)) context.sync.follow(link);
    context.links = links;
    context.live.use(links);
  }

  /** On a gateway's port, which has checked Host and Origin. False = the path is not ours. */
  mount(req: IncomingMessage, res: ServerResponse): boolean {
    const path = pathOf(req);
    if (path === '/ui') return redirect(res, UI);
    if (path.startsWith(UI)) return this.page(req, res, path.slice(UI.length));
    if (!path.startsWith(`${API}/`)) return false;
    void this.api(req, res, API);
    return true;
  }

  /** On a port of its own: the page at `/`, the API at `/api`. */
  async listen(at: HostPort): Promise<string> {
    let count = 0;
    this.server = new HttpServer({
      receiveMsMax,
      connectionsMax,
      nextRequestId: () => `m${++count}`,
      onRequest: (req, res, expectsContinue) => {
        if (expectsContinue) res.writeContinue();
        this.own(req, res, at.host);
      },
    });
    return this.server.listen(at);
  }

  /** Open pages hear that it ends, so that nothing waits for them. */
  endPages(): void {
    this.context.live.close();
  }

  async close(): Promise<void> {
    this.endPages();
    await this.context.pulls.close();
    await this.context.sync.close();
    await this.context.cluster?.close();
    await this.server?.close();
    await this.http.close();
    this.options.store.close();
  }

  private own(req: IncomingMessage, res: ServerResponse, host: string): void {
    const path = pathOf(req);
    // On loopback a foreign page could name this machine; elsewhere names are the cluster's and people's own.
    const foreign = checkHost(req.headers.host, isLoopback(host) ? [] : ['*'], machineName);
    if (foreign !== undefined) return sendError(res, foreign);
    if (path === '/livez') return sendJson(res, 200, { ok: true });
    if (path === '/readyz') return this.ready(res);
    if (path.startsWith(`${OWN_API}/`)) return void this.api(req, res, OWN_API);
    this.page(req, res, path.slice(1));
  }

  /** Ready to serve; it depends neither on a gateway nor on the API server, whose absence the page must be able to show. */
  private ready(res: ServerResponse): void {
    const isReady = this.context.links.length > 0 || this.context.cluster !== undefined;
    sendJson(res, isReady ? 200 : 503, { ready: isReady });
  }

  private page(req: IncomingMessage, res: ServerResponse, name: string): true {
    req.resume();
    if (req.method === 'GET' || req.method === 'HEAD') this.files.serve(req, res, name);
    else sendError(res, new BigoError('wrong_method', 'The page takes GET.'));
    return true;
  }

  private async api(req: IncomingMessage, res: ServerResponse, prefix: string): Promise<void> {
    try {
      await this.answer(req, res, prefix);
    } catch (error) {
      const known =
        error instanceof BigoError ? error : new BigoError('internal', 'The manager failed on this request.');
      if (known !== error && !res.destroyed) this.options.log.error({ err: error }, 'internal error');
      req.resume();
      if (res.headersSent) res.destroy();
      else sendError(res, known, error instanceof Refusal ? error.fields : {});
    }
  }

  /** 1. Origin. 2. Route. 3. Key and role. 4. Body. 5. The handler. */
  private async answer(req: IncomingMessage, res: ServerResponse, prefix: string): Promise<void> {
    refuseForeign(req);
    const route = this.routeOf(req, res, prefix);
    const caller = await this.callerOf(req, route.route);
    const refusal = mayUse(caller, route.route.role);
    if (refusal !== undefined) throw refusal;
    const url = new URL(req.url ?? '/', 'http://manager');
    const query = checkedQuery(route.route, url.searchParams);
    const rawBody = await readBody(req, route.route);
    const body = parseBody(rawBody, route.route, req.headers['content-type'] ?? '');
    const gone = new AbortController();
    res.on('close', () => gone.abort(new Error('the client is gone')));
    const handler = this.handlers[route.route.id];
    if (handler === undefined) throw new Error(`no handler for ${route.route.id}`);
    const call = { req, res, ...route, query, body, rawBody, caller, signal: gone.signal, prefix };
    const answer = await handler(call);
    if (answer !== undefined) sendJson(res, route.route.status, answer);
  }

  private routeOf(
    req: IncomingMessage,
    res: ServerResponse,
    prefix: string,
  ): { route: ApiRoute; rest: string } {
    const path = pathOf(req).slice(prefix.length);
    const match = matchApi(req.method ?? '', path);
    if (match.route !== undefined) return match;
    if (match.allow.length === 0) {
      throw new BigoError('unknown_path', `There is no path ${path.slice(0, 100)} in the manager's API.`);
    }
    res.setHeader('allow', match.allow.join(', '));
    throw new BigoError('wrong_method', `This path takes ${match.allow.join(' or ')}.`);
  }

  private async callerOf(req: IncomingMessage, route: ApiRoute): Promise<Caller> {
    const nobody: Caller = { tenant: '', role: 'none', keys: false, credentials: {} };
    if (route.role === 'open' && route.id !== 'whoami') return nobody;
    return this.identities.callerOf(linkGroups(this.context), req.headers);
  }
}

/** CORS is closed: a page of another origin may neither read nor write, whatever the gateway allows for inference. */
function refuseForeign(req: IncomingMessage): void {
  const { origin, host } = req.headers;
  const site = req.headers['sec-fetch-site'];
  const same = origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
  if (same && site !== 'cross-site') return;
  throw new BigoError('forbidden_origin', 'Only the page of this manager may call it from a browser.');
}

function checkedQuery(route: ApiRoute, params: URLSearchParams): Record<string, unknown> {
  return route.query === undefined ? {} : checked(route.query, Object.fromEntries(params));
}

function redirect(res: ServerResponse, location: string): true {
  res.writeHead(308, { location }).end();
  return true;
}

function pathOf(req: IncomingMessage): string {
  return (req.url ?? '/').split('?')[0] ?? '/';
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
