// Reads argv and starts one command. The only file that imports every component, each at the moment it is needed.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { BigoError } from './api/errors.ts';
import type { GatewaySettings } from './api/settings.ts';
import type { Log } from './platform/log.ts';
import { createTerminal } from './platform/terminal.ts';
import { interruptSignal } from './platform/signals.ts';
import type { App } from './cli/app.ts';
import type { Components, RunningGateway } from './cli/components.ts';
import { runCli } from './cli/program.ts';

const components: Components = {
  loadKeys: () => import('./gateway/keys.ts'),
  startGateway,
};

const refuse = async () => {
  throw new BigoError('not_implemented', 'This gateway does not change models yet.');
};
const models = { handleModelChange: refuse, handleBlob: refuse };

const firstLookMsMax = 5_000;

async function startGateway(settings: GatewaySettings, log: Log): Promise<RunningGateway> {
  const [{ createFleet }, gateway, { systemClock: clock }, { versionInfo }] = await Promise.all([
    import('./fleet/fleet.ts'),
    import('./gateway/gateway.ts'),
    import('./platform/clock.ts'),
    import('./cli/version.ts'),
  ]);
  const instanceId = randomUUID();
  const shared = { clock, log, rng: Math.random, instanceId };
  const fleet = createFleet({ ...shared, specs: settings.backends });
  fleet.start();
  // Before the first answers every model would be "not found".
  await Promise.race([fleet.refresh(), sleep(firstLookMsMax, undefined, { ref: false })]);
  try {
    const { version } = versionInfo(process.env);
    const running = await gateway.startGateway(settings, { ...shared, fleet, version, models });
    return {
      url: running.url,
      adminUrl: running.adminUrl,
      drain: () => running.drain(),
      close: async () => {
        await running.close();
        await fleet.stop();
      },
      reload: next => running.reload(next),
    };
  } catch (error) {
    await fleet.stop();
    throw error;
  }
}

const SERVERS = new Set(['up', 'gateway', 'engine']);
const args = process.argv.slice(2);
const isServer = SERVERS.has(args[0] ?? '');
let interrupt: AbortSignal | undefined;

const app: App = {
  env: process.env,
  cwd: process.cwd(),
  terminal: createTerminal(process.env, { mode: isServer ? 'ignore' : 'end' }),
  components,
  interrupted: () => (interrupt ??= isServer ? new AbortController().signal : interruptSignal().signal),
};

if (!isServer) app.interrupted();
const exitCode = await runCli(args, app);
process.exitCode = exitCode;
