// Every name, label, selector and port of the objects that a resource becomes. They never change: selectors cannot, and people type them.
// Never reads a field of the resource but its name.

const PART_OF = 'bigo';
const MANAGED_BY = 'bigo-operator';
/** What people select by: `kubectl get all -l ollama-deployment=<name>`; the second is what earlier operators set. */
const OWNER_LABELS = ['ollama-deployment', 'llm-deployment'] as const;
export const ANNOTATION_PREFIX = 'llm.geeper.io/';

export const PORTS = {
  ollama: 11_434,
  agent: 11_435,
  gateway: 11_434,
  gatewayAdmin: 11_436,
  openwebui: 8080,
  tabby: 8080,
} as const;

/** Value of app.kubernetes.io/name, by what runs in the pod. */
export const APPS = {
  ollama: 'ollama',
  writer: 'ollama-writer',
  gateway: 'bigo-gateway',
  openwebui: 'openwebui',
  tabby: 'tabby',
} as const;
export type App = keyof typeof APPS;

/** Pods of ours that reach into a fleet from elsewhere in the cluster. */
export const OPERATOR_APP = 'bigo-operator';
export const MANAGER_APP = 'bigo-manager';

export interface Names {
  /** StatefulSet of the Ollama pods, and the Service that people call. */
  readonly ollama: string;
  readonly ollamaPods: string;
  readonly writer: string;
  readonly gateway: string;
  readonly openwebui: string;
  readonly tabby: string;
  readonly models: string;
  readonly settings: string;
  readonly gatewayKeys: string;
  readonly gatewayAdmin: string;
  readonly dashboards: string;
}

export function namesOf(resource: string): Names {
  return {
    ollama: `${resource}-ollama`,
    ollamaPods: `${resource}-ollama-pods`,
    writer: `${resource}-ollama-writer`,
    gateway: `${resource}-gateway`,
    openwebui: `${resource}-openwebui`,
    tabby: `${resource}-tabby`,
    models: `${resource}-models`,
    settings: `${resource}-settings`,
    gatewayKeys: `${resource}-gateway-keys`,
    gatewayAdmin: `${resource}-gateway-admin`,
    dashboards: `${resource}-dashboards`,
  };
}

/** Every Secret that we ever make for a resource, whatever it asks for now. */
export function secretNames(resource: string): string[] {
  const { gatewayAdmin, gatewayKeys, openwebui, tabby } = namesOf(resource);
  return [gatewayAdmin, gatewayKeys, openwebui, tabby];
}

export type Labels = Readonly<Record<string, string>>;

/** The only labels that selectors use. */
export function selectorOf(resource: string, app: App): Labels {
  return { 'app.kubernetes.io/name': APPS[app], 'app.kubernetes.io/instance': resource };
}

export function selectorText(labels: Labels): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** Of every object. `app: ollama` is what earlier manifests select Ollama by; gateway pods never carry it. */
export function labelsOf(resource: string, app: App): Labels {
  return {
    ...selectorOf(resource, app),
    'app.kubernetes.io/component': app,
    'app.kubernetes.io/part-of': PART_OF,
    'app.kubernetes.io/managed-by': MANAGED_BY,
    ...Object.fromEntries(OWNER_LABELS.map(label => [label, resource])),
    ...(app === 'ollama' ? { app: 'ollama' } : {}),
  };
}

/** Ollama pods are named like this by their StatefulSet. */
export const podName = (resource: string, ordinal: number): string => `${resource}-ollama-${ordinal}`;
