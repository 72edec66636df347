// Who may use the admin port: on loopback without keys everybody there, else a token or a key with the admin role.
// Never tells which of the two was wrong.
import { timingSafeEqual } from 'node:crypto';
import os from 'node:os';
import type { IncomingMessage } from 'node:http';
import { BigoError } from '../api/errors.ts';
import type { GatewayContext } from './context.ts';
import { checkHost, checkOrigin } from './core/request/headers.ts';
import { hashKey, presentedKey } from './keys.ts';

const machineName = os.hostname();

export function mayAdminister(context: GatewayContext, req: IncomingMessage): BigoError | undefined {
  const { settings, keys } = context;
  const { host, origin } = req.headers;
  const foreign = checkHost(host, settings.hosts, machineName) ?? checkOrigin(origin, settings.origins, host);
  if (foreign !== undefined) return foreign;
  if (settings.adminToken === undefined && !keys.on) return undefined;
  const presented = presentedKey(req.headers);
  if (presented === undefined)
    return new BigoError('unauthorized', 'The admin port needs an admin key or token.');
  if (settings.adminToken !== undefined && sameSecret(presented, settings.adminToken)) return undefined;
  const identity = keys.on ? keys.identify(req.headers) : undefined;
  if (identity === undefined || identity instanceof BigoError) {
    return new BigoError('unauthorized', 'This is no admin key or token of this gateway.');
  }
  if (identity.role === 'admin') return undefined;
  return new BigoError('forbidden_route', 'The admin port needs a key with the admin role.');
}

/** Equal lengths by hashing, so that the comparison tells nothing. */
function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(hashKey(a)), Buffer.from(hashKey(b)));
}
