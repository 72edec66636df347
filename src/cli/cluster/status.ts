// `bigo status` for a cluster: the fleets of a namespace, what is wrong with them, their models and pods. Never changes anything.
import type { KubeObject } from '../../api/kube-object.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import { kubeCode } from '../../platform/kube/kube-error.ts';
import type { App } from '../app.ts';
import { fleetRows, modelRows, podRows, troubles } from '../core/cluster-text.ts';
import { tableLines } from '../core/table.ts';
import {
  type ClusterFlags,
  type ClusterSession,
  listAll,
  namespaceOf,
  refuseAbsentNamespace,
  withCluster,
} from './access.ts';
import { FLEET, POD } from './kinds.ts';

export interface NamespaceFlags extends ClusterFlags {
  readonly namespace?: string;
  readonly json?: boolean;
}

/** Every pod of a fleet, of an operator's or of a plain profile. */
const FLEET_PODS = 'app.kubernetes.io/part-of=bigo,app.kubernetes.io/instance';

export async function clusterStatus(app: App, flags: NamespaceFlags): Promise<void> {
  await withCluster(app, flags, async session => {
    const namespace = namespaceOf(flags, session.access);
    const known = await fleetsIn(session.client, namespace);
    const fleets = known ?? [];
    const pods = await listAll(session.client, { kind: POD, namespace, labelSelector: FLEET_PODS });
    if (fleets.length === 0 && pods.length === 0) await refuseAbsentNamespace(session, namespace);
    if (flags.json === true) return app.terminal.print(JSON.stringify({ namespace, fleets, pods }));
    show(app, session, { namespace, fleets, pods, isInstalled: known !== undefined });
  });
}

/** Undefined where the cluster knows no such resource: a plain profile needs no operator. */
async function fleetsIn(client: KubeClient, namespace: string): Promise<readonly KubeObject[] | undefined> {
  try {
    return await listAll(client, { kind: FLEET, namespace });
  } catch (error) {
    if (kubeCode(error) === 404) return undefined;
    throw error;
  }
}

interface Seen {
  readonly namespace: string;
  readonly fleets: readonly KubeObject[];
  readonly pods: readonly KubeObject[];
  readonly isInstalled: boolean;
}

function show(app: App, { access }: ClusterSession, { namespace, fleets, pods, isInstalled }: Seen): void {
  const { terminal } = app;
  const { paint } = terminal;
  if (fleets.length === 0 && pods.length === 0) {
    terminal.print(`There is no fleet in namespace ${namespace} of ${access.server}.`);
    if (!isInstalled) terminal.print('This cluster knows no OllamaDeployment yet: `bigo install` adds it.');
    return;
  }
  const print = (lines: readonly string[]) => lines.forEach(line => terminal.print(line));
  if (fleets.length > 0) {
    print(tableLines(fleetRows(fleets), { head: ['FLEET', 'PHASE', 'PODS', 'MODELS', 'ADDRESS'], paint }));
  }
  for (const fleet of fleets) {
    for (const trouble of troubles(fleet))
      terminal.print(paint('yellow', `${fleet.metadata.name}: ${trouble}`));
  }
  const models = fleets.flatMap(modelRows);
  if (models.length > 0) print(['', ...tableLines(models, { head: ['MODEL', 'READY', 'STATE', ''], paint })]);
  if (pods.length > 0)
    print([
      '',
      ...tableLines(podRows(pods), { head: ['POD', 'STATE', 'RESTARTS', 'NODE'], right: [2], paint }),
    ]);
}
