// Makes the objects of an installation true in a cluster: looks first, refuses before the first write, writes only what differs.
// Never takes over what belongs to somebody else, unless told to.
import type { KubeObject } from '../../api/kube-object.ts';
import { INSTALLER, MANAGED_BY } from '../../profiles/core/installation.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import { kubeCode } from '../../platform/kube/kube-error.ts';
import { type Change, changeOf, obstacle, type Pair } from '../core/installed.ts';
import { CliError } from '../exit.ts';
import { CLUSTER_EXIT, listAll, noRights } from './access.ts';
import { ACCESS_REVIEW, INSTALLED_KINDS, installedKindOf, nameOf, NAMESPACE, ROLES } from './kinds.ts';

export interface PutOptions {
  /** Take over what belongs to somebody else, and go back behind a newer version. */
  readonly takesOver: boolean;
  readonly onChange: (change: Change) => void;
}

export async function readPairs(client: KubeClient, objects: readonly KubeObject[]): Promise<Pair[]> {
  return Promise.all(objects.map(async object => ({ object, live: await readLive(client, object) })));
}

export async function readLive(client: KubeClient, object: KubeObject): Promise<KubeObject | undefined> {
  const { name, namespace } = object.metadata;
  try {
    return await client.get({ kind: installedKindOf(object), name, namespace });
  } catch (error) {
    if (kubeCode(error) === 404) return undefined;
    throw error;
  }
}

export async function put(
  client: KubeClient,
  pairs: readonly Pair[],
  options: PutOptions,
): Promise<Change[]> {
  if (!options.takesOver) refuseObstacles(pairs);
  await refuseAbsentNamespaces(client, pairs);
  const changes = pairs.map(changeOf);
  await refuseWithoutRights(client, changes);
  for (const change of changes) {
    if (change.verb !== 'keep') await write(client, change.object);
    options.onChange(change);
  }
  return changes;
}

async function write(client: KubeClient, object: KubeObject): Promise<void> {
  await client.apply(installedKindOf(object), object, { fieldManager: INSTALLER, force: true });
}

/** Those that this installation makes itself need not be there yet. */
async function refuseAbsentNamespaces(client: KubeClient, pairs: readonly Pair[]): Promise<void> {
  const made = pairs.flatMap(({ object }) => (object.kind === 'Namespace' ? [object.metadata.name] : []));
  const wanted = pairs.flatMap(({ object, live }) =>
    live === undefined ? (object.metadata.namespace ?? []) : [],
  );
  const asked = [...new Set(wanted)].filter(name => !made.includes(name));
  const found = await Promise.all(asked.map(async name => ({ name, isThere: await isThere(client, name) })));
  const absent = found.filter(({ isThere }) => !isThere).map(({ name }) => name);
  if (absent.length === 0) return;
  throw new CliError(`nothing was changed, for there is no namespace ${absent.join(', ')}`, {
    next: absent.map(name => `kubectl create namespace ${name}`).join('; '),
  });
}

/** Who may not look at namespaces is believed. */
async function isThere(client: KubeClient, name: string): Promise<boolean> {
  try {
    await client.get({ kind: NAMESPACE, name });
    return true;
  } catch (error) {
    return kubeCode(error) !== 404;
  }
}

function refuseObstacles(pairs: readonly Pair[]): void {
  const found = pairs.flatMap(pair => {
    const why = obstacle(pair);
    return why === undefined ? [] : [`${nameOf(pair.object)} ${why}`];
  });
  if (found.length === 0) return;
  throw new CliError(`nothing was changed, for something is in the way:\n  ${found.join('\n  ')}`, {
    exitCode: CLUSTER_EXIT.notOurs,
    next: 'Use what installed it to change it, delete it, or give --force to take it over.',
  });
}

/** Asked before the first write, so that nobody ends with half an installation. */
async function refuseWithoutRights(client: KubeClient, changes: readonly Change[]): Promise<void> {
  const wishes = new Map<string, { verb: string; object: KubeObject }>();
  for (const { verb, object } of changes) {
    if (verb === 'keep') continue;
    for (const needed of verb === 'create' ? ['create', 'patch'] : ['patch']) {
      wishes.set(`${needed} ${installedKindOf(object).plural} ${object.metadata.namespace ?? ''}`, {
        verb: needed,
        object,
      });
    }
  }
  const asked = [...wishes].map(async ([text, { verb, object }]) => ({
    text,
    may: await may(client, verb, object),
  }));
  const missing = (await Promise.all(asked)).filter(answer => !answer.may).map(answer => answer.text.trim());
  if (missing.length > 0) throw noRights(missing);
}

async function may(client: KubeClient, verb: string, object: KubeObject): Promise<boolean> {
  const { plural, apiVersion } = installedKindOf(object);
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
  const { namespace } = object.metadata;
  const resourceAttributes = {
    verb,
    resource: plural,
    group,
    ...(namespace === undefined ? {} : { namespace }),
  };
  const review = {
    apiVersion: ACCESS_REVIEW.apiVersion,
    kind: ACCESS_REVIEW.kind,
    metadata: {},
    spec: { resourceAttributes },
  };
  const answer = await client.create(ACCESS_REVIEW, review as unknown as KubeObject);
  return (answer['status'] as { allowed?: boolean } | undefined)?.allowed === true;
}

/** Everything in the cluster that carries the installer's mark. */
export async function installedObjects(client: KubeClient, kinds = INSTALLED_KINDS): Promise<KubeObject[]> {
  const labelSelector = `${MANAGED_BY}=${INSTALLER}`;
  const lists = await Promise.all(kinds.map(kind => listAll(client, { kind, labelSelector })));
  return lists.flat();
}

/** What an earlier installation made and this one does not: rights in namespaces that are no longer looked after. */
export async function leftOver(client: KubeClient, wanted: readonly KubeObject[]): Promise<KubeObject[]> {
  const names = new Set(wanted.map(nameOf));
  return (await installedObjects(client, ROLES)).filter(object => !names.has(nameOf(object)));
}

/** False: it was gone already. */
export async function remove(client: KubeClient, object: KubeObject): Promise<boolean> {
  const { name, namespace, uid } = object.metadata;
  const options = { propagation: 'Background' as const, ...(uid === undefined ? {} : { uid }) };
  try {
    await client.delete({ kind: installedKindOf(object), name, namespace }, options);
    return true;
  } catch (error) {
    if (kubeCode(error) === 404) return false;
    throw error;
  }
}
