// Objects of APIs that a cluster may lack: ServiceMonitor, PrometheusRule, ScaledObject; and the HorizontalPodAutoscaler.
// Never applied blindly: what the cluster lacks becomes a note for people, and no loop.
import type { KubeObject } from '../../../api/kube-object.ts';
import { API_VERSION, KIND } from '../../../api/ollama-deployment/resource.ts';
import type { Note, Resolved } from '../../../api/ollama-deployment/resolve.ts';
import { selectorOf } from '../names.ts';
import type { Context, Desired } from './input.ts';
import { object } from './object.ts';
import { alertRules } from './alerts.ts';

const MONITORING = 'monitoring.coreos.com/v1';
const KEDA = 'keda.sh/v1alpha1';
/** A model that was just loaded is dear to unload. */
const SCALE_DOWN_SECONDS = 600;

export function optionalObjects(context: Context): Desired {
  const wishes = [...serviceMonitors(context), ...prometheusRule(context), ...scaledObject(context)];
  const isThere = (wish: KubeObject) => context.apis.has(`${wish.apiVersion}/${wish.kind}`);
  const missing = new Set(
    wishes.filter(wish => !isThere(wish)).map(wish => `${wish.apiVersion} ${wish.kind}`),
  );
  const notes: Note[] = [...missing].map(kind => ({
    reason: 'OptionalApiMissing',
    message: `this cluster has no ${kind}: install what brings it, or switch off what asks for it`,
  }));
  return { objects: [...wishes.filter(isThere), ...podAutoscaler(context)], notes };
}

function serviceMonitors(context: Context): KubeObject[] {
  const { serviceMonitor } = context.resolved.monitoring;
  if (serviceMonitor === undefined) return [];
  const { name, gateway } = context.resolved;
  const { interval, labels } = serviceMonitor;
  const monitor = (app: 'ollama' | 'gateway', endpoint: Record<string, unknown>) => {
    const identity = {
      apiVersion: MONITORING,
      kind: 'ServiceMonitor',
      name: context.names[app],
      app,
      labels,
    };
    const selector = { matchLabels: selectorOf(name, app) };
    return object(context, identity, {
      spec: { selector, endpoints: [{ path: '/metrics', interval, ...endpoint }] },
    });
  };
  const token = { name: context.names.gatewayAdmin, key: 'token' };
  return [
    monitor('ollama', { port: 'agent' }),
    ...(gateway === undefined
      ? []
      : [monitor('gateway', { port: 'admin', authorization: { type: 'Bearer', credentials: token } })]),
  ];
}

function prometheusRule(context: Context): KubeObject[] {
  const { name, namespace, gateway, monitoring } = context.resolved;
  if (gateway === undefined || !monitoring.alerts) return [];
  const rules = alertRules({ namespace, job: context.names.gateway });
  const { labels = {} } = monitoring.serviceMonitor ?? {};
  const identity = {
    apiVersion: MONITORING,
    kind: 'PrometheusRule',
    name: context.names.ollama,
    app: 'ollama',
    labels,
  } as const;
  return [object(context, identity, { spec: { groups: [{ name: `bigo.${namespace}.${name}`, rules }] } })];
}

/** What scales is the resource itself, through its scale subresource. */
const target = ({ name }: Resolved) => ({ apiVersion: API_VERSION, kind: KIND, name });

/** Requests that wait or run, over all gateways; the fleet is named by the gateways themselves. */
function demandQuery({ resolved: { namespace, name } }: Context): string {
  return `sum(bigo_fleet_demand{namespace="${namespace}",fleet="${name}"})`;
}
/** Label spellings of a Prometheus that keeps, or overwrites, what the exporter says. */
const gpuQuery = ({ namespace, name }: Resolved): string => {
  const pods = `"${name}-ollama-[0-9]+"`;
  return `sum(DCGM_FI_DEV_GPU_UTIL{exported_namespace="${namespace}",exported_pod=~${pods}} or DCGM_FI_DEV_GPU_UTIL{namespace="${namespace}",pod=~${pods}})`;
};

function podAutoscaler(context: Context): KubeObject[] {
  const { autoscaling } = context.resolved;
  if (autoscaling?.engine !== 'hpa') return [];
  const { minReplicas, maxReplicas, signal } = autoscaling;
  const averageValue = String(autoscaling.target);
  const { namespace, name } = context.resolved;
  const demand = {
    type: 'External',
    external: {
      metric: { name: 'bigo_fleet_demand', selector: { matchLabels: { namespace, fleet: name } } },
      target: { type: 'AverageValue', averageValue },
    },
  };
  const gpu = {
    type: 'Pods',
    pods: { metric: { name: 'DCGM_FI_DEV_GPU_UTIL' }, target: { type: 'AverageValue', averageValue } },
  };
  const identity = {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    name: context.names.ollama,
    app: 'ollama',
  } as const;
  return [
    object(context, identity, {
      spec: {
        scaleTargetRef: target(context.resolved),
        minReplicas,
        maxReplicas,
        metrics: [signal === 'queue' ? demand : gpu],
        behavior: { scaleDown: { stabilizationWindowSeconds: SCALE_DOWN_SECONDS } },
      },
    }),
  ];
}

function scaledObject(context: Context): KubeObject[] {
  const { autoscaling } = context.resolved;
  if (autoscaling?.engine !== 'keda') return [];
  const { minReplicas, maxReplicas, idleSecondsToZero, signal, prometheusAddress = '' } = autoscaling;
  const query = signal === 'queue' ? demandQuery(context) : gpuQuery(context.resolved);
  const identity = {
    apiVersion: KEDA,
    kind: 'ScaledObject',
    name: context.names.ollama,
    app: 'ollama',
  } as const;
  const idle = idleSecondsToZero === 0 ? {} : { idleReplicaCount: 0, cooldownPeriod: idleSecondsToZero };
  return [
    object(context, identity, {
      spec: {
        scaleTargetRef: target(context.resolved),
        minReplicaCount: minReplicas,
        maxReplicaCount: maxReplicas,
        ...idle,
        initialCooldownPeriod: 300,
        // Without it, a Prometheus that is away would look like no work.
        fallback: { failureThreshold: 3, replicas: maxReplicas },
        advanced: {
          horizontalPodAutoscalerConfig: {
            behavior: { scaleDown: { stabilizationWindowSeconds: SCALE_DOWN_SECONDS } },
          },
        },
        triggers: [
          {
            type: 'prometheus',
            metadata: {
              serverAddress: prometheusAddress,
              query,
              threshold: String(autoscaling.target),
              ignoreNullValues: 'false',
            },
          },
        ],
      },
    }),
  ];
}
