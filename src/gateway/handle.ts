// Every request's first steps on the main port: Host, Origin, path, key; then the handler of its kind.
// Never reads a body, never lets an error out as a stack.
import os from 'node:os';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BigoError } from '../api/errors.ts';
import { HOP_HEADER } from '../api/fleet.ts';
import type { GatewayContext } from './context.ts';
import { checkHost, checkOrigin } from './core/request/headers.ts';
import { RouteError, dialectOfPath, matchRoute } from './core/request/routes.ts';
import type { Dialect } from './core/request/types.ts';
import { answerPreflight, corsHeaders } from './cors.ts';
import { HttpExchange } from './http-exchange.ts';
import type { Incoming } from './http-exchange.ts';
import { handleInference } from './inference.ts';
import { handleList } from './lists.ts';
import { handleLocal } from './local.ts';
import type { RequestIds } from './ids.ts';
import { refuse } from './refusal.ts';

/** Routes that change models are done by src/gateway/models. */
export interface ModelRoutes {
  handleModelChange(exchange: HttpExchange, context: GatewayContext): Promise<void>;
  handleBlob(exchange: HttpExchange, context: GatewayContext): Promise<void>;
}

/** What another part serves on this port, its page for one. True = the path is its own and it answers. */
export type Mount = (req: IncomingMessage, res: ServerResponse) => boolean;

const machineName = os.hostname();

export class Handler {
  private readonly context: GatewayContext;
  private readonly ids: RequestIds;
  private readonly models: ModelRoutes;
  /** The last host that was allowed, by these settings. */
  private lastHost: string | undefined;
  private lastHosts: readonly string[] | undefined;

  constructor(context: GatewayContext, ids: RequestIds, models: ModelRoutes) {
    this.context = context;
    this.ids = ids;
    this.models = models;
  }

  handle(incoming: Incoming): void {
    const exchange = new HttpExchange(this.context, incoming, this.ids.next());
    const url = exchange.req.url ?? '';
    try {
      const refusal = this.admit(exchange, url);
      if (refusal !== undefined) this.refuse(exchange, dialectOfPath(url), refusal);
    } catch (error) {
      this.crashed(exchange, dialectOfPath(url), error);
    }
  }

  /** 1. Host and Origin; what is mounted sees to the rest itself. 2. Preflight. 3. A loop through ourselves. 4. Path and method. 5. Key and role. 6. The handler. */
  private admit(exchange: HttpExchange, url: string): BigoError | undefined {
    const { settings, keys, instanceId } = this.context;
    const { req } = exchange;
    const { host, origin } = req.headers;
    const foreign = this.checkHost(host) ?? checkOrigin(origin, settings.origins, host);
    if (foreign !== undefined) return foreign;
    // What takes the lane is the gateway's own.
    const mounted = exchange.wholeBody === undefined ? this.context.mount : undefined;
    if (mounted?.(exchange.stream, exchange.response) === true) return undefined;
    if (origin !== undefined) exchange.extraHeaders = corsHeaders(origin);
    if (req.method === 'OPTIONS' && origin !== undefined) {
      answerPreflight(exchange);
      return undefined;
    }
    if (req.headers[HOP_HEADER] === instanceId) {
      return new BigoError('loop_detected', 'This gateway is one of its own backends.');
    }
    const match = matchRoute(req.method ?? '', url);
    if (match instanceof RouteError) return match;
    exchange.route = match.route;
    exchange.params = match.params;
    const identity = keys.identify(req.headers);
    if (identity instanceof BigoError) return isOpen(match.route.id) ? this.dispatch(exchange) : identity;
    exchange.identity = identity;
    if (match.route.admin && identity.role !== 'admin') {
      return new BigoError('forbidden_route', 'Changing models needs a key with the admin role.');
    }
    return this.dispatch(exchange);
  }

  /** Nearly all requests name the host that the last one named. */
  private checkHost(host: string | undefined): BigoError | undefined {
    const { hosts } = this.context.settings;
    if (host === this.lastHost && hosts === this.lastHosts) return undefined;
    const foreign = checkHost(host, hosts, machineName);
    if (foreign !== undefined) return foreign;
    this.lastHost = host;
    this.lastHosts = hosts;
    return undefined;
  }

  private dispatch(exchange: HttpExchange): undefined {
    const { context, models } = this;
    const { route } = exchange;
    switch (route.kind) {
      case 'inference':
      case 'holder':
        handleInference(context, exchange);
        return;
      case 'list':
        handleList(context, exchange);
        context.metrics.countOther(route, exchange.res.statusCode);
        return;
      case 'local':
        handleLocal(context, exchange);
        context.metrics.countOther(route, exchange.res.statusCode);
        return;
      case 'change':
        this.guard(exchange, models.handleModelChange(exchange, context));
        return;
      case 'blob':
        exchange.continueIfAsked();
        this.guard(exchange, models.handleBlob(exchange, context));
        return;
      default:
        route.kind satisfies never;
    }
  }

  private guard(exchange: HttpExchange, work: Promise<void>): void {
    work.catch((error: unknown) => this.crashed(exchange, exchange.route.dialect, error));
  }

  private refuse(exchange: HttpExchange, dialect: Dialect, error: BigoError): void {
    const allowed = error instanceof RouteError && error.allow.length > 0;
    const headers: Record<string, string> = allowed ? { allow: error.allow.join(', ') } : {};
    refuse(this.context, exchange, { dialect, error, headers });
  }

  private crashed(exchange: HttpExchange, dialect: Dialect, error: unknown): void {
    const known = error instanceof BigoError ? error : undefined;
    if (known === undefined) this.context.log.error({ id: exchange.requestId, err: error }, 'internal error');
    if (exchange.started) exchange.res.destroy();
    else
      this.refuse(
        exchange,
        dialect,
        known ?? new BigoError('internal', 'The gateway failed on this request.'),
      );
  }
}

/** What a load balancer or a browser asks before it has a key. */
function isOpen(routeId: string): boolean {
  return routeId === 'root' || routeId === 'version';
}
