// A resolved resource -> every object it becomes, in one order that never changes. The heart of the operator and of `bigo render`.
// Never asks the cluster anything: what it must know of it is in the input.
import type { KubeObject } from '../../../api/kube-object.ts';
import type { Note } from '../../../api/ollama-deployment/resolve.ts';
import { namesOf } from '../names.ts';
import { modelsConfigMap } from './agent.ts';
import { disruptionBudgets, ingresses, serviceAccounts } from './around.ts';
import { dashboards } from './dashboards.ts';
import { gatewayObjects } from './gateway.ts';
import type { Context, Desired, DesiredInput } from './input.ts';
import { networkPolicies } from './network.ts';
import { tidy } from './object.ts';
import { ollamaServices, ollamaWorkloads, settingsConfigMap } from './ollama.ts';
import { openwebuiObjects } from './openwebui.ts';
import { optionalObjects } from './optional.ts';
import { missingKeys, secretObjects } from './secrets.ts';
import { tabbyObjects } from './tabby.ts';

/** What others need goes first: a pod that starts before its Secret only waits for it. */
const KIND_ORDER = [
  'ServiceAccount',
  'Secret',
  'ConfigMap',
  'PersistentVolumeClaim',
  'Role',
  'RoleBinding',
  'NetworkPolicy',
  'PodDisruptionBudget',
  'Service',
  'StatefulSet',
  'Deployment',
  'Ingress',
  'HorizontalPodAutoscaler',
  'ServiceMonitor',
  'PrometheusRule',
  'ScaledObject',
];

export function desired(input: DesiredInput): Desired {
  const context: Context = { ...input, names: namesOf(input.resolved.name) };
  const optional = optionalObjects(context);
  const objects = [
    ...serviceAccounts(context),
    ...secretObjects(context),
    modelsConfigMap(context),
    settingsConfigMap(context),
    ...ollamaServices(context),
    ...ollamaWorkloads(context),
    ...gatewayObjects(context),
    ...openwebuiObjects(context),
    ...tabbyObjects(context),
    ...ingresses(context),
    ...disruptionBudgets(context),
    ...networkPolicies(context),
    ...dashboards(context),
    ...optional.objects,
  ];
  return {
    objects: objects.map(tidy).toSorted(inOrder),
    notes: [...input.resolved.notes, ...optional.notes, ...secretNotes(input), ...unmetWishes(input)],
  };
}

function inOrder(a: KubeObject, b: KubeObject): number {
  const byKind = KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind);
  if (byKind !== 0) return byKind;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

function secretNotes({ resolved, secrets }: DesiredInput): Note[] {
  return missingKeys(resolved, secrets).map(missing => ({
    reason: 'SecretNotFound',
    message: `gateway.auth.secretName: the Secret lacks a key, or is not there: ${missing}`,
  }));
}

function unmetWishes({ resolved }: DesiredInput): Note[] {
  const { monitoring, gateway } = resolved;
  if (gateway !== undefined) return [];
  const wishes = [monitoring.alerts && 'alerts', monitoring.dashboards && 'dashboards'].filter(Boolean);
  return wishes.map(wish => ({
    reason: 'InvalidSpec',
    message: `monitoring.${String(wish)} is about the gateway: set gateway.enabled to true, or monitoring.${String(wish)}.enabled to false`,
  }));
}
