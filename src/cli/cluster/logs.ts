// `bigo logs`: what the pods of a fleet wrote, each line with the pod in front. Never changes anything.
import type { Command } from 'commander';
import type { KubeObject } from '../../api/kube-object.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import { objectPath, queryText } from '../../platform/kube/paths.ts';
import type { App } from '../app.ts';
import { CliError, usageError } from '../exit.ts';
import { addClusterOptions, listAll, namespaceOf, refuseAbsentNamespace, withCluster } from './access.ts';
import { POD } from './kinds.ts';
import type { NamespaceFlags } from './status.ts';

interface LogFlags extends NamespaceFlags {
  readonly component: string;
  readonly container?: string;
  readonly tail: string;
  readonly since?: string;
  readonly follow?: boolean;
}

const APPS = {
  gateway: 'bigo-gateway',
  ollama: 'ollama',
  agent: 'ollama',
  openwebui: 'openwebui',
  tabby: 'tabby',
} as const;
type Component = keyof typeof APPS;
const podsMax = 50;

export function define(command: Command, app: App): void {
  addClusterOptions(command)
    .argument('[fleet]', 'only of this fleet')
    .option('-n, --namespace <name>', 'default: the one of the context')
    .option('--component <name>', `whose: ${Object.keys(APPS).join(', ')}`, 'gateway')
    .option('--container <name>', 'container of the pod (default: the one of the component)')
    .option('--tail <n>', 'how many last lines of each pod', '100')
    .option('--since <seconds>', 'only what was written in the last so many seconds')
    .option('-f, --follow', 'go on and print what is written')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bigo logs my-fleet -n ml\n  $ bigo logs -n ml --component agent -f',
    )
    .action((fleet: string | undefined, flags: LogFlags) => logs(app, fleet, flags));
}

async function logs(app: App, fleet: string | undefined, flags: LogFlags): Promise<void> {
  const component = Object.keys(APPS).find(name => name === flags.component) as Component | undefined;
  if (component === undefined)
    throw usageError(`--component: "${flags.component}" is none of ${Object.keys(APPS).join(', ')}`);
  const query = queryText({
    container: flags.container ?? component,
    tailLines: wholeNumber('--tail', flags.tail),
    sinceSeconds: flags.since === undefined ? undefined : wholeNumber('--since', flags.since),
    follow: flags.follow === true ? true : undefined,
  });
  await withCluster(app, flags, async session => {
    const { client, access } = session;
    const namespace = namespaceOf(flags, access);
    const instance = fleet === undefined ? '' : `,app.kubernetes.io/instance=${fleet}`;
    const labelSelector = `app.kubernetes.io/name=${APPS[component]}${instance}`;
    const pods = await listAll(client, { kind: POD, namespace, labelSelector });
    if (pods.length === 0) {
      await refuseAbsentNamespace(session, namespace);
      const of = fleet === undefined ? '' : ` of a fleet ${fleet}`;
      throw new CliError(`there is no ${component} pod${of} in namespace ${namespace}`, {
        next: `\`bigo status -n ${namespace}\` lists the fleets and their pods.`,
      });
    }
    if (pods.length > podsMax) throw usageError(`${pods.length} pods are more than ${podsMax}: name a fleet`);
    const signal = app.interrupted();
    await printLogs(
      app,
      client,
      pods.map(pod => ({ pod, query, signal })),
    );
  });
}

function wholeNumber(flag: string, text: string): number {
  if (/^\d{1,7}$/.test(text)) return Number(text);
  throw usageError(`${flag}: "${text}" is no whole number`, `Write it without a unit: ${flag} 300.`);
}

interface PodLog {
  readonly pod: KubeObject;
  readonly query: string;
  readonly signal: AbortSignal;
}

/** One pod that cannot be read, because its node is gone, hides the lines of no other; it is named at once, for the others may go on for hours. */
async function printLogs(app: App, client: KubeClient, logs: readonly PodLog[]): Promise<void> {
  const read = logs.map(async (log): Promise<Error | undefined> => {
    try {
      await printLog(app, client, log);
      return undefined;
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      if (logs.length > 1 && !log.signal.aborted)
        app.terminal.tell(`${log.pod.metadata.name}: ${error.message}`);
      return error;
    }
  });
  const failed = (await Promise.all(read)).find(error => error !== undefined);
  if (failed !== undefined) throw failed;
}

const lineCharsMax = 1_000_000;

async function printLog(app: App, client: KubeClient, { pod, query, signal }: PodLog): Promise<void> {
  const { name, namespace } = pod.metadata;
  const path = objectPath({ kind: POD, namespace, name, subresource: 'log' }) + query;
  const prefix = app.terminal.paint('cyan', `${name}: `);
  let rest = '';
  let hasText = false;
  for await (const text of client.streamPath(path, signal)) {
    hasText ||= text !== '';
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(0, lineCharsMax);
    for (const line of lines) app.terminal.print(prefix + line);
  }
  if (rest !== '') app.terminal.print(prefix + rest);
  if (!hasText)
    app.terminal.tell(`${name} wrote nothing, or does not run yet: see bigo events -n ${namespace ?? ''}`);
}
