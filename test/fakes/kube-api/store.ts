// Objects, versions and the history of changes of the fake API server. Never knows HTTP.
import { applied, managedFields, type Manager, type Ownership, updated } from './apply.ts';
import type { Fields, Json } from './fields.ts';

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly version: number;
  readonly collection: string;
  readonly object: Fields;
}

interface Stored {
  readonly object: Fields;
  readonly ownership: Ownership;
}

export interface ObjectName {
  /** `GROUP/VERSION/plural`. */
  readonly collection: string;
  readonly namespace: string;
  readonly name: string;
}

export class Refusal extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

export class Store {
  version = 1000;
  /** Changes that are still known; older ones were compacted. */
  history: Change[] = [];
  oldest = 0;
  private uids = 0;
  private readonly objects = new Map<string, Stored>();
  private readonly listeners = new Set<(change: Change) => void>();

  onChange(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  list(collection: string, namespace: string): Fields[] {
    const prefix = `${collection} ${namespace === '' ? '' : `${namespace}/`}`;
    const found = [...this.objects].filter(([key]) => key.startsWith(prefix));
    return found.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, stored]) => shown(stored));
  }

  get(at: ObjectName): Fields {
    return shown(this.known(at));
  }

  create(at: ObjectName, object: Fields, by: Manager): Fields {
    if (this.objects.has(keyOf(at))) throw new Refusal(409, 'AlreadyExists', `${at.name} already exists`);
    return this.write(at, undefined, { object, ownership: updated(undefined, object, by, []) });
  }

  replace(at: ObjectName, object: Fields, by: Manager): Fields {
    const before = this.known(at);
    const wanted = meta(object)['resourceVersion'];
    if (wanted !== undefined && wanted !== meta(before.object)['resourceVersion']) {
      throw new Refusal(409, 'Conflict', 'the object has been modified');
    }
    const whole =
      by.subresource === ''
        ? { ...object, ...statusOf(before.object) }
        : { ...before.object, ...statusOf(object) };
    const ownership = updated(before.object, whole, by, before.ownership);
    return this.write(at, before, { object: whole, ownership });
  }

  mergePatch(at: ObjectName, patch: Fields, by: Manager): Fields {
    const before = this.known(at);
    const object = mergePatched(before.object, patch) as Fields;
    return this.write(at, before, {
      object,
      ownership: updated(before.object, object, by, before.ownership),
    });
  }

  apply(at: ObjectName, config: Fields, { by, force }: { by: Manager; force: boolean }): Fields {
    const before = this.objects.get(keyOf(at));
    if (before === undefined && by.subresource !== '') throw notFound(at);
    const result = applied(before?.object, before?.ownership ?? [], { config, manager: by, force });
    return this.write(at, before, result);
  }

  delete(at: ObjectName, wanted: { readonly uid?: string; readonly orphans: boolean }): void {
    const { object } = this.known(at);
    const { uid } = meta(object) as { uid: string };
    if (wanted.uid !== undefined && wanted.uid !== uid) throw new Refusal(409, 'Conflict', 'another uid');
    this.objects.delete(keyOf(at));
    this.tell({ type: 'DELETED', collection: at.collection, object: this.stamped(object) });
    if (!wanted.orphans) this.collect(uid);
  }

  /** From now on nobody can go on from before this point. */
  compact(): void {
    this.oldest = this.version;
    this.history = [];
  }

  /** As the garbage collector does: what has lost its controller goes. */
  private collect(uid: string): void {
    for (const [key, { object }] of this.objects) {
      const owners = (meta(object)['ownerReferences'] ?? []) as Fields[];
      if (!owners.some(owner => owner['uid'] === uid)) continue;
      this.delete(nameOfKey(key), { orphans: false });
    }
  }

  private known(at: ObjectName): Stored {
    const stored = this.objects.get(keyOf(at));
    if (stored === undefined) throw notFound(at);
    return stored;
  }

  private write(at: ObjectName, before: Stored | undefined, next: Stored): Fields {
    const old = before?.object;
    const object = { ...next.object, metadata: this.metadata(at, old, next.object) };
    const isSame = old !== undefined && JSON.stringify(object) === JSON.stringify(old);
    const isSameOwners =
      JSON.stringify(managedFields(next.ownership)) ===
      JSON.stringify(managedFields(before?.ownership ?? []));
    if (before !== undefined && isSame && isSameOwners) return shown(before);
    const stored = { object: this.stamped(object), ownership: next.ownership };
    this.objects.set(keyOf(at), stored);
    const type = before === undefined ? 'ADDED' : 'MODIFIED';
    this.tell({ type, collection: at.collection, object: shown(stored) });
    return shown(stored);
  }

  private metadata(at: ObjectName, old: Fields | undefined, object: Fields): Fields {
    const kept = old === undefined ? {} : meta(old);
    const { managedFields: _own, resourceVersion: _version, ...declared } = meta(object);
    const isChanged = old === undefined || JSON.stringify(old['spec']) !== JSON.stringify(object['spec']);
    return {
      ...declared,
      name: at.name,
      ...(at.namespace === '' ? {} : { namespace: at.namespace }),
      uid: kept['uid'] ?? `uid-${++this.uids}`,
      creationTimestamp: kept['creationTimestamp'] ?? new Date().toISOString(),
      generation: Number(kept['generation'] ?? 0) + (isChanged ? 1 : 0),
      ...(kept['resourceVersion'] === undefined ? {} : { resourceVersion: kept['resourceVersion'] }),
    };
  }

  private stamped(object: Fields): Fields {
    this.version += 1;
    return { ...object, metadata: { ...meta(object), resourceVersion: String(this.version) } };
  }

  private tell(change: Omit<Change, 'version'>): void {
    const whole = { ...change, version: this.version };
    this.history.push(whole);
    for (const listener of this.listeners) listener(whole);
  }
}

export function meta(object: Fields): Fields {
  return (object['metadata'] ?? {}) as Fields;
}

function keyOf({ collection, namespace, name }: ObjectName): string {
  return `${collection} ${namespace}/${name}`;
}

function nameOfKey(key: string): ObjectName {
  const [collection = '', rest = ''] = key.split(' ');
  const [namespace = '', name = ''] = rest.split('/');
  return { collection, namespace, name };
}

function notFound({ collection, name }: ObjectName): Refusal {
  return new Refusal(404, 'NotFound', `${collection} "${name}" not found`);
}

function shown({ object, ownership }: Stored): Fields {
  return structuredClone({
    ...object,
    metadata: { ...meta(object), managedFields: managedFields(ownership) },
  });
}

function statusOf(object: Fields): Fields {
  return object['status'] === undefined ? {} : { status: object['status'] };
}

/** RFC 7386. */
function mergePatched(target: Json | undefined, patch: Json): Json {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const result: Fields = isObject ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatched(result[key], value);
  }
  return result;
}
