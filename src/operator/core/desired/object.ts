// The parts that all objects share: metadata with labels and owner, references, text encodings. Never a kind's own fields.
import type { KubeObject } from '../../../api/kube-object.ts';
import { API_VERSION, KIND } from '../../../api/ollama-deployment/resource.ts';
import { type App, labelsOf } from '../names.ts';
import type { Context } from './input.ts';

interface Identity {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly app: App;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Data that outlive the resource have no owner: nothing collects them. */
  readonly isKept?: boolean;
}

export function object(context: Context, identity: Identity, fields: Record<string, unknown>): KubeObject {
  const { name, namespace, uid } = context.resolved;
  const { apiVersion, kind, app, annotations, labels, isKept = false } = identity;
  const owner = {
    apiVersion: API_VERSION,
    kind: KIND,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
  return {
    apiVersion,
    kind,
    metadata: {
      name: identity.name,
      namespace,
      labels: { ...labelsOf(name, app), ...labels },
      ...(annotations === undefined || Object.keys(annotations).length === 0 ? {} : { annotations }),
      ...(isKept || uid === '' ? {} : { ownerReferences: [owner] }),
    },
    ...fields,
  };
}

export function configMap(
  context: Context,
  { name, app, labels }: Pick<Identity, 'name' | 'app' | 'labels'>,
  data: Readonly<Record<string, string>>,
): KubeObject {
  const identity = { apiVersion: 'v1', kind: 'ConfigMap', name, app };
  return object(context, labels === undefined ? identity : { ...identity, labels }, { data });
}

/** JSON is YAML, and needs no library to be written the same every time. */
export const yamlText = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

/** Undefined values are left out, all the way down. */
export function tidy<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(tidy) as Value;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.map(([key, item]) => [key, tidy(item)])) as Value;
}

export function secretData(texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, base64(text)]));
}

function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), byte => String.fromCharCode(byte)).join(''));
}
