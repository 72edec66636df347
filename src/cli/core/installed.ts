// What stands between an installation and the cluster as it is: foreigners, newer versions, and what would change.
// Never asks the cluster: it is given what was read.
import type { KubeObject } from '../../api/kube-object.ts';
import { difference } from '../../operator/core/subset.ts';
import { INSTALLER, MANAGED_BY, VERSION_ANNOTATION } from '../../profiles/core/installation.ts';
import { compareVersions } from './version-order.ts';

export interface Pair {
  readonly object: KubeObject;
  /** Undefined = it is not there. */
  readonly live: KubeObject | undefined;
}

export interface Change extends Pair {
  readonly verb: 'create' | 'change' | 'keep';
  /** The first field that differs. */
  readonly path?: string;
}

export function changeOf({ object, live }: Pair): Change {
  if (live === undefined) return { verb: 'create', object, live };
  // A namespace that somebody else made is used as it is.
  if (object.kind === 'Namespace' && !isOurs(live)) return { verb: 'keep', object, live };
  const path = difference(object, live, INSTALLER);
  return path === undefined ? { verb: 'keep', object, live } : { verb: 'change', object, live, path };
}

const isOurs = ({ metadata }: KubeObject): boolean => metadata.labels?.[MANAGED_BY] === INSTALLER;

/** Why an object may not be touched; undefined = it may. */
export function obstacle({ object, live }: Pair): string | undefined {
  if (live === undefined || object.kind === 'Namespace') return undefined;
  const there = live.metadata.annotations?.[VERSION_ANNOTATION];
  const coming = object.metadata.annotations?.[VERSION_ANNOTATION] ?? '';
  if (isOurs(live)) {
    if (there === undefined || compareVersions(there, coming) <= 0) return storedElsewhere({ object, live });
    return `was put there by the newer version ${there}; this is ${coming}`;
  }
  const { labels = {}, annotations = {} } = live.metadata;
  const release = annotations['meta.helm.sh/release-name'];
  if (release !== undefined) return `belongs to the Helm release ${release}`;
  const manager = labels[MANAGED_BY];
  if (manager !== undefined) return `belongs to ${manager}`;
  // Our own files, applied by kubectl.
  if (labels['app.kubernetes.io/part-of'] === 'bigo') return storedElsewhere({ object, live });
  return 'was made by somebody else';
}

interface Definition {
  readonly spec?: { readonly versions?: readonly { readonly name: string }[] };
  readonly status?: { readonly storedVersions?: readonly string[] };
}

/** Objects that are stored in a version which would not be there any more could not be read again. */
function storedElsewhere({ object, live }: Pair): string | undefined {
  if (object.kind !== 'CustomResourceDefinition') return undefined;
  const known = ((object as Definition).spec?.versions ?? []).map(version => version.name);
  const lost = ((live as Definition | undefined)?.status?.storedVersions ?? []).filter(
    version => !known.includes(version),
  );
  return lost.length === 0
    ? undefined
    : `has objects stored as ${lost.join(', ')}, which this version cannot read`;
}
