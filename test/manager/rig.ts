// A manager on a port of its own, in front of a gateway in this process with fake Ollamas. Never outlives its test.
import type { TestContext } from 'node:test';
import { DEFAULT_BODY, DEFAULT_QUEUE, DEFAULT_TIME, type GatewaySettings } from '../../src/api/settings.ts';
import { createFleet } from '../../src/fleet/fleet.ts';
import { startGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { createModelRoutes } from '../../src/gateway/models/routes.ts';
import { Manager, openStore } from '../../src/manager/manager.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { FakeOptions } from '../fakes/ollama/options.ts';
import { startFakeOllama, type FakeOllama } from '../fakes/ollama/server.ts';

export interface ManagerRig {
  readonly url: string;
  readonly gateway: Gateway;
  readonly fake: FakeOllama;
  readonly manager: Manager;
  readonly stopGateway: () => Promise<void>;
}

export interface RigOptions {
  readonly fake?: Partial<FakeOptions>;
  readonly settings?: Partial<GatewaySettings>;
}

export interface GatewayRig {
  readonly gateway: Gateway;
  readonly fake: FakeOllama;
  readonly stopGateway: () => Promise<void>;
}

export async function aManager(t: TestContext, options: RigOptions = {}): Promise<ManagerRig> {
  const store = openStore(':memory:');
  const shared = { clock: systemClock, log: silentLog(), version: 'test' };
  const manager = new Manager({ ...shared, store, uiDir: '/nonexistent' });
  // Registered first, so that it ends before its gateway does.
  t.after(() => manager.close());
  const { gateway, fake, stopGateway } = await aGateway(t, options);
  const url = await manager.listen({ host: '127.0.0.1', port: 0 });
  const adminToken = options.settings?.adminToken;
  const address = { name: 'g', url: gateway.url, adminUrl: gateway.adminUrl };
  await manager.start([{ ...address, ...(adminToken !== undefined && { adminToken }) }]);
  return { url, gateway, fake, manager, stopGateway };
}

/** In this process, with one fake Ollama. */
export async function aGateway(t: TestContext, options: RigOptions = {}): Promise<GatewayRig> {
  const fake = await startFakeOllama({ models: [{ name: 'm:1' }], tokenMs: 1, loadMs: 1, ...options.fake });
  const settings: GatewaySettings = {
    listen: { host: '127.0.0.1', port: 0 },
    admin: { host: '127.0.0.1', port: 0 },
    backends: [{ name: 'one', url: fake.url, store: 'one', class: 'default' }],
    aliases: {},
    routing: [],
    declaredModels: [],
    origins: [],
    hosts: [],
    insecure: false,
    queue: DEFAULT_QUEUE,
    time: DEFAULT_TIME,
    body: DEFAULT_BODY,
    ...options.settings,
  };
  const shared = { clock: systemClock, log: silentLog(), rng: Math.random, instanceId: `m-${Math.random()}` };
  const fleet = createFleet({ ...shared, specs: settings.backends });
  fleet.start();
  await fleet.refresh();
  const models = createModelRoutes({ ...shared, fleet, placement: () => undefined });
  const gateway = await startGateway(settings, { ...shared, fleet, version: 'test', models });
  const stopGateway = async (): Promise<void> => {
    await gateway.close();
    await models.stop();
    await fleet.stop();
  };
  t.after(async () => {
    await stopGateway();
    await fake.stop();
  });
  return { gateway, fake, stopGateway };
}
