// What the operator has seen of the cluster: the newest version of each object, the many of them as text. Never asks the server.
import type { KubeObject } from '../api/kube-object.ts';
import type { KubeKind } from '../platform/kube/paths.ts';
import { keep, type Kept } from './kept.ts';

export type CacheChange =
  | { readonly type: 'set'; readonly object: KubeObject; readonly before: KubeObject | undefined }
  | { readonly type: 'gone'; readonly object: KubeObject };

type Listener = (kind: KubeKind, change: CacheChange) => void;

/** Objects of one kind by `namespace/name`. */
type Objects = Map<string, Kept>;

/** Who asks gets a copy of an object in a namespace, and the one frozen object of the cluster's own kinds, which every pass reads. */
export class Cache {
  private readonly byKind = new Map<string, Objects>();
  /** Children by the resource that they belong to. */
  private readonly byOwner = new Map<string, Map<string, Kept>>();
  private readonly ownerOf: (object: KubeObject) => string | undefined;
  private readonly listener: Listener;

  constructor(ownerOf: (object: KubeObject) => string | undefined, listener: Listener) {
    this.ownerOf = ownerOf;
    this.listener = listener;
  }

  get(kind: KubeKind, key: string): KubeObject | undefined {
    return this.byKind.get(kind.kind)?.get(key)?.open();
  }

  has(kind: KubeKind, key: string): boolean {
    return this.byKind.get(kind.kind)?.has(key) ?? false;
  }

  /** `namespace/name` of each. */
  keys(kind: KubeKind): string[] {
    return [...(this.byKind.get(kind.kind)?.keys() ?? [])];
  }

  all(kind: KubeKind): KubeObject[] {
    return [...(this.byKind.get(kind.kind)?.values() ?? [])].map(kept => kept.open());
  }

  /** In an order that does not depend on who came when: what is told of them must read the same after a restart. */
  children(owner: string): KubeObject[] {
    const found = [...(this.byOwner.get(owner) ?? [])];
    return found.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, kept]) => kept.open());
  }

  /** What a list said: everything else of its namespace is gone, also when nobody saw it go. */
  replace(kind: KubeKind, namespace: string | undefined, items: readonly KubeObject[]): void {
    const seen = new Set(items.map(objectKey));
    for (const [key, kept] of this.byKind.get(kind.kind) ?? []) {
      if (namespace !== undefined && !key.startsWith(`${namespace}/`)) continue;
      if (!seen.has(key)) this.remove(kind, kept.open());
    }
    for (const item of items) this.put(kind, item);
  }

  /** An event, or the answer to a write of ours. What is older than what is known is passed over. */
  set(kind: KubeKind, object: KubeObject): void {
    const before = this.kept(kind, objectKey(object));
    if (before !== undefined && isOlder(object, before)) return;
    this.put(kind, object);
  }

  delete(kind: KubeKind, object: KubeObject): void {
    const before = this.kept(kind, objectKey(object));
    if (before === undefined) return;
    const isAnother = before.uid !== object.metadata.uid;
    if (isAnother && isOlder(object, before)) return;
    this.remove(kind, before.open());
  }

  private kept(kind: KubeKind, key: string): Kept | undefined {
    return this.byKind.get(kind.kind)?.get(key);
  }

  private put(kind: KubeKind, object: KubeObject): void {
    const key = objectKey(object);
    const objects = this.byKind.get(kind.kind) ?? new Map<string, Kept>();
    this.byKind.set(kind.kind, objects);
    const known = objects.get(key);
    if (isSameVersion(known, object)) return;
    const before = known?.open();
    const kept = keep(kind, object);
    objects.set(key, kept);
    if (before !== undefined) this.unlink(kind, before);
    this.link(kind, object, kept);
    this.listener(kind, { type: 'set', object, before });
  }

  private remove(kind: KubeKind, object: KubeObject): void {
    this.byKind.get(kind.kind)?.delete(objectKey(object));
    this.unlink(kind, object);
    this.listener(kind, { type: 'gone', object });
  }

  private link(kind: KubeKind, object: KubeObject, kept: Kept): void {
    const owner = this.ownerOf(object);
    if (owner === undefined) return;
    const children = this.byOwner.get(owner) ?? new Map<string, Kept>();
    this.byOwner.set(owner, children);
    children.set(`${kind.kind} ${objectKey(object)}`, kept);
  }

  private unlink(kind: KubeKind, object: KubeObject): void {
    const owner = this.ownerOf(object);
    if (owner === undefined) return;
    const children = this.byOwner.get(owner);
    children?.delete(`${kind.kind} ${objectKey(object)}`);
    if (children?.size === 0) this.byOwner.delete(owner);
  }
}

export function objectKey({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

function isSameVersion(before: Kept | undefined, { metadata }: KubeObject): boolean {
  return before !== undefined && before.uid === metadata.uid && before.version === metadata.resourceVersion;
}

/** Versions are numbers of the store (KEP-5504); one that is not a number counts as newer. */
function isOlder(object: KubeObject, before: Kept): boolean {
  const version = object.metadata.resourceVersion ?? '';
  const known = before.version ?? '';
  if (!/^\d+$/.test(version) || !/^\d+$/.test(known)) return false;
  return version.length === known.length ? version < known : version.length < known.length;
}
