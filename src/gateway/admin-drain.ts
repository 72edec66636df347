// Drain of one backend: POST begins, DELETE ends, GET tells. All three answer {state,inFlight,queued}. Never cuts a stream.
import { BigoError } from '../api/errors.ts';
import type { AdminAnswer } from './admin.ts';
import type { GatewayContext } from './context.ts';

/** serving · draining = streams still run there · drained = nothing runs there any more */
type DrainState = 'serving' | 'draining' | 'drained';

export function drainRoute(context: GatewayContext, method: string, name: string): AdminAnswer {
  const known = context.fleet.snapshot().backends.some(backend => backend.spec.name === name);
  if (!known) throw new BigoError('unknown_path', `There is no backend ${name.slice(0, 100)}.`);
  if (method === 'POST' || method === 'DELETE') {
    context.fleet.setDraining(name, method === 'POST');
    context.log.info({ backend: name, draining: method === 'POST' }, 'drain');
  } else if (method !== 'GET' && method !== 'HEAD') {
    throw new BigoError('wrong_method', 'A drain takes POST, DELETE or GET.');
  }
  return { status: 200, body: JSON.stringify(drainView(context, name)) };
}

function drainView(
  context: GatewayContext,
  name: string,
): { state: DrainState; inFlight: number; queued: number } {
  const ledger = context.loop.view().backends.find(backend => backend.name === name);
  const view = context.fleet.snapshot().backends.find(backend => backend.spec.name === name);
  const inFlight = ledger?.inFlight ?? 0;
  const state = view?.draining !== true ? 'serving' : inFlight > 0 ? 'draining' : 'drained';
  return { state, inFlight, queued: ledger?.queued ?? 0 };
}
