// What every part of a running manager is given, and which gateway a call goes to. Never global state.
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { BigoError } from '../api/errors.ts';
import type { Catalogue } from './catalogue.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { FleetSights } from './fleet-sights.ts';
import type { GatewayLink } from './gateway-link.ts';
import type { Live } from './live.ts';
import type { Pulls } from './pulls.ts';
import type { ManagerStore } from './types.ts';
import type { UsageSync } from './usage-sync.ts';

export interface ManagerContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly store: ManagerStore;
  readonly pulls: Pulls;
  readonly live: Live;
  readonly sync: UsageSync;
  readonly sights: FleetSights;
  readonly catalogue: Catalogue;
  /** Absent outside a cluster. */
  readonly cluster: Cluster | undefined;
  /** In a cluster they come and go. */
  links: readonly GatewayLink[];
}

/** Gateways by fleet, those that answer first: any of one fleet tells the same of its backends. */
export function linkGroups(context: Pick<ManagerContext, 'links' | 'sync'>): GatewayLink[][] {
  const groups = new Map<string, GatewayLink[]>();
  for (const link of context.links) groups.set(link.fleetName, [...(groups.get(link.fleetName) ?? []), link]);
  const away = (link: GatewayLink): number => Number(context.sync.isAway(link.name));
  return [...groups.values()].map(links => links.toSorted((a, b) => away(a) - away(b)));
}

/** By its name or that of its fleet, else the first. */
export function linkOf(context: ManagerContext, name: string | undefined): GatewayLink {
  const links = linkGroups(context).flat();
  const found =
    name === undefined ? links[0] : links.find(link => link.name === name || link.fleetName === name);
  if (found !== undefined) return found;
  if (name === undefined) throw new BigoError('gateway_away', 'No gateway is known yet.');
  throw new BigoError('bad_request', `There is no gateway ${name}.`);
}

/** One gateway of each fleet that has the model; of the first fleet when none is known to have it. */
export async function linksWith(
  context: ManagerContext,
  wish: { readonly model: string; readonly gateway?: string | undefined },
): Promise<GatewayLink[]> {
  const groups = linkGroups(context);
  if (wish.gateway !== undefined || groups.length < 2) return [linkOf(context, wish.gateway)];
  const holders = await context.sights.holders(wish.model);
  const found = groups.flatMap(([link]) => (link !== undefined && holders.has(link.fleetName) ? [link] : []));
  return found.length > 0 ? found : [linkOf(context, undefined)];
}
