// Who calls: the gateway's own answer about the key that was presented, kept for a few seconds. Never keeps a key, only its hash.
import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { BigoError } from '../api/errors.ts';
import type { RouteRole } from './core/routes.ts';
import type { GatewayLink } from './gateway-link.ts';
import type { Caller, Credentials } from './types.ts';

const keptMsMax = 3_000;
const keptMax = 1_000;

type Kept = { readonly caller: Omit<Caller, 'credentials'>; readonly atMs: number };

export class Identities {
  private readonly now: () => number;
  private readonly kept = new Map<string, Kept>();

  constructor(now: () => number) {
    this.now = now;
  }

  async callerOf(link: GatewayLink, headers: IncomingHttpHeaders): Promise<Caller> {
    const credentials = credentialsOf(headers);
    const id = hash('sha256', `${link.name}\0${JSON.stringify(credentials)}`);
    const known = this.kept.get(id);
    if (known !== undefined && this.now() - known.atMs < keptMsMax) return { ...known.caller, credentials };
    const said = await link.whoAmI(credentials);
    const caller = said ?? { tenant: '', role: 'none' as const, keys: true };
    if (this.kept.size >= keptMax) this.kept.clear();
    this.kept.set(id, { caller, atMs: this.now() });
    return { ...caller, credentials };
  }
}

export function mayUse(caller: Caller, role: RouteRole): BigoError | undefined {
  if (role === 'open') return undefined;
  if (caller.role === 'none') return new BigoError('unauthorized', 'This needs a key of the gateway.');
  if (role === 'admin' && caller.role !== 'admin') {
    return new BigoError('forbidden_route', 'This needs a key with the admin role.');
  }
  return undefined;
}

const valueCharsMax = 1_024;

function credentialsOf(headers: IncomingHttpHeaders): Credentials {
  const { authorization, 'x-api-key': key } = headers;
  return {
    ...(authorization !== undefined && authorization.length <= valueCharsMax && { authorization }),
    ...(typeof key === 'string' && key.length <= valueCharsMax && { 'x-api-key': key }),
  };
}
