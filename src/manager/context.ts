// What every part of a running manager is given. Never global state.
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { BigoError } from '../api/errors.ts';
import type { GatewayLink } from './gateway-link.ts';
import type { Live } from './live.ts';
import type { Pulls } from './pulls.ts';
import type { ManagerStore } from './types.ts';

export interface ManagerContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly store: ManagerStore;
  readonly pulls: Pulls;
  readonly live: Live;
  /** In a cluster they come and go. */
  links: readonly GatewayLink[];
}

/** By name, else the first. */
export function linkOf(context: ManagerContext, name: string | undefined): GatewayLink {
  const { links } = context;
  const found = name === undefined ? links[0] : links.find(link => link.name === name);
  if (found !== undefined) return found;
  if (name === undefined) throw new BigoError('gateway_away', 'No gateway is known yet.');
  throw new BigoError('bad_request', `There is no gateway ${name}.`);
}
