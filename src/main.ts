// Reads argv and starts one command. The only file that imports every component, each at the moment it is needed.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { modelKey } from './api/names.ts';
import type { GatewaySettings } from './api/settings.ts';
import type { Log } from './platform/log.ts';
import { stateDir } from './platform/run-file.ts';
import { createTerminal } from './platform/terminal.ts';
import { interruptSignal } from './platform/signals.ts';
import type { App } from './cli/app.ts';
import type { Components, RunningGateway } from './cli/components.ts';
import { runCli } from './cli/program.ts';

const components: Components = {
  loadKeys: () => import('./gateway/keys.ts'),
  startEngine: async input => (await import('./engine/process.ts')).startEngineProcess(input),
  installEngine: async say => (await import('./engine/llama-install.ts')).installLlama({ log: say }),
  ensureModel: async wish => (await import('./engine/model-source.ts')).ensureDefaultModel(wish),
  startGateway,
};

const firstLookMsMax = 5_000;

/** A gateway with the fleet that it looks at and the routes that change models: started and ended together. */
async function startGateway(settings: GatewaySettings, log: Log): Promise<RunningGateway> {
  const [{ createFleet }, gateway, { createModelRoutes }, { systemClock: clock }, { versionInfo }] =
    await Promise.all([
      import('./fleet/fleet.ts'),
      import('./gateway/gateway.ts'),
      import('./gateway/models/routes.ts'),
      import('./platform/clock.ts'),
      import('./cli/version.ts'),
    ]);
  let current = settings;
  const shared = { clock, log, instanceId: randomUUID() };
  const fleet = createFleet({ ...shared, rng: Math.random, specs: settings.backends });
  const models = createModelRoutes({
    ...shared,
    fleet,
    placement: key => backendsOfRule(current, key),
    rememberedFile: join(stateDir(process.env), `changes-${settings.listen.port}.json`),
  });
  const stopRest = async () => {
    await models.stop();
    await fleet.stop();
  };
  fleet.start();
  // Before the first answers every model would be "not found".
  await Promise.race([fleet.refresh(), sleep(firstLookMsMax, undefined, { ref: false })]);
  try {
    const { version } = versionInfo(process.env);
    const running = await gateway.startGateway(settings, {
      ...shared,
      rng: Math.random,
      fleet,
      version,
      models,
    });
    return {
      url: running.url,
      adminUrl: running.adminUrl,
      drain: () => running.drain(),
      close: async () => {
        await running.close();
        await stopRest();
      },
      reload: async next => {
        await running.reload(next);
        current = next;
      },
    };
  } catch (error) {
    await stopRest();
    throw error;
  }
}

function backendsOfRule({ routing }: GatewaySettings, key: string): readonly string[] | undefined {
  return routing.find(rule => modelKey(rule.model) === key)?.backends;
}

const SERVERS = new Set(['up', 'gateway', 'engine']);
const args = process.argv.slice(2);
const isServer = SERVERS.has(args[0] ?? '');
let interrupt: AbortSignal | undefined;

const app: App = {
  env: process.env,
  cwd: process.cwd(),
  mainFile: fileURLToPath(import.meta.url),
  terminal: createTerminal(process.env, { mode: isServer ? 'ignore' : 'end' }),
  components,
  interrupted: () => (interrupt ??= isServer ? new AbortController().signal : interruptSignal().signal),
};

if (!isServer) app.interrupted();
const exitCode = await runCli(args, app);
process.exitCode = exitCode;
