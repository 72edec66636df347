// How an object lies in memory while nobody looks at it: as JSON text, a quarter of what the same object weighs; looked at, it is read anew.
// Never hands out a tree that is kept: who changes what he got changes his own copy.
import type { KubeManagedFields, KubeObject } from '../api/kube-object.ts';
import type { KubeKind } from '../platform/kube/paths.ts';

export interface Kept {
  readonly uid: string | undefined;
  readonly version: string | undefined;
  open(): KubeObject;
}

/** Objects of the cluster itself are few, trimmed and read by every pass: they stay as they are. */
export function keep(kind: KubeKind, object: KubeObject): Kept {
  return kind.isNamespaced ? new KeptText(object) : new KeptObject(object);
}

class KeptObject implements Kept {
  readonly uid: string | undefined;
  readonly version: string | undefined;
  private readonly object: KubeObject;

  constructor(object: KubeObject) {
    this.uid = object.metadata.uid;
    this.version = object.metadata.resourceVersion;
    this.object = freeze(object);
  }

  open(): KubeObject {
    return this.object;
  }
}

/** Stands for the uid of the owner, the one thing in which the managed fields of two fleets differ; JSON text has no line end. */
const ownerMark = '\n';

class KeptText implements Kept {
  readonly uid: string | undefined;
  readonly version: string | undefined;
  private readonly text: string;
  private readonly fields: string | undefined;
  private readonly owner: string;

  constructor(object: KubeObject) {
    const { managedFields, ...metadata } = object.metadata;
    this.uid = metadata.uid;
    this.version = metadata.resourceVersion;
    this.text = JSON.stringify({ ...object, metadata });
    this.owner = metadata.ownerReferences?.[0]?.uid ?? ownerMark;
    const fields = managedFields === undefined ? undefined : JSON.stringify(managedFields);
    this.fields = fields === undefined ? undefined : shared(fields.replaceAll(this.owner, ownerMark));
  }

  open(): KubeObject {
    const object = JSON.parse(this.text) as KubeObject;
    if (this.fields === undefined) return object;
    const managedFields = JSON.parse(this.fields.replaceAll(ownerMark, this.owner)) as KubeManagedFields[];
    return { ...object, metadata: { ...object.metadata, managedFields } };
  }
}

const sharedTexts = new Map<string, string>();
const sharedTextsMax = 1_000;

/** Objects of a kind have the same managed fields in every fleet: the text of each is kept once. */
function shared(text: string): string {
  const known = sharedTexts.get(text);
  if (known !== undefined) return known;
  if (sharedTexts.size >= sharedTextsMax) sharedTexts.clear();
  sharedTexts.set(text, text);
  return text;
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
  return value;
}
