// For tests: a gateway on loopback over given backends, with its fleet and its model routes. Never used by the product.
import type { BackendSpec } from '../../api/fleet.ts';
import {
  DEFAULT_BODY,
  DEFAULT_QUEUE,
  DEFAULT_TIME,
  type GatewaySettings,
  type TimeLimits,
} from '../../api/settings.ts';
import { createFleet } from '../../fleet/fleet.ts';
import type { Fleet, FleetDeps } from '../../fleet/types.ts';
import { systemClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { startGateway } from '../gateway.ts';
import { createModelRoutes, type ModelRoutesDeps } from './routes.ts';

export interface Rig {
  readonly url: string;
  readonly fleet: Fleet;
  stop(): Promise<void>;
}

export interface RigOptions extends Partial<Pick<ModelRoutesDeps, 'placement' | 'rememberedFile'>> {
  readonly backends: readonly { readonly name: string; readonly url: string; readonly store?: string }[];
  readonly time?: Partial<TimeLimits>;
  readonly timing?: FleetDeps['timing'];
}

const QUICK: FleetDeps['timing'] = { versionEveryMs: 100, versionRetryMs: 20, versionDownEveryMsMax: 100 };

export async function startRig(options: RigOptions): Promise<Rig> {
  const specs: BackendSpec[] = options.backends.map(({ name, url, store }) => ({
    name,
    url,
    store: store ?? name,
    class: 'default',
  }));
  const shared = { clock: systemClock, log: silentLog(), rng: Math.random, instanceId: 'rig' };
  const fleet = createFleet({ ...shared, specs, timing: { ...QUICK, ...options.timing } });
  fleet.start();
  const models = createModelRoutes({ ...shared, ...options, fleet });
  const gateway = await startGateway(settingsFor(specs, options.time), {
    ...shared,
    fleet,
    models,
    version: '0.0.0',
  });
  const stop = async (): Promise<void> => {
    await gateway.close();
    await models.stop();
    await fleet.stop();
  };
  for (let waits = 0; !fleet.ready(); waits++) {
    if (waits > 500) {
      await stop();
      throw new Error('the fleet is not ready');
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  return { url: gateway.url, fleet, stop };
}

function settingsFor(backends: readonly BackendSpec[], time: Partial<TimeLimits> = {}): GatewaySettings {
  const anyPort = { host: '127.0.0.1', port: 0 };
  return {
    listen: anyPort,
    admin: anyPort,
    backends,
    aliases: {},
    routing: [],
    declaredModels: [],
    queue: DEFAULT_QUEUE,
    time: { ...DEFAULT_TIME, ...time },
    body: DEFAULT_BODY,
    origins: [],
    hosts: [],
    insecure: false,
  };
}
