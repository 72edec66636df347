// `bigo install` and `bigo upgrade`: the definition of the resource and the operator, brought into a cluster. Never touches a fleet.
import type { Command } from 'commander';
import type { KubeObject } from '../../api/kube-object.ts';
import { OPERATOR_NAMESPACE } from '../../api/operator-settings.ts';
import {
  installation,
  NAMESPACES_ANNOTATION,
  OPERATOR_DEPLOYMENT,
  type InstallWish,
} from '../../profiles/core/installation.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import { kubeCode } from '../../platform/kube/kube-error.ts';
import type { App } from '../app.ts';
import type { Change } from '../core/installed.ts';
import { usageError } from '../exit.ts';
import { ownImage } from '../own-image.ts';
import { versionInfo } from '../version.ts';
import {
  addClusterOptions,
  checkedNamespace,
  CLUSTER_EXIT_TEXT,
  type ClusterFlags,
  withCluster,
} from './access.ts';
import { DEPLOYMENT, nameOf } from './kinds.ts';
import { leftOver, put, readPairs, remove } from './put.ts';
import { untilRunning } from './wait.ts';
import { printYaml } from './yaml.ts';

interface InstallFlags extends ClusterFlags {
  readonly image?: string;
  readonly namespaces?: string;
  readonly wait: boolean;
  readonly waitSeconds: string;
  readonly force?: boolean;
  readonly print?: boolean;
  readonly json?: boolean;
}

export function define(command: Command, app: App): void {
  addClusterOptions(command)
    .option(
      '--image <image>',
      'image of operator, agents and gateways (default: BIGO_IMAGE, else the one of this version)',
    )
    .option(
      '--namespaces <a,b>',
      'look after these namespaces only; "" = all (default: as before, at first all)',
    )
    .option('--no-wait', 'do not wait until the operator runs')
    .option('--wait-seconds <n>', 'how long to wait', '180')
    .option('--force', 'take over objects of somebody else, and go back behind a newer version')
    .option('--print', 'print the objects as YAML and change nothing')
    .option('--json', 'print JSON for a program')
    .addHelpText('after', HELP)
    .action((flags: InstallFlags) => install(app, flags));
}

const HELP = `
Examples:
  $ bigo install
  $ bigo install --context homelab --namespaces ml,team-a
  $ bigo upgrade --image registry.example.com/bigo:0.2.0
  $ bigo install --print > operator.yaml

Both commands do the same and may be repeated: what is right already is left alone, and what changed is printed.
The Model Manager is not part of it; the Helm chart adds it (docs/operator.md).

${CLUSTER_EXIT_TEXT}`;

async function install(app: App, flags: InstallFlags): Promise<void> {
  const secondsMax = Number(flags.waitSeconds);
  if (!(secondsMax > 0 && secondsMax <= 3600))
    throw usageError('--wait-seconds must be a number from 1 to 3600');
  if (flags.print === true) return printYaml(app, installation(wishOf(app, flags, undefined)));
  await withCluster(app, flags, async ({ client }) => {
    // Asks nothing of the cluster but whether it is there.
    await client.getPath('/version');
    const wish = wishOf(app, flags, await namespacesBefore(client));
    const objects = installation(wish);
    const pairs = await readPairs(client, objects);
    const onChange = (change: Change) => flags.json !== true && tell(app, change);
    const changes = await put(client, pairs, { takesOver: flags.force === true, onChange });
    const removed = await leftOver(client, objects);
    for (const object of removed) {
      await remove(client, object);
      if (flags.json !== true) app.terminal.print(`removed    ${nameOf(object)}`);
    }
    if (flags.json === true) app.terminal.print(JSON.stringify(report(wish, changes, removed)));
    const onState = (text: string) => app.terminal.tell(`waiting: ${text}`);
    if (flags.wait) await untilRunning(client, { secondsMax, signal: app.interrupted(), onState });
    if (flags.json !== true)
      conclude(app, wish, changes.some(change => change.verb !== 'keep') || removed.length > 0);
  });
}

function wishOf(app: App, flags: InstallFlags, before: readonly string[] | undefined): InstallWish {
  const { version } = versionInfo(app.env);
  const given = flags.namespaces
    ?.split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
    .map(name => checkedNamespace('--namespaces', name));
  return {
    image: ownImage(flags.image, app.env),
    version,
    namespaces: [...new Set(given ?? before ?? [])].toSorted(),
  };
}

/** Of the installation that is there. */
async function namespacesBefore(client: KubeClient): Promise<string[] | undefined> {
  try {
    const live = await client.get({
      kind: DEPLOYMENT,
      namespace: OPERATOR_NAMESPACE,
      name: OPERATOR_DEPLOYMENT,
    });
    return live.metadata.annotations?.[NAMESPACES_ANNOTATION]?.split(',').filter(name => name !== '');
  } catch (error) {
    if (kubeCode(error) === 404) return undefined;
    throw error;
  }
}

const WORDS = { create: 'created', change: 'changed', keep: 'unchanged' } as const;

function tell(app: App, { verb, object, path }: Change): void {
  const detail = path === undefined ? '' : `  (${path})`;
  app.terminal.print(`${WORDS[verb].padEnd(9)}  ${nameOf(object)}${detail}`);
}

function report(wish: InstallWish, changes: readonly Change[], removed: readonly KubeObject[]): object {
  const entry = (result: string, { kind, metadata }: KubeObject) => ({
    result,
    kind,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
    name: metadata.name,
  });
  return {
    ...wish,
    objects: [
      ...changes.map(({ verb, object }) => entry(WORDS[verb], object)),
      ...removed.map(object => entry('removed', object)),
    ],
  };
}

const MANAGER_TEXT =
  'The Model Manager is not part of it: helm install model-manager deploy/chart --set operator.enabled=false,manager.enabled=true';

function conclude(app: App, { version, namespaces }: InstallWish, isChanged: boolean): void {
  const where = namespaces.length === 0 ? 'every namespace' : namespaces.join(', ');
  const state = isChanged
    ? `BigO ${version} looks after ${where}.`
    : `BigO ${version} is installed already: nothing was changed.`;
  app.terminal.print(
    `${state} Next: kubectl apply an OllamaDeployment; \`kubectl explain od.spec\` describes it.\n${MANAGER_TEXT}`,
  );
}
