// Kinds of objects and their addresses on the API server. Never guesses a plural: it is part of the kind.

export interface KubeKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  /** False for what belongs to the whole cluster. */
  readonly isNamespaced: boolean;
}

export function namespacedKind(apiVersion: string, kind: string, plural: string): KubeKind {
  return { apiVersion, kind, plural, isNamespaced: true };
}

export function clusterKind(apiVersion: string, kind: string, plural: string): KubeKind {
  return { apiVersion, kind, plural, isNamespaced: false };
}

/** An object by name, without its content. */
export interface KubeRef {
  readonly kind: KubeKind;
  readonly namespace?: string | undefined;
  readonly name: string;
  /** Such as `scale`; absent = the object itself. */
  readonly subresource?: string;
}

export function collectionPath(kind: KubeKind, namespace?: string): string {
  const root = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`;
  const scope =
    kind.isNamespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${kind.plural}`;
}

export function objectPath(ref: KubeRef, subresource = ref.subresource): string {
  const { kind, namespace, name } = ref;
  const path = `${collectionPath(kind, namespace)}/${encodeURIComponent(name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

export function queryText(query: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  if (given.length === 0) return '';
  return `?${new URLSearchParams(Object.fromEntries(given.map(([key, value]) => [key, String(value)]))).toString()}`;
}
