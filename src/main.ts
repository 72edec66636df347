// Reads argv and starts one command. The only file that imports every component, each at the moment it is needed.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { modelKey } from './api/names.ts';
import type { GatewaySettings } from './api/settings.ts';
import type { Fleet } from './fleet/types.ts';
import type { Clock } from './platform/clock.ts';
import type { FollowedPods, FollowOptions } from './fleet/follow-pods.ts';
import type { Mount } from './gateway/handle.ts';
import type { Log } from './platform/log.ts';
import { stateDir } from './platform/run-file.ts';
import { createTerminal } from './platform/terminal.ts';
import { interruptSignal } from './platform/signals.ts';
import type { Manager } from './manager/manager.ts';
import type { KubeClient } from './platform/kube/client.ts';
import type { App } from './cli/app.ts';
import type {
  AgentStart,
  Components,
  GatewayStart,
  ManagerCluster,
  ManagerStart,
  OperatorStart,
  RunningAgent,
  RunningGateway,
  RunningManager,
  RunningOperator,
} from './cli/components.ts';
import { runCli } from './cli/program.ts';

const components: Components = {
  startAgent,
  startOperator,
  loadKeys: () => import('./gateway/keys.ts'),
  startEngine: async input => (await import('./engine/process.ts')).startEngineProcess(input),
  installEngine: async say => (await import('./engine/llama-install.ts')).installLlama({ log: say }),
  ensureModel: async wish => (await import('./engine/model-source.ts')).ensureDefaultModel(wish),
  startGateway: start => (start.page === 'none' ? startGateway(start) : startWithPage(start)),
  startManager,
};

const firstLookMsMax = 5_000;
const kubeRequestMsMax = 10_000;

type PodsShared = Pick<FollowOptions, 'clock' | 'log' | 'version'>;
type MountedStart = Pick<GatewayStart, 'settings' | 'log'> & { readonly mount?: Mount };

/** A gateway with the fleet that it looks at and the routes that change models: started and ended together. */
async function startGateway({ settings, log, mount }: MountedStart): Promise<RunningGateway> {
  const [gateway, { createModelRoutes }] = await Promise.all([
    import('./gateway/gateway.ts'),
    import('./gateway/models/routes.ts'),
  ]);
  let current = settings;
  const seen = await startFleet(settings, log);
  const { fleet, pods, shared, version } = seen;
  const models = createModelRoutes({
    ...shared,
    fleet,
    placement: key => backendsOfRule(current, key),
    rememberedFile: join(stateDir(process.env), `changes-${settings.listen.port}.json`),
  });
  const stopRest = async () => {
    await models.stop();
    await seen.stop();
  };
  try {
    const running = await gateway.startGateway(seen.withPods(settings), {
      ...shared,
      rng: Math.random,
      fleet,
      version,
      models,
      ...(pods !== undefined && { onLoadFailed: pods.onLoadFailed }),
      ...(mount !== undefined && { mount }),
    });
    pods?.follow(({ specs, draining }) => {
      running.setBackends(seen.withPods(current).backends);
      for (const { name } of specs) fleet.setDraining(name, draining.has(name), 'pod');
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
        await running.reload(seen.withPods(next));
        current = next;
        if (next.kubernetes !== undefined) pods?.use(next.kubernetes);
      },
    };
  } catch (error) {
    await stopRest();
    throw error;
  }
}

interface StartedFleet {
  readonly fleet: Fleet;
  /** Undefined: backends are named, not found. */
  readonly pods: FollowedPods | undefined;
  readonly shared: { readonly clock: Clock; readonly log: Log; readonly instanceId: string };
  readonly version: string;
  withPods(settings: GatewaySettings): GatewaySettings;
  stop(): Promise<void>;
}

/** Looks once before it returns: until then every model would be "not found". */
async function startFleet(settings: GatewaySettings, log: Log): Promise<StartedFleet> {
  const [{ createFleet }, { systemClock: clock }, { versionInfo }] = await Promise.all([
    import('./fleet/fleet.ts'),
    import('./platform/clock.ts'),
    import('./cli/version.ts'),
  ]);
  const shared = { clock, log, instanceId: randomUUID() };
  const { version } = versionInfo(process.env);
  const pods = await watchPods(settings, { clock, log, version });
  const fleet = createFleet({
    ...shared,
    rng: Math.random,
    specs: settings.backends,
    isComplete: () => pods?.discovery.isSynced ?? true,
  });
  const withPods = (next: GatewaySettings) => ({
    ...next,
    backends: [...next.backends, ...(pods?.discovery.latest.specs ?? [])],
  });
  fleet.start();
  pods?.discovery.start();
  const firstLook = async () => {
    await pods?.discovery.looked;
    fleet.setBackends(withPods(settings).backends);
    await fleet.refresh();
  };
  const looked = new AbortController();
  // This timer holds the process: while the API server is away, nothing else does yet.
  const limit = sleep(firstLookMsMax, undefined, { signal: looked.signal }).catch(() => undefined);
  await Promise.race([firstLook(), limit]);
  looked.abort();
  const stop = async () => {
    await pods?.stop();
    await fleet.stop();
  };
  return { fleet, pods, shared, version, withPods, stop };
}

async function watchPods(settings: GatewaySettings, shared: PodsShared): Promise<FollowedPods | undefined> {
  if (settings.kubernetes === undefined) return undefined;
  const { followPods } = await import('./fleet/follow-pods.ts');
  return followPods(settings.kubernetes, { ...shared, env: process.env, rng: Math.random, wallMs: Date.now });
}

