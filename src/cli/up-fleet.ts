// Where the backends of `bigo up` come from: found, or started here as child processes. Never asks a running Ollama to change.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackendSpec } from '../api/fleet.ts';
import { discover, type Discovery } from '../fleet/discovery.ts';
import { freePorts, ollamaChildren } from '../fleet/ollama-children.ts';
import { type ChildSpec, createSupervisor, type Supervisor } from '../fleet/supervisor.ts';
import { systemClock } from '../platform/clock.ts';
import { createHttpClient, type HttpClient } from '../platform/http.ts';
import type { App } from './app.ts';
import { claimFleetDir, type FleetDir } from './data-dir.ts';
import { CliError } from './exit.ts';
import { findProgram } from './find-program.ts';
import { type LoadedConfig, shortPath } from './load-config.ts';
import { giveTemplate } from './ollama-template.ts';
import type { Logging } from './serve.ts';

export interface UpFleet {
  readonly backends: readonly BackendSpec[];
  /** A model that every engine started here has. */
  readonly model?: string;
  stop(): Promise<void>;
  /** Without waiting. */
  kill(): void;
}

/** Says what it took and why, as it goes. */
export async function findFleet(app: App, loaded: LoadedConfig, logging: Logging): Promise<UpFleet> {
  const found = await discover({
    named: loaded.settings.backends,
    ollamaHost: app.env.OLLAMA_HOST,
    findProgram: name => findProgram(name, app.env),
  });
  for (const sentence of found.why) app.terminal.tell(sentence);
  if ('backends' in found) return { backends: found.backends, stop: async () => {}, kill: () => {} };
  const dir = claimFleetDir(app.env);
  try {
    return await startFleet(app, { found, dir, loaded, logging });
  } catch (error) {
    dir.release();
    throw error;
  }
}

interface Start {
  readonly found: Discovery;
  readonly dir: FleetDir;
  readonly loaded: LoadedConfig;
  readonly logging: Logging;
}

async function startFleet(app: App, { found, dir, loaded, logging }: Start): Promise<UpFleet> {
  const { count, model: wanted } = loaded.config.engine;
  const place = { dir: dir.path, count };
  const plan = found.kind === 'binary' ? await ollamaPlan(found.binary, place) : await enginePlan(app, place);
  const [first, ...others] = plan.stores;
  for (const store of plan.stores) mkdirSync(store, { recursive: true });
  const model = first === undefined ? undefined : await seeToModel(app, first, wanted);
  const supervisor = createSupervisor({ children: plan.children, log: logging.log, clock: systemClock });
  const kill = () => {
    supervisor.kill();
    dir.release();
  };
  // A signal before they answer ends this process: they must not outlive it.
  process.once('exit', kill);
  const backends = supervisor.backends();
  await onceAllAnswer(supervisor, async http => {
    const [backend] = backends;
    if (first === undefined || backend === undefined || model === undefined) return;
    if (found.kind === 'binary') await giveTemplate(http, backend, model);
    for (const store of others) await spread(app, { model, from: first, to: store });
  });
  app.terminal.tell(
    `Started ${backends.map(spec => spec.name).join(' and ')}; models are kept in ${shortPath(dir.path)}.`,
  );
  return {
    backends,
    ...(model === undefined ? {} : { model }),
    kill,
    stop: async () => {
      await supervisor.stop();
      dir.release();
    },
  };
}

interface Plan {
  readonly children: readonly ChildSpec[];
  /** Models folders, each once. */
  readonly stores: readonly string[];
}

async function ollamaPlan(binary: string, { dir, count }: Place): Promise<Plan> {
  const children = await ollamaChildren({ binary, count, dir });
  const stores = children.map(child => child.env?.OLLAMA_MODELS).filter(store => store !== undefined);
  return { children, stores };
}

/** A fleet without a model still serves: the person adds one with the command that is told here. */
async function seeToModel(app: App, store: string, wanted: string | undefined): Promise<string | undefined> {
  const say = (message: string) => app.terminal.tell(message);
  const wish = wanted === undefined ? {} : { model: wanted };
  try {
    const found = await app.components.ensureModel({ store, log: say, ...wish });
    say(`Model ${found.name} from ${found.source}.`);
    return found.name;
  } catch (error) {
    say((error as Error).message);
    return undefined;
  }
}

/** The same manifest everywhere, and no second download: what each Ollama makes itself has a digest of its own. */
async function spread(
  app: App,
  { model, from, to }: { readonly model: string; readonly from: string; readonly to: string },
): Promise<void> {
  const say = (message: string) => app.terminal.tell(message);
  try {
    await app.components.ensureModel({ store: to, log: say, model, ollamaStores: [from] });
  } catch (error) {
    say((error as Error).message);
  }
}

interface Place {
  readonly dir: string;
  readonly count: number;
}

/** Without it the engines still start, and try again when a model is wanted. */
async function installEngine(app: App): Promise<void> {
  try {
    await app.components.installEngine(message => app.terminal.tell(message));
  } catch (error) {
    app.terminal.tell(`The embedded engine is not installed yet: ${(error as Error).message}`);
  }
}

/** All of them read one models folder: what one of them pulls, the others have. */
async function enginePlan(app: App, { dir, count }: Place): Promise<Plan> {
  await installEngine(app);
  const store = join(dir, 'models');
  const ports = await freePorts(count);
  const children = ports.map((port, index): ChildSpec => {
    const name = `engine-${index + 1}`;
    const flags = {
      '--listen': `127.0.0.1:${port}`,
      '--store': store,
      '--parent-pid': process.pid,
      '--engines': count,
    };
    const argv = Object.entries(flags).flatMap(([flag, value]) => [flag, String(value)]);
    return {
      name,
      port,
      argv: [process.execPath, ...process.execArgv, app.mainFile, 'engine', ...argv],
      logFile: join(dir, `${name}.log`),
      backend: { store: 'engines', class: 'embedded', slots: 1 },
    };
  });
  return { children, stores: [store] };
}

const startMsMax = 30_000;
const askAgainMs = 50;

async function onceAllAnswer(
  supervisor: Supervisor,
  action: (http: HttpClient) => Promise<void>,
): Promise<void> {
  const http = createHttpClient({ connectMsMax: 1_000 });
  const untilMs = performance.now() + startMsMax;
  try {
    for (const backend of supervisor.backends()) {
      while (!(await answers(http, backend))) {
        if (performance.now() > untilMs) {
          supervisor.kill();
          throw new CliError(startFailure(supervisor, backend.name), {
            next: '`bigo doctor` looks for the cause.',
          });
        }
        await sleep(askAgainMs);
      }
    }
    await action(http);
  } finally {
    await http.close();
  }
}

async function answers(http: HttpClient, backend: BackendSpec): Promise<boolean> {
  try {
    const answer = await http.ask(backend, {
      method: 'GET',
      path: '/api/version',
      bytesMax: 65_536,
      timeMsMax: 1_000,
    });
    return answer.status === 200;
  } catch {
    return false;
  }
}

function startFailure(supervisor: Supervisor, name: string): string {
  const death = supervisor.children().find(child => child.name === name)?.lastDeath;
  return death === undefined ? `${name} did not answer within ${startMsMax / 1000} s` : `${name} ${death}`;
}
