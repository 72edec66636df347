// What the gateway answers by itself: `/`, /api/version, /api/status, /bigo/v1/whoami. Never asks a backend.
import type { BackendView } from '../api/fleet.ts';
import { versionNumber } from './core/scheduler/usable.ts';
import type { GatewayContext } from './context.ts';
import type { HttpExchange } from './http-exchange.ts';

/** Clients look for these words (ollama server/routes.go). */
const rootText = 'Ollama is running';
/** Said while no backend has told its version: enough for every route to be tried. */
const versionUnknown = '0.0.0';

export function handleLocal(context: GatewayContext, exchange: HttpExchange): void {
  const json = { 'content-type': 'application/json; charset=utf-8' };
  switch (exchange.route.id) {
    case 'version': {
      const version = lowestVersion(context.fleet.snapshot().backends) ?? versionUnknown;
      exchange.send(200, { ...json, 'x-bigo-instance': context.instanceId }, JSON.stringify({ version }));
      return;
    }
    case 'status':
      exchange.send(200, json, JSON.stringify({ cloud: { disabled: false, source: 'none' } }));
      return;
    case 'whoami':
      exchange.send(200, json, JSON.stringify(whoAmI(context, exchange)));
      return;
    default:
      answerRoot(context, exchange);
  }
}

/** A browser goes to the page, where there is one. */
function answerRoot(context: GatewayContext, exchange: HttpExchange): void {
  const isBrowser = (exchange.req.headers.accept ?? '').includes('text/html');
  if (isBrowser && context.hasPage) exchange.send(302, { location: '/ui/', vary: 'accept' });
  else exchange.send(200, { 'content-type': 'text/plain; charset=utf-8', vary: 'accept' }, rootText);
}

/** What the presented key may do, for the manager and its page. */
function whoAmI({ keys }: GatewayContext, { identity }: HttpExchange): object {
  const { tenant, role, models } = identity;
  return { tenant, role, keys: keys.on, ...(models !== undefined && { models: [...models] }) };
}

/** A client that asks must not use what one of the backends lacks. */
function lowestVersion(backends: readonly BackendView[]): string | undefined {
  let lowest: string | undefined;
  for (const { state, version } of backends) {
    if (state !== 'up' || version === undefined) continue;
    if (lowest === undefined || versionNumber(version) < versionNumber(lowest)) lowest = version;
  }
  return lowest;
}
