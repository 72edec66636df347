// Who may reach which pods: Ollama only through the gateway, admin ports only for our own. Egress is not limited: models are pulled.
// Never the health probes of a node: those are always let in.
import type { KubeObject } from '../../../api/kube-object.ts';
import { type App, type Labels, MANAGER_APP, OPERATOR_APP, PORTS, selectorOf } from '../names.ts';
import type { Context } from './input.ts';
import { object } from './object.ts';

type Peer = Record<string, unknown>;
interface Rule {
  readonly ports: readonly number[];
  /** Absent = from anywhere, also outside the cluster. */
  readonly from?: readonly Peer[];
}

const ours = (selector: Labels): Peer => ({ podSelector: { matchLabels: selector } });
const anyNamespace = (app: string): Peer => ({
  namespaceSelector: {},
  podSelector: { matchLabels: { 'app.kubernetes.io/name': app } },
});
const everyPod: Peer = { namespaceSelector: {} };
const OBSERVERS = [anyNamespace(OPERATOR_APP), anyNamespace(MANAGER_APP)];
const PROMETHEUS = anyNamespace('prometheus');

export function networkPolicies(context: Context): KubeObject[] {
  const { allowFrom, gateway, openwebui, tabby } = context.resolved;
  if (allowFrom === undefined) return [];
  const rules: readonly (readonly [App, readonly Rule[] | undefined])[] = [
    ['ollama', ollamaRules(context)],
    ['writer', context.resolved.ollama.storage.mode === 'shared' ? ollamaRules(context) : undefined],
    ['gateway', gateway === undefined ? undefined : gatewayRules(context)],
    [
      'openwebui',
      openwebui === undefined ? undefined : [{ ports: [PORTS.openwebui], ...callers(context, openwebui) }],
    ],
    ['tabby', tabby === undefined ? undefined : [{ ports: [PORTS.tabby], ...callers(context, tabby) }]],
  ];
  return rules.flatMap(([app, list]) => (list === undefined ? [] : [policy(context, app, list)]));
}

function watchers({ resolved }: Context): Peer[] {
  return resolved.monitoring.serviceMonitor === undefined ? OBSERVERS : [...OBSERVERS, PROMETHEUS];
}

function ollamaRules(context: Context): Rule[] {
  const { name, gateway, ollama } = context.resolved;
  const status = { ports: [PORTS.agent], from: watchers(context) };
  if (gateway === undefined) {
    return [{ ports: [PORTS.ollama], ...callers(context, ollama) }, status];
  }
  const fleet = [ours(selectorOf(name, 'gateway')), ...OBSERVERS];
  return [
    { ports: [PORTS.ollama], from: fleet },
    { ...status, from: [ours(selectorOf(name, 'gateway')), ...status.from] },
  ];
}

function gatewayRules(context: Context): Rule[] {
  const { name, gateway, ollama, allowFrom = [] } = context.resolved;
  const pods = (['ollama', 'writer', 'gateway'] as const).map(app => ours(selectorOf(name, app)));
  const main = callers(context, { service: ollama.service, ingress: gateway?.ingress });
  // The manager's page chats, pulls and deletes with the key of whoever looks at it.
  const manager = allowFrom.length > 0 ? [anyNamespace(MANAGER_APP)] : [];
  return [
    { ports: [PORTS.gateway], ...(main.from && { from: [...main.from, ...manager] }) },
    { ports: [PORTS.gatewayAdmin], from: [...pods, ...watchers(context)] },
  ];
}

interface Reached {
  readonly service: { readonly type: string };
  readonly ingress?: unknown;
}

/** What the user lists; else every pod, and outside addresses where a Service or an Ingress leads in. */
function callers({ resolved }: Context, { service, ingress }: Reached): Pick<Rule, 'from'> {
  const { allowFrom = [], name } = resolved;
  const components = (['openwebui', 'tabby'] as const).filter(app => resolved[app] !== undefined);
  if (allowFrom.length > 0) {
    return {
      from: [...components.map(app => ours(selectorOf(name, app))), ...(allowFrom as readonly Peer[])],
    };
  }
  return service.type === 'ClusterIP' && ingress === undefined ? { from: [everyPod] } : {};
}

function policy(context: Context, app: App, rules: readonly Rule[]): KubeObject {
  const identity = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    name: context.names[app],
    app,
  };
  return object(context, identity, {
    spec: {
      podSelector: { matchLabels: selectorOf(context.resolved.name, app) },
      policyTypes: ['Ingress'],
      ingress: rules.map(({ ports, from }) => ({
        ports: ports.map(port => ({ port, protocol: 'TCP' })),
        ...(from === undefined ? {} : { from }),
      })),
    },
  });
}