/** The manager speaks to the gateway by HTTP only, as if it were on another machine. */
async function startWithPage(start: GatewayStart): Promise<RunningGateway> {
  const settings = withOwnToken(withJournal(start.settings));
  const { port } = settings.listen;
  const manager = await makeManager({
    log: start.log,
    dataFile: join(stateDir(process.env), 'usage.sqlite'),
  });
  try {
    const mount: Mount = (req, res) => manager.mount(req, res);
    const gateway = await startGateway({ settings, log: start.log, mount });
    const { url, adminUrl } = gateway;
    const { adminToken } = settings;
    await manager.start([
      { name: `gateway-${port}`, url, adminUrl, ...(adminToken !== undefined && { adminToken }) },
    ]);
    return {
      url,
      adminUrl,
      drain: () => {
        manager.endPages();
        return gateway.drain();
      },
      close: async () => {
        await manager.close();
        await gateway.close();
      },
      reload: next =>
        gateway.reload({ ...withJournal(next), ...(adminToken !== undefined && { adminToken }) }),
    };
  } catch (error) {
    await manager.close();
    throw error;
  }
}

async function startManager(start: ManagerStart): Promise<RunningManager> {
  const { listen, gateways } = start;
  const manager = await makeManager(start);
  try {
    const url = await manager.listen(listen);
    await manager.start(gateways);
    return { url, close: () => manager.close() };
  } catch (error) {
    await manager.close();
    throw error;
  }
}

type ManagerParts = Pick<ManagerStart, 'log' | 'dataFile' | 'cluster' | 'token'>;

async function makeManager({ log, dataFile, cluster, token }: ManagerParts): Promise<Manager> {
  const [
    { Cluster, ClusterStore, libraryRegistry, Manager, openStore },
    { systemClock: clock },
    { versionInfo },
  ] = await Promise.all([
    import('./manager/manager.ts'),
    import('./platform/clock.ts'),
    import('./cli/version.ts'),
  ]);
  const { version } = versionInfo(process.env);
  const registry = process.env['BIGO_LIBRARY'] ?? libraryRegistry;
  const asked = registry === 'off' ? {} : { registry };
  const shared = { clock, log, version, uiDir: builtPage(), ...asked, ...(token !== undefined && { token }) };
  if (cluster === undefined) return new Manager({ ...shared, store: openStore(dataFile) });
  const at = await kubeClient(cluster, version);
  const store = new ClusterStore({ ...at, log });
  void store.prepare();
  return new Manager({
    ...shared,
    store,
    cluster: new Cluster({ ...at, ...cluster, namespace: at.namespace, log }),
  });
}

async function kubeClient(
  { kubeconfig, namespace }: ManagerCluster,
  version: string,
): Promise<{ client: KubeClient; namespace: string }> {
  const [{ createKubeClient }, { kubeAccess }] = await Promise.all([
    import('./platform/kube/client.ts'),
    import('./platform/kube/kubeconfig.ts'),
  ]);
  const access = kubeAccess({ file: kubeconfig, env: process.env });
  const userAgent = `bigo-manager/${version}`;
  const client = createKubeClient(access, {
    userAgent,
    nowMs: () => performance.now(),
    requestMsMax: kubeRequestMsMax,
  });
  return { client, namespace: namespace ?? access.namespace };
}

/** In a release beside the program, in a clone where it is built. */
function builtPage(): string {
  const released = join(import.meta.dirname, 'ui');
  return existsSync(released) ? released : join(import.meta.dirname, '..', 'ui', 'dist');
}

/** On disk, so that usage is complete even when this process is killed. */
function withJournal(settings: GatewaySettings): GatewaySettings {
  const { port } = settings.listen;
  if (settings.journalDir !== undefined || port === 0) return settings;
  return { ...settings, journalDir: join(stateDir(process.env), `journal-${port}`) };
}

/** With keys on, the admin port wants one; the manager in this process gets a token of its own. */
function withOwnToken(settings: GatewaySettings): GatewaySettings {
  if (settings.keysFile === undefined || settings.adminToken !== undefined) return settings;
  return { ...settings, adminToken: randomBytes(32).toString('base64url') };
}

function backendsOfRule({ routing }: GatewaySettings, key: string): readonly string[] | undefined {
  return routing.find(rule => modelKey(rule.model) === key)?.backends;
}

async function startAgent({ settings, log }: AgentStart): Promise<RunningAgent> {
  const [agent, { systemClock: clock }, { versionInfo }] = await Promise.all([
    import('./agent/agent.ts'),
    import('./platform/clock.ts'),
    import('./cli/version.ts'),
  ]);
  const { version } = versionInfo(process.env);
  return agent.startAgent(settings, { clock, log, rng: Math.random, version });
}

async function startOperator({ settings, log }: OperatorStart): Promise<RunningOperator> {
  const [operator, heap, { desired }, { kubeAccess }, { systemClock: clock }, { versionInfo }] =
    await Promise.all([
      import('./operator/operator.ts'),
      import('./operator/heap.ts'),
      import('./operator/core/desired/desired.ts'),
      import('./platform/kube/kubeconfig.ts'),
      import('./platform/clock.ts'),
      import('./cli/version.ts'),
    ]);
  heap.growHeapInLargeSteps();
  const access = kubeAccess({ file: settings.kubeconfig, env: process.env });
  return operator.startOperator({
    ...{ access, desired, settings, clock, log },
    namespaces: settings.namespaces,
    leaseNamespace: settings.leaseNamespace ?? access.namespace,
    admin: settings.admin,
    version: versionInfo(process.env).version,
    rng: Math.random,
  });
}

const SERVERS = new Set(['agent', 'operator', 'up', 'gateway', 'engine', 'manager']);
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
