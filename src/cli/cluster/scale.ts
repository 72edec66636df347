// `bigo scale`: how many Ollama pods a fleet has, through the scale subresource. Never touches another field.
import type { Command } from 'commander';
import { selectorText } from '../../operator/core/names.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import { kubeCode } from '../../platform/kube/kube-error.ts';
import type { KubeKind, KubeRef } from '../../platform/kube/paths.ts';
import type { App } from '../app.ts';
import { scaleState, type Workload } from '../core/rollout.ts';
import { CliError, usageError } from '../exit.ts';
import {
  addClusterOptions,
  CLUSTER_EXIT,
  CLUSTER_EXIT_TEXT,
  listAll,
  namespaceOf,
  refuseAbsentNamespace,
  withCluster,
} from './access.ts';
import { DEPLOYMENT, FLEET, POD, STATEFUL_SET } from './kinds.ts';
import type { NamespaceFlags } from './status.ts';
import { timeMs, until } from './until.ts';

export function define(command: Command, app: App): void {
  addClusterOptions(command)
    .argument('<fleet>', 'name of the OllamaDeployment, or of the workload of a plain profile')
    .argument('<replicas>', 'number of Ollama pods')
    .option('-n, --namespace <name>', 'default: the one of the context')
    .option('--wait', 'wait until so many pods are ready and the others are gone')
    .option('--timeout <time>', 'with --wait: at most so long', '10m')
    .addHelpText(
      'after',
      `\nExamples:\n  $ bigo scale my-fleet 3 -n ml\n  $ bigo scale my-fleet 1 -n ml --wait --timeout 30m\n\nPods that go finish their streams first. ${CLUSTER_EXIT_TEXT}`,
    )
    .action((fleet: string, replicas: string, flags: ScaleFlags) => scale(app, { fleet, replicas }, flags));
}

interface ScaleFlags extends NamespaceFlags {
  readonly wait?: boolean;
  readonly timeout: string;
}

interface Wish {
  readonly fleet: string;
  readonly replicas: string;
}

async function scale(app: App, { fleet, replicas }: Wish, flags: ScaleFlags): Promise<void> {
  const count = /^\d{1,3}$/.test(replicas) ? Number(replicas) : undefined;
  if (count === undefined) throw usageError(`"${replicas}" is no number of pods`, 'Write 0 to 999.');
  const msMax = timeMs('--timeout', flags.timeout);
  await withCluster(app, flags, async session => {
    const { client, access } = session;
    const namespace = namespaceOf(flags, access);
    for (const kind of [FLEET, STATEFUL_SET, DEPLOYMENT]) {
      const before = await scaled(client, { kind, namespace, name: fleet }, count);
      if (before === undefined) continue;
      app.terminal.print(`${kind.kind} ${namespace}/${fleet}: ${before} -> ${count} pods`);
      const set =
        kind === FLEET
          ? { kind: STATEFUL_SET, namespace, name: `${fleet}-ollama` }
          : { kind, namespace, name: fleet };
      if (flags.wait === true) await untilScaled(app, client, { set, count, msMax });
      return;
    }
    await refuseAbsentNamespace(session, namespace);
    throw new CliError(`there is no fleet ${fleet} in namespace ${namespace}`, {
      next: `\`bigo status -n ${namespace}\` lists the fleets.`,
    });
  });
}

/** The size before; undefined = there is no such object. */
async function scaled(
  client: KubeClient,
  ref: { readonly kind: KubeKind; readonly namespace: string; readonly name: string },
  replicas: number,
): Promise<number | undefined> {
  const target = { ...ref, subresource: 'scale' };
  try {
    const live = (await client.get(target)) as unknown as { readonly spec?: { readonly replicas?: number } };
    await client.merge(target, { spec: { replicas } }, 'bigo-scale');
    return live.spec?.replicas ?? 0;
  } catch (error) {
    if (kubeCode(error) === 404) return undefined;
    throw error;
  }
}

/** Of a fleet the operator scales the set: until it did, the set still wants as many as before. */
async function untilScaled(
  app: App,
  client: KubeClient,
  { set, count, msMax }: { readonly set: KubeRef; readonly count: number; readonly msMax: number },
): Promise<void> {
  const { seen, isDone } = await until({
    look: async () => scaleState(await workload(client, set), count),
    isDone: state => state.isDone,
    text: state => state.text,
    onText: text => app.terminal.tell(text),
    msMax,
    signal: app.interrupted(),
  });
  if (isDone) return app.terminal.print(seen.text);
  throw new CliError(`not scaled after ${Math.round(msMax / 1000)} s: ${seen.text}`, {
    exitCode: CLUSTER_EXIT.notReady,
    next: `It goes on by itself. \`bigo status -n ${set.namespace ?? ''}\` names what is wrong.`,
  });
}

async function workload(client: KubeClient, ref: KubeRef): Promise<Workload> {
  try {
    const live = (await client.get(ref)) as unknown as Workload;
    return ref.kind === DEPLOYMENT ? await withEnding(client, ref, live) : live;
  } catch (error) {
    if (kubeCode(error) === 404) return { metadata: {} };
    throw error;
  }
}

/** A StatefulSet counts its pods until they are gone, a Deployment those alone that are to stay. */
async function withEnding(client: KubeClient, { namespace }: KubeRef, live: Workload): Promise<Workload> {
  const { spec, status } = live;
  const labelSelector = selectorText(spec?.selector?.matchLabels ?? {});
  const pods = await listAll(client, { kind: POD, namespace, labelSelector });
  const ending = pods.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
  return { ...live, status: { ...status, replicas: (status?.replicas ?? 0) + ending.length } };
}
