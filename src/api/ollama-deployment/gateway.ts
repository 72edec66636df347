// spec.gateway, autoscaling, monitoring and network: what stands in front of and around the Ollama pods.
// Never the pods themselves: that is ollama.ts.
import * as z from 'zod';
import {
  type CelRule,
  dnsLabel,
  dnsNameOrEmpty,
  durationText,
  field,
  keyedBy,
  modelName,
  podParts,
  textMap,
  whole,
  withRules,
} from './fields.ts';
import { ingress, resources } from './parts.ts';

const HTTP_URL = /^https?:\/\/[A-Za-z0-9.:[\]_-]+\/?$/;
const httpUrl = () => z.string().max(512).regex(HTTP_URL);

const ingressNeedsHost: CelRule = {
  rule: '!has(self.ingress) || !has(self.ingress.enabled) || !self.ingress.enabled || has(self.ingress.host)',
  message: 'an Ingress needs a host: give ingress.host',
  fieldPath: '.ingress',
  reason: 'FieldValueRequired',
};
const ingressNeedsGateway: CelRule = {
  rule: 'self.enabled || !has(self.ingress) || !has(self.ingress.enabled) || !self.ingress.enabled',
  message: 'an Ingress leads to the gateway: set gateway.enabled to true, or ingress.enabled to false',
  fieldPath: '.enabled',
};

export const gatewaySchema = field(
  'The gateway in front of the Ollama pods: routing, queue, keys, usage.',
  z.object({
    enabled: field('false: the Service leads to the Ollama pods directly.', z.boolean().default(true)),
    replicas: field('Gateway pods.', whole(1, 10).default(2), { format: 'int32' }),
    resources: resources().optional(),
    ingress: ingress().optional(),
    auth: field(
      'Who may call the gateway.',
      z
        .object({
          mode: field(
            'none or keys. Absent = none for a ClusterIP Service without Ingress, keys for all that can be reached from outside.',
            z.enum(['', 'none', 'keys']).optional(),
          ),
          secretName: field(
            'Your own Secret: keys.yaml (as `bigo keys create` writes it) and, for components that are enabled, openwebui-key and tabby-key. Absent = <name>-gateway-keys is made.',
            dnsNameOrEmpty().optional(),
          ),
          anonymousRole: field(
            'Without keys: inference (default; nobody changes models through the gateway) or admin.',
            z.enum(['inference', 'admin']).default('inference'),
          ),
        })
        .optional(),
    ),
    queueSize: field(
      'Requests that may wait in each gateway; the next one gets 429.',
      whole(1, 1_000_000).default(1000),
    ),
    redis: field(
      'A shared queue of several gateways.',
      z
        .object({ mode: field('none: each gateway has its own queue.', z.enum(['none']).default('none')) })
        .optional(),
    ),
    aliases: field(
      'Further names for models, such as fast: llama3.2:1b.',
      z.record(z.string(), modelName()).meta({ maxProperties: 100 }).optional(),
    ),
    clusters: field(
      'Other clusters that answer too.',
      z
        .array(
          z.object({
            name: field('Name of the cluster.', dnsLabel()),
            endpoint: field('Its address, such as https://ollama.example.com.', httpUrl()),
            priority: field('Lower comes first.', whole(0, 1000).default(1)),
          }),
        )
        .max(32)
        .optional(),
      keyedBy('name'),
    ),
  }),
  withRules([ingressNeedsHost, ingressNeedsGateway]),
);

const autoscalingRules: readonly CelRule[] = [
  {
    rule: 'self.minReplicas <= self.maxReplicas',
    message:
      'autoscaling.minReplicas must not be more than maxReplicas: raise maxReplicas or lower minReplicas',
    fieldPath: '.minReplicas',
  },
  {
    rule: "self.idleSecondsToZero == 0 || self.engine != 'hpa'",
    message:
      'a HorizontalPodAutoscaler cannot scale to zero: set autoscaling.engine to operator or keda, or idleSecondsToZero to 0',
    fieldPath: '.idleSecondsToZero',
  },
  {
    rule: "self.signal == 'queue' || self.engine != 'operator'",
    message: 'the operator scales by the queue: set autoscaling.engine to hpa or keda, or signal to queue',
    fieldPath: '.signal',
  },
  {
    rule: "self.engine != 'keda' || !self.enabled || has(self.prometheusAddress)",
    message: 'KEDA reads Prometheus: give autoscaling.prometheusAddress',
    fieldPath: '.prometheusAddress',
    reason: 'FieldValueRequired',
  },
];

export const autoscalingSchema = field(
  'Changes spec.ollama.replicas by demand.',
  z.object({
    enabled: field('true: scale by itself.', z.boolean().default(false)),
    minReplicas: field('Fewest pods while there is work.', whole(1, 10).default(1)),
    maxReplicas: field('Most pods.', whole(1, 10).default(4)),
    signal: field(
      'queue (default): requests that wait or run, per pod. gpu: use of the GPUs in percent, as the DCGM exporter tells it; with hpa and keda.',
      z.enum(['queue', 'gpu']).default('queue'),
    ),
    target: field('Value of the signal that one pod should have.', whole(1, 1000).default(2)),
    idleSecondsToZero: field(
      'Stop every pod after this long without a request; 0 = never. A request that comes then waits for a pod.',
      whole(0, 604_800).default(0),
    ),
    engine: field(
      'Who scales: operator (default), hpa (needs an adapter for external metrics) or keda.',
      z.enum(['operator', 'hpa', 'keda']).default('operator'),
    ),
    prometheusAddress: field('Address of Prometheus, for KEDA.', httpUrl().optional()),
  }),
  withRules(autoscalingRules),
);

const switched = (description: string) =>
  field(description, z.object({ enabled: field('true: make it.', z.boolean().default(false)) }).optional());

export const monitoringSchema = field(
  'Objects for Prometheus and Grafana.',
  z.object({
    serviceMonitor: field(
      'ServiceMonitors for gateway and agents; needs the Prometheus operator.',
      z
        .object({
          enabled: field('true: make them.', z.boolean().default(false)),
          interval: field('Time between two scrapes.', durationText().default('30s')),
          labels: field('Labels by which your Prometheus finds them.', textMap(32, 63).optional()),
        })
        .optional(),
    ),
    alerts: switched('A PrometheusRule with the alerts of BigO; needs the Prometheus operator.'),
    dashboards: switched('A ConfigMap with the dashboards, labelled grafana_dashboard.'),
  }),
);

export const networkSchema = field(
  'Who may reach what.',
  z.object({
    policy: field(
      'NetworkPolicies of all components.',
      z
        .object({
          enabled: field('false: make none.', z.boolean().default(true)),
          allowFrom: podParts(
            'Peers that may reach the gateway, OpenWebUI and Tabby, as in a NetworkPolicy; empty = every pod of the cluster, and outside addresses where a Service or Ingress leads in.',
            32,
          ).optional(),
        })
        .optional(),
    ),
  }),
);
