// A gateway in this process in front of one pod, for tests of how the pod ends. Never outlives its test.
import type { TestContext } from 'node:test';
import { DEFAULT_BODY, DEFAULT_QUEUE, DEFAULT_TIME } from '../../src/api/settings.ts';
import { makeBackendSpec } from '../../src/api/backend-spec.ts';
import { createFleet } from '../../src/fleet/fleet.ts';
import { startGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { atEnd } from '../tools/end-all.ts';

export async function aGateway(t: TestContext, url: string, name: string): Promise<Gateway> {
  const specs = [makeBackendSpec(url, { name, slots: 8 })];
  const shared = { clock: systemClock, log: silentLog(), rng: Math.random, instanceId: 'test' };
  const fleet = createFleet({ ...shared, specs });
  fleet.start();
  await fleet.refresh();
  const gateway = await startGateway(
    {
      listen: { host: '127.0.0.1', port: 0 },
      admin: { host: '127.0.0.1', port: 0 },
      backends: specs,
      aliases: {},
      routing: [],
      declaredModels: [],
      origins: [],
      hosts: [],
      insecure: false,
      queue: DEFAULT_QUEUE,
      time: DEFAULT_TIME,
      body: DEFAULT_BODY,
    },
    {
      ...shared,
      fleet,
      version: 'test',
      models: {
        handleModelChange: async exchange => exchange.send(501, {}),
        handleBlob: async exchange => exchange.send(501, {}),
      },
    },
  );
  atEnd(t, () => gateway.close());
  atEnd(t, () => fleet.stop());
  return gateway;
}
