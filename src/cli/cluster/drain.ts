// `bigo drain`: no new requests for one backend, its streams finish. Without a cluster through the gateway's admin port, with one
// through a mark on the pod, which every gateway sees, also one that starts later. Never stops anything itself.
import type { Command } from 'commander';
import { ANNOTATION_PREFIX } from '../../operator/core/names.ts';
import { kubeCode } from '../../platform/kube/kube-error.ts';
import type { App } from '../app.ts';
import { addJsonOption, type ClientFlags, withAdminClient } from '../client-flags.ts';
import { CliError, usageError } from '../exit.ts';
import {
  addClusterOptions,
  CLUSTER_EXIT_TEXT,
  type ClusterFlags,
  namespaceOf,
  withCluster,
} from './access.ts';
import { POD } from './kinds.ts';

interface DrainFlags extends ClientFlags, ClusterFlags {
  readonly namespace?: string;
  readonly for: string;
  readonly end?: boolean;
}

const DRAIN_UNTIL = `${ANNOTATION_PREFIX}drain-until`;

export function define(command: Command, app: App): void {
  addJsonOption(addClusterOptions(command))
    .argument('<backend>', 'name of a backend as `bigo status` shows it; in a cluster the name of its pod')
    .option('-n, --namespace <name>', 'drain a pod of this namespace')
    .option('--for <time>', 'in a cluster: for how long, such as 30m or 12h', '1h')
    .option('--end', 'send requests there again')
    .option('--admin <url>', 'admin address of the gateway (default: BIGO_ADMIN, then the running gateway)')
    .option('--key <token>', 'admin token (default: BIGO_ADMIN_TOKEN)')
    .addHelpText('after', HELP)
    .action((backend: string, flags: DrainFlags) =>
      isForCluster(flags) ? drainPod(app, backend, flags) : drainBackend(app, backend, flags),
    );
}

const HELP = `
Examples:
  $ bigo drain gpu-1
  $ bigo drain my-fleet-ollama-0 -n ml --for 2h
  $ bigo drain my-fleet-ollama-0 -n ml --end

A pod that is deleted or evicted drains by itself: this is for work on it while it runs.
${CLUSTER_EXIT_TEXT}`;

const isForCluster = ({ namespace, kubeconfig, context }: DrainFlags): boolean =>
  namespace !== undefined || kubeconfig !== undefined || context !== undefined;

async function drainBackend(app: App, backend: string, flags: DrainFlags): Promise<void> {
  await withAdminClient(app, flags, async client => {
    const path = `/bigo/v1/backends/${encodeURIComponent(backend)}/drain`;
    const answer = await client.json({ method: flags.end === true ? 'DELETE' : 'POST', path });
    if (flags.json === true) return app.terminal.print(JSON.stringify(answer));
    app.terminal.print(`${backend}: ${String(answer.state)}, ${String(answer.inFlight)} requests in flight`);
  });
}

async function drainPod(app: App, pod: string, flags: DrainFlags): Promise<void> {
  const ms = timeMs(flags.for);
  await withCluster(app, flags, async ({ client, access }) => {
    const namespace = namespaceOf(flags, access);
    const until = flags.end === true ? null : new Date(Date.now() + ms).toISOString();
    const patch = { metadata: { annotations: { [DRAIN_UNTIL]: until } } };
    try {
      await client.merge({ kind: POD, namespace, name: pod }, patch, 'bigo-drain');
    } catch (error) {
      if (kubeCode(error) !== 404) throw error;
      throw new CliError(`there is no pod ${pod} in namespace ${namespace}`, {
        next: '`bigo status -n NAMESPACE` lists the pods.',
      });
    }
    if (flags.json === true) return app.terminal.print(JSON.stringify({ pod, namespace, until }));
    app.terminal.print(
      until === null ? `${pod} takes requests again` : `${pod} takes no new requests until ${until}`,
    );
  });
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function timeMs(text: string): number {
  const match = /^(\d{1,5})([smhd])$/.exec(text);
  const unit = match?.[2] as keyof typeof UNITS | undefined;
  if (match === null || unit === undefined)
    throw usageError(`--for: "${text}" is no time`, 'Write 30m, 2h or 1d.');
  return Number(match[1]) * UNITS[unit];
}
