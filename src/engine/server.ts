// The engine's HTTP server: finds the route, makes the exchange, answers what goes wrong. Never lets an error end the process.
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { findRoute, hostAllowed, originAllowed } from './core/router.ts';
import { nativeError } from './core/native-answer.ts';
import type { EngineContext } from './context.ts';
import { send, sendEmpty, sendFailure } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import { compatibleRoutes } from './routes/compatible.ts';
import { modelRoutes } from './routes/models.ts';
import { nativeRoutes } from './routes/native.ts';
import type { Route } from './routes/route.ts';

const ROUTES: readonly Route[] = [...nativeRoutes, ...compatibleRoutes, ...modelRoutes];

export interface Listening {
  readonly url: string;
  close(): Promise<void>;
}

const headersMsMax = 30_000;
const idleMsMax = 75_000;

export async function listen(context: EngineContext, at: { host: string; port: number }): Promise<Listening> {
  const server = createServer({
    keepAliveTimeout: idleMsMax,
    headersTimeout: headersMsMax,
    requestTimeout: 0,
    noDelay: true,
  });
  server.on('request', (request, response) => void serve(context, request, response));
  await bound(server, at);
  const { address, port, family } = server.address() as AddressInfo;
  const host = family === 'IPv6' ? `[${address}]` : address;
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function bound(server: Server, at: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function serve(
  context: EngineContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const exchange = newExchange(request, response);
  response.on('error', () => {});
  if (!admit(exchange)) return;
  const found = findRoute(ROUTES, request.method ?? 'GET', exchange.path);
  if (found.kind !== 'route') {
    refuse(exchange, found);
    return;
  }
  const routed: Exchange = { ...exchange, parameter: found.parameter, errorShape: found.route.errorShape };
  try {
    await found.route.serve(context, routed);
  } catch (error) {
    sendFailure(routed, error);
  }
}

function newExchange(request: IncomingMessage, response: ServerResponse): Exchange {
  const left = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) left.abort();
  });
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  return { request, response, path, parameter: '', signal: left.signal, errorShape: nativeError };
}

/** Host and Origin, as Ollama checks them; a preflight is answered here. */
function admit(exchange: Exchange): boolean {
  const { request, response } = exchange;
  const { origin, host } = request.headers;
  if (!hostAllowed(host) || !originAllowed(origin)) {
    sendEmpty(exchange, 403);
    return false;
  }
  if (origin === undefined) return true;
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('vary', 'Origin');
  if (request.method !== 'OPTIONS') return true;
  response.setHeader('access-control-allow-methods', 'GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS');
  response.setHeader('access-control-allow-headers', request.headers['access-control-request-headers'] ?? '');
  response.setHeader('access-control-max-age', '43200');
  response.writeHead(204).end();
  return false;
}

function refuse(
  exchange: Exchange,
  found: { kind: 'unknown' } | { kind: 'wrong_method'; allow: string },
): void {
  exchange.request.resume();
  if (found.kind === 'unknown') {
    send(exchange, { status: 404, type: 'text/plain', text: '404 page not found' });
    return;
  }
  const headers = { allow: found.allow };
  send(exchange, { status: 405, type: 'text/plain', text: '405 method not allowed', headers });
}
