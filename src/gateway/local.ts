// What the gateway answers by itself: `/`, /api/version, /api/status. Never asks a backend.
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
    default:
      answerRoot(exchange);
  }
}

/** Browsers get the same text until there is a page to send them to. */
function answerRoot(exchange: HttpExchange): void {
  exchange.send(200, { 'content-type': 'text/plain; charset=utf-8' }, rootText);
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
