// Who calls: the gateway's own answer about the key that was presented, kept for a few seconds. Never keeps a key, only its hash.
import { hash, timingSafeEqual } from 'node:crypto';
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
  private readonly token: string | undefined;
  private readonly kept = new Map<string, Kept>();

  constructor(now: () => number, token?: string) {
    this.now = now;
    this.token = token;
  }

  /**
   * `groups`: the gateways by fleet. A caller is what the strictest fleet says: who is admin of one may not look into another.
   * A fleet of which no gateway answers is passed over while another answers.
   */
  async callerOf(groups: readonly (readonly GatewayLink[])[], headers: IncomingHttpHeaders): Promise<Caller> {
    const credentials = credentialsOf(headers);
    if (this.isToken(credentials)) return { tenant: 'manager', role: 'admin', keys: true, credentials };
    const fleets = groups.map(group => group[0]?.fleetName).join(' ');
    const id = hash('sha256', `${fleets}\0${JSON.stringify(credentials)}`);
    const known = this.kept.get(id);
    if (known !== undefined && this.now() - known.atMs < keptMsMax) return { ...known.caller, credentials };
    const caller = await ask(groups, credentials);
    if (this.kept.size >= keptMax) this.kept.clear();
    this.kept.set(id, { caller, atMs: this.now() });
    return { ...caller, credentials };
  }

  /** The manager's own, for a cluster that has no gateway yet. */
  private isToken({ authorization = '' }: Credentials): boolean {
    if (this.token === undefined) return false;
    const [given, own] = [authorization, `Bearer ${this.token}`].map(text => hash('sha256', text, 'buffer'));
    return given !== undefined && own !== undefined && timingSafeEqual(given, own);
  }
}

const nobody = { tenant: '', role: 'none' as const, keys: true };
const RANKS = { none: 0, user: 1, admin: 2 } as const;

async function ask(
  groups: readonly (readonly GatewayLink[])[],
  credentials: Credentials,
): Promise<Omit<Caller, 'credentials'>> {
  const answers = await Promise.allSettled(groups.map(group => askGroup(group, credentials)));
  const told = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []));
  const [failed] = answers.flatMap(answer => (answer.status === 'rejected' ? [answer.reason as Error] : []));
  const [first] = told;
  if (first === undefined) throw failed ?? new BigoError('gateway_away', 'No gateway is known yet.');
  return told.reduce((least, one) => (RANKS[one.role] < RANKS[least.role] ? one : least), first);
}

async function askGroup(
  [link, ...others]: readonly GatewayLink[],
  credentials: Credentials,
): Promise<Omit<Caller, 'credentials'>> {
  if (link === undefined) throw new BigoError('gateway_away', 'No gateway is known yet.');
  try {
    return (await link.whoAmI(credentials)) ?? nobody;
  } catch (error) {
    if (others.length === 0) throw error;
    return askGroup(others, credentials);
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
