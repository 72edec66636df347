// `bigo uninstall`: takes the operator away; fleets stay and serve. Only --purge takes the fleets too, and asks before.
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { KubeObject } from '../../api/kube-object.ts';
import { OPERATOR_NAMESPACE } from '../../api/operator-settings.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import { kubeCode } from '../../platform/kube/kube-error.ts';
import type { App } from '../app.ts';
import { CliError, usageError } from '../exit.ts';
import {
  addClusterOptions,
  CLUSTER_EXIT,
  CLUSTER_EXIT_TEXT,
  type ClusterFlags,
  listAll,
  withCluster,
} from './access.ts';
import { CLAIM, FLEET, nameOf } from './kinds.ts';
import { installedObjects, readLive, remove } from './put.ts';

interface UninstallFlags extends ClusterFlags {
  readonly purge?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function define(command: Command, app: App): void {
  addClusterOptions(command)
    .option('--purge', 'delete every OllamaDeployment, the definition and the namespace too')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print JSON for a program')
    .addHelpText('after', HELP)
    .action((flags: UninstallFlags) => uninstall(app, flags));
}

const HELP = `
Examples:
  $ bigo uninstall            fleets go on serving, and \`bigo install\` takes them up again
  $ bigo uninstall --purge    asks, then deletes the fleets too

Claims with retention Retain, which is the default, are kept even by --purge: they hold the models.

${CLUSTER_EXIT_TEXT}`;

/** They stay unless everything goes: without the definition there would be no fleet. */
const KEPT = new Set([
  'Namespace',
  'CustomResourceDefinition',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
]);
const AGGREGATED = 'rbac.authorization.k8s.io/aggregate-to-';

async function uninstall(app: App, flags: UninstallFlags): Promise<void> {
  await withCluster(app, flags, async ({ client }) => {
    const installed = await installedObjects(client);
    const fleets = await fleetsOf(client);
    if (flags.purge === true) await purge(app, client, { fleets, flags });
    const going = installed.filter(object => flags.purge === true || !isKept(object));
    for (const object of going) {
      await remove(client, object);
      if (flags.json !== true) app.terminal.print(`removed  ${nameOf(object)}`);
    }
    if (flags.purge === true) await untilReallyGone(client, going, app.interrupted());
    const kept = flags.purge === true ? await claimsLeft(client, fleets) : fleets;
    if (flags.json === true) {
      app.terminal.print(JSON.stringify({ removed: going.map(nameOf), kept: kept.map(nameOf) }));
    } else conclude(app, { removedCount: going.length, kept, isPurge: flags.purge === true });
  });
}

function isKept({ kind, metadata }: KubeObject): boolean {
  const isForPeople = Object.keys(metadata.labels ?? {}).some(label => label.startsWith(AGGREGATED));
  return KEPT.has(kind) || isForPeople;
}

/** None where the resource is not known. */
async function fleetsOf(client: KubeClient): Promise<readonly KubeObject[]> {
  try {
    return await listAll(client, { kind: FLEET });
  } catch (error) {
    if (kubeCode(error) === 404) return [];
    throw error;
  }
}

async function purge(
  app: App,
  client: KubeClient,
  { fleets, flags }: { fleets: readonly KubeObject[]; flags: UninstallFlags },
): Promise<void> {
  if (flags.yes !== true) await confirm(app, fleets);
  for (const { metadata } of fleets) {
    const { name, namespace } = metadata;
    await client.delete({ kind: FLEET, name, namespace }, { propagation: 'Background' }).catch(ignoreGone);
    if (flags.json !== true) app.terminal.print(`removed  ${FLEET.kind} ${namespace ?? ''}/${name}`);
  }
  await untilGone(client, app.interrupted());
}

const goneMsMax = 120_000;
const pollMs = 250;

async function untilGone(client: KubeClient, signal: AbortSignal): Promise<void> {
  await until(async () => (await fleetsOf(client)).length === 0, {
    signal,
    what: 'some OllamaDeployments are',
    next: 'Something holds them: see `kubectl get od -A -o yaml`, field metadata.finalizers. Then run the command again.',
  });
}

/** What is still ending would end what is installed anew under its name. */
async function untilReallyGone(
  client: KubeClient,
  objects: readonly KubeObject[],
  signal: AbortSignal,
): Promise<void> {
  for (const object of objects.filter(
    ({ kind }) => kind === 'Namespace' || kind === 'CustomResourceDefinition',
  )) {
    const isGone = async () => (await readLive(client, object))?.metadata.uid !== object.metadata.uid;
    const next = 'See its status.conditions: they say what holds it.';
    await until(isGone, { signal, what: `${nameOf(object)} is`, next });
  }
}

async function until(
  isSo: () => Promise<boolean>,
  { signal, what, next }: { readonly signal: AbortSignal; readonly what: string; readonly next: string },
): Promise<void> {
  const deadlineMs = performance.now() + goneMsMax;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) {
      throw new CliError(`${what} still being deleted`, { exitCode: CLUSTER_EXIT.notReady, next });
    }
    await sleep(pollMs, undefined, { signal });
  }
}

function ignoreGone(error: unknown): void {
  if (kubeCode(error) !== 404) throw error;
}

async function confirm(app: App, fleets: readonly KubeObject[]): Promise<void> {
  const list =
    fleets.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`).join(', ') || 'none';
  if (process.stdin.isTTY !== true) {
    throw usageError(
      `--purge would delete these OllamaDeployments: ${list}`,
      'Give --yes as well to do so without a question.',
    );
  }
  app.terminal.tell(`These OllamaDeployments and their pods will be deleted: ${list}`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question('Type "purge" to go on: ', { signal: app.interrupted() });
    if (answer.trim() !== 'purge') throw new CliError('nothing was deleted');
  } finally {
    lines.close();
  }
}

async function claimsLeft(client: KubeClient, fleets: readonly KubeObject[]): Promise<readonly KubeObject[]> {
  const namespaces = [...new Set(fleets.map(fleet => fleet.metadata.namespace))];
  const labelSelector = 'ollama-deployment';
  const lists = await Promise.all(
    namespaces.map(namespace => listAll(client, { kind: CLAIM, namespace, labelSelector })),
  );
  return lists.flat();
}

interface Outcome {
  readonly removedCount: number;
  readonly kept: readonly KubeObject[];
  readonly isPurge: boolean;
}

function conclude(app: App, { removedCount, kept, isPurge }: Outcome): void {
  const { terminal } = app;
  if (removedCount === 0) terminal.print(`There is no installation of ours in ${OPERATOR_NAMESPACE}.`);
  if (kept.length === 0) return;
  terminal.print(
    isPurge ? 'Kept, with the models in them:' : 'These go on serving, but nobody looks after them now:',
  );
  for (const object of kept) terminal.print(`  ${nameOf(object)}`);
  terminal.print(
    isPurge
      ? 'Delete them with: kubectl delete pvc -A -l ollama-deployment'
      : '`bigo install` takes them up again; `bigo uninstall --purge` deletes them.',
  );
}
