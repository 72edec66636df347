// `bigo scale`: how many Ollama pods a fleet has, through the scale subresource. Never touches another field.
import type { Command } from 'commander';
import type { KubeClient } from '../../platform/kube/client.ts';
import { kubeCode } from '../../platform/kube/kube-error.ts';
import type { KubeKind } from '../../platform/kube/paths.ts';
import type { App } from '../app.ts';
import { CliError, usageError } from '../exit.ts';
import { addClusterOptions, CLUSTER_EXIT_TEXT, namespaceOf, withCluster } from './access.ts';
import { DEPLOYMENT, FLEET, STATEFUL_SET } from './kinds.ts';
import type { NamespaceFlags } from './status.ts';

export function define(command: Command, app: App): void {
  addClusterOptions(command)
    .argument('<fleet>', 'name of the OllamaDeployment, or of the workload of a plain profile')
    .argument('<replicas>', 'number of Ollama pods')
    .option('-n, --namespace <name>', 'default: the one of the context')
    .addHelpText(
      'after',
      `\nExample:\n  $ bigo scale my-fleet 3 -n ml\n\nPods that go finish their streams first. ${CLUSTER_EXIT_TEXT}`,
    )
    .action((fleet: string, replicas: string, flags: NamespaceFlags) =>
      scale(app, { fleet, replicas }, flags),
    );
}

interface Wish {
  readonly fleet: string;
  readonly replicas: string;
}

async function scale(app: App, { fleet, replicas }: Wish, flags: NamespaceFlags): Promise<void> {
  const count = /^\d{1,3}$/.test(replicas) ? Number(replicas) : undefined;
  if (count === undefined) throw usageError(`"${replicas}" is no number of pods`);
  await withCluster(app, flags, async ({ client, access }) => {
    const namespace = namespaceOf(flags, access);
    for (const kind of [FLEET, STATEFUL_SET, DEPLOYMENT]) {
      const before = await scaled(client, { kind, namespace, name: fleet }, count);
      if (before !== undefined)
        return app.terminal.print(`${kind.kind} ${namespace}/${fleet}: ${before} -> ${count} pods`);
    }
    throw new CliError(`there is no fleet ${fleet} in namespace ${namespace}`, {
      next: '`bigo status -n NAMESPACE` lists the fleets.',
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
