// `bigo manager`: the web page and the manager's API on a port of their own, for gateways that run elsewhere. Never starts a gateway.
import { join } from 'node:path';
import type { Command } from 'commander';
import { parseHostPort } from '../api/config-values.ts';
import type { HostPort } from '../api/settings.ts';
import { listRunFiles, stateDir } from '../platform/run-file.ts';
import { onShutdown } from '../platform/signals.ts';
import type { App } from './app.ts';
import { collect, logLevelOption } from './common-options.ts';
import type { ManagedGateway, ManagerCluster } from './components.ts';
import { EXIT, usageError } from './exit.ts';
import { endAtOnce, startLogging } from './serve.ts';
import { adminTarget, checkedUrl, gatewayTarget } from './target.ts';

interface ManagerFlags {
  readonly listen: string;
  readonly gateway?: readonly string[];
  readonly kubeconfig?: string;
  readonly namespaces?: string;
  readonly dcgm?: string;
  readonly data?: string;
  readonly json?: boolean;
  readonly logLevel?: string;
}

export function define(command: Command, app: App): void {
  command
    .option('--listen <host:port>', 'address of the page and the API', '127.0.0.1:8080')
    .option(
      '--gateway <gateway>',
      'a gateway: URL[,admin=URL][,name=N]; may be repeated (default: the running gateway of this user)',
      collect,
    )
    .option('--kubeconfig <file>', 'find gateways in this cluster (default in a pod: its service account)')
    .option('--namespaces <a,b>', 'in a cluster: show these namespaces only (default: all)')
    .option('--dcgm <url>', 'in a cluster: dcgm-exporter, for GPU memory (a headless Service: all of them)')
    .option('--data <file>', 'where usage is kept (default: usage.sqlite in the state folder of this user)')
    .option('--json', 'print one JSON line when ready, as without a terminal')
    .addOption(logLevelOption())
    .addHelpText('after', HELP)
    .action(async (flags: ManagerFlags) => {
      process.exitCode = await runManager(app, flags);
    });
}

const HELP = `
Examples:
  $ bigo manager
  $ bigo manager --listen 0.0.0.0:8080 --gateway http://gw:11434,admin=http://gw:11436
  $ bigo manager --kubeconfig ~/.kube/config --namespaces team-a,team-b

Keys and roles are the gateway's: what a key may not do there, it may not do here. The admin port of a gateway with
keys wants a token: BIGO_ADMIN_TOKEN. \`bigo up\` has the same page at /ui/ of its own address.

In a cluster gateways, Ollama pods and agents are found by label, usage is kept in the ConfigMap model-usage-stats of the
manager's namespace (POD_NAMESPACE), and BIGO_MANAGER_TOKEN admits an admin before there is a gateway. It writes to the
log what it may not do.

The names that the page proposes are looked up in the registry of Ollama's library, which sees nothing but their names;
BIGO_LIBRARY=off asks nobody, BIGO_LIBRARY=URL another registry.`;

async function runManager(app: App, flags: ManagerFlags): Promise<number> {
  const listen = listenAddress(flags.listen);
  const logging = startLogging(app, flags);
  const ended = Promise.withResolvers<number>();
  const shutdown = onShutdown(endAtOnce(logging));
  const cluster = clusterOf(app, flags);
  const token = text(app.env.BIGO_MANAGER_TOKEN);
  const manager = await app.components.startManager({
    listen,
    gateways: gatewaysOf(app, flags.gateway ?? [], cluster !== undefined),
    dataFile: flags.data ?? join(stateDir(app.env), 'usage.sqlite'),
    ...(cluster !== undefined && { cluster }),
    ...(token !== undefined && { token }),
    log: logging.log,
  });
  shutdown.replace({
    begin: () => void manager.close().then(() => ended.resolve(EXIT.ok)),
    atOnce: logging.flush,
  });
  announce(app, flags, manager.url);
  const code = await ended.promise;
  logging.flush();
  return code;
}

function announce(app: App, flags: ManagerFlags, url: string): void {
  if (flags.json === true || !app.terminal.isTty) {
    app.terminal.print(JSON.stringify({ event: 'ready', url }));
  } else {
    app.terminal.print(`The Model Manager serves at ${app.terminal.paint('bold', url)}`);
  }
}

function listenAddress(given: string): HostPort {
  const at = parseHostPort(given);
  if (at !== undefined) return at;
  throw usageError(`--listen must be HOST:PORT, not "${given}"`);
}

/** Named, or the pod's own; a manager whose gateways are named needs none. */
function clusterOf(app: App, flags: ManagerFlags): ManagerCluster | undefined {
  const { env } = app;
  const inPod = text(env.KUBERNETES_SERVICE_HOST) !== undefined && flags.gateway === undefined;
  if (flags.kubeconfig === undefined && flags.namespaces === undefined && !inPod) return undefined;
  const namespace = text(env.POD_NAMESPACE);
  const adminToken = text(env.BIGO_ADMIN_TOKEN);
  return {
    namespaces: (flags.namespaces ?? '').split(',').filter(name => name !== ''),
    ...(flags.kubeconfig !== undefined && { kubeconfig: flags.kubeconfig }),
    ...(namespace !== undefined && { namespace }),
    ...(adminToken !== undefined && { adminToken }),
    ...(flags.dcgm !== undefined && { dcgmUrl: checkedUrl(flags.dcgm, '--dcgm') }),
  };
}

function text(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? undefined : value.trim();
}

function gatewaysOf(app: App, given: readonly string[], isFound: boolean): ManagedGateway[] {
  if (given.length > 0) return given.map((one, index) => parseGateway(app, one, index));
  if (isFound) return [];
  const { url } = gatewayTarget({}, app.env);
  const { url: adminUrl, token } = adminTarget({}, app.env);
  return [{ name: new URL(url).host, url, adminUrl, ...(token !== undefined && { adminToken: token }) }];
}

const gatewaysMax = 64;

function parseGateway(app: App, given: string, index: number): ManagedGateway {
  if (index >= gatewaysMax) throw usageError(`more than ${gatewaysMax} gateways`);
  const [address = '', ...rest] = given.split(',');
  const url = checkedUrl(address, '--gateway');
  const extra = new Map(rest.map(pair => [pair.split('=')[0] ?? '', pair.slice(pair.indexOf('=') + 1)]));
  for (const name of extra.keys()) {
    if (name !== 'admin' && name !== 'name')
      throw usageError(`--gateway has no "${name}"; it takes admin and name`);
  }
  const run = listRunFiles(app.env).find(info => info.url === url);
  const token = run?.adminToken ?? app.env.BIGO_ADMIN_TOKEN;
  return {
    name: extra.get('name') ?? new URL(url).host,
    url,
    adminUrl: checkedUrl(extra.get('admin') ?? run?.admin ?? usualAdmin(url), '--gateway admin'),
    ...(token !== undefined && token !== '' && { adminToken: token }),
  };
}

/** The admin port's usual place: 11480 on this machine, 11436 in a cluster. */
function usualAdmin(url: string): string {
  const admin = new URL(url);
  admin.port = ['127.0.0.1', 'localhost', '[::1]'].includes(admin.hostname) ? '11480' : '11436';
  return admin.origin;
}
