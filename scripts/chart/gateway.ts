// Templates of a gateway in front of Ollama that runs already: the objects that the operator makes for a fleet, with what people may set.
// Never an Ollama.
import type { KubeObject } from '../../src/api/kube-object.ts';
import { resolve } from '../../src/api/ollama-deployment/resolve.ts';
import { API_VERSION, KIND, resourceSchema } from '../../src/api/ollama-deployment/resource.ts';
import { TESTED_OLLAMA_TAG } from '../../src/api/operator-settings.ts';
import { desired } from '../../src/operator/core/desired/desired.ts';
import { MANAGER_APP, namesOf } from '../../src/operator/core/names.ts';
import {
  alertsWhen,
  callers,
  type Fields,
  fromApp,
  helmLabels,
  ingressPart,
  monitored,
  serviceMonitorWhen,
  TEST_APP,
  workload,
} from './objects.ts';
import { block, expr, itemsIf, line, NAMESPACE, type Part, RELEASE, templateText } from './template.ts';

const DRAIN_SECONDS = 300;
const ENABLED = '$.Values.gateway.enabled';
const HAS_KEYS = 'eq $.Values.gateway.auth.mode "keys"';
const EXPOSED = 'or $.Values.gateway.ingress.enabled (ne $.Values.gateway.service.type "ClusterIP")';
const NAMES = namesOf(RELEASE);
const OPTIONAL = ['monitoring.coreos.com/v1/ServiceMonitor', 'monitoring.coreos.com/v1/PrometheusRule'];

/** All that is about the gateway of a fleet named like the release. */
export function gatewayObjects(): KubeObject[] {
  const resource = {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name: RELEASE, namespace: NAMESPACE },
    spec: {
      ollama: { models: ['any:1'], rollout: { drainSeconds: DRAIN_SECONDS } },
      gateway: { enabled: true, auth: { mode: 'keys' }, ingress: { enabled: true, host: 'any.example.com' } },
      monitoring: {
        serviceMonitor: { enabled: true },
        alerts: { enabled: true },
        dashboards: { enabled: true },
      },
    },
  };
  const resolved = resolve(resourceSchema.parse(resource), { ollamaTag: TESTED_OLLAMA_TAG });
  const settings = { image: '', clusterDomain: expr('$.Values.operator.clusterDomain') };
  const { objects } = desired({ resolved, settings, secrets: {}, apis: new Set(OPTIONAL) });
  const isCalled = ({ kind, metadata }: KubeObject) => kind === 'Service' && metadata.name === NAMES.ollama;
  return objects
    .filter(
      object =>
        object.metadata.labels?.['app.kubernetes.io/component'] === 'gateway' ||
        isCalled(object) ||
        object.kind === 'PrometheusRule',
    )
    .map(helmLabels);
}

export function gatewayParts(): Part[] {
  return gatewayObjects().flatMap(
    object => PARTS[`${object.kind}/${object.metadata.name}`]?.(object) ?? [{ when: ENABLED, object }],
  );
}

const PARTS: Readonly<Record<string, (object: KubeObject) => Part[]>> = {
  [`Secret/${NAMES.gatewayAdmin}`]: object => [
    {
      when: `and ${ENABLED} (not $.Values.gateway.auth.adminSecret)`,
      object: secret(object, 'bigo.adminSecret'),
    },
  ],
  [`Secret/${NAMES.gatewayKeys}`]: object => [
    {
      when: `and ${ENABLED} (${HAS_KEYS}) (not $.Values.gateway.auth.existingSecret)`,
      object: secret(object, 'bigo.keysSecret'),
    },
  ],
  [`ConfigMap/${NAMES.gateway}`]: object => [{ when: ENABLED, object: configuration(object) }],
  [`ConfigMap/${NAMES.dashboards}`]: object => [
    { when: `and ${ENABLED} $.Values.monitoring.dashboards.enabled`, object: shortUid(object) },
  ],
  [`NetworkPolicy/${NAMES.gateway}`]: object => [
    { when: `and ${ENABLED} $.Values.networkPolicy.enabled`, object: policy(object) },
  ],
  [`Service/${NAMES.ollama}`]: object => [{ when: ENABLED, object: service(object) }],
  [`Deployment/${NAMES.gateway}`]: object => [{ when: ENABLED, object: deployment(object) }],
  [`Ingress/${NAMES.gateway}`]: object => [ingressPart(object, 'gateway')],
  [`ServiceMonitor/${NAMES.gateway}`]: object => [
    {
      when: serviceMonitorWhen('gateway'),
      object: { ...scraped(object), metadata: monitored(object.metadata) },
    },
  ],
  [`PrometheusRule/${NAMES.ollama}`]: object => [
    { when: alertsWhen('gateway'), object: { ...object, metadata: monitored(object.metadata) } },
  ],
};

const ADMIN_SECRET = expr(
  `default (printf "%s-gateway-admin" $.Release.Name) $.Values.gateway.auth.adminSecret`,
);

function secret(object: KubeObject, helper: string): Fields {
  const { data: _, ...rest } = object as KubeObject & Fields;
  // With the release gone, whoever has a key must still be let in by the next one.
  const annotations = { 'helm.sh/resource-policy': 'keep' };
  return {
    ...rest,
    metadata: { ...object.metadata, annotations },
    data: block(`(include "${helper}" $ | fromYaml)`),
  };
}

interface File {
  readonly bus: Fields;
  readonly gateway: Fields & { readonly kubernetes: Fields; readonly time: Fields };
}

/** As the operator writes it, without what is a fleet's. */
export function baseConfiguration(): string {
  const made = gatewayObjects().find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === NAMES.gateway,
  );
  const file = JSON.parse(
    (made as unknown as { data: { 'config.yaml': string } }).data['config.yaml'],
  ) as File;
  const { listen, admin, hosts, journal_dir, keys_file, kubernetes, time } = file.gateway;
  const { namespace, gateway_selector } = kubernetes;
  const gateway = {
    listen,
    admin,
    hosts,
    journal_dir,
    keys_file,
    kubernetes: { namespace, gateway_selector },
    time,
  };
  return `{{- define "bigo.gatewayBase" }}\n${templateText({ gateway })}{{- end }}\n`;
}

function configuration(object: KubeObject): Fields {
  const data = { [line('  config.yaml: |\n{{- include "bigo.gatewayConfig" $ | nindent 4 }}')]: null };
  return { ...object, data };
}

/** Grafana takes 40 signs. */
function shortUid(object: KubeObject): KubeObject {
  const { data } = object as KubeObject & { data: Record<string, string> };
  const uid = expr('printf "bigo-%s-%s" $.Release.Namespace $.Release.Name | trunc 40');
  const cut = Object.entries(data).map(([key, text]) => [
    key,
    text.replace(/"uid": "[^"]*"/, `"uid": "${uid}"`),
  ]);
  return { ...object, data: Object.fromEntries(cut) };
}

interface Rule extends Fields {
  readonly from?: readonly {
    readonly podSelector: { readonly matchLabels: Readonly<Record<string, string>> };
  }[];
}

/** The page's own requests: it is let in whoever else is. */
const MANAGER: Fields = { namespaceSelector: {}, ...fromApp(MANAGER_APP) };

/** Agents ask a gateway of their own fleet only. */
const AGENTS = ['ollama', 'ollama-writer'];

function policy(object: KubeObject): Fields {
  const { spec } = object as KubeObject & { spec: Fields & { ingress: readonly Rule[] } };
  const [main = {}, admin = {}] = spec.ingress;
  const observers = (admin.from ?? []).filter(
    ({ podSelector }) => !AGENTS.includes(podSelector.matchLabels['app.kubernetes.io/name'] ?? ''),
  );
  const ingress = [
    { ...main, from: callers(EXPOSED) },
    { ...main, from: [fromApp(TEST_APP), MANAGER] },
    { ...admin, from: [...observers, fromApp(TEST_APP)] },
  ];
  return { ...object, spec: { ...spec, ingress } };
}

function service(object: KubeObject): Fields {
  const { spec } = object as KubeObject & { spec: Fields & { ports: readonly Fields[] } };
  const ports = spec.ports.map(port => ({ ...port, port: expr('$.Values.gateway.service.port') }));
  const metadata = { ...object.metadata, annotations: block('$.Values.gateway.service.annotations') };
  return { ...object, metadata, spec: { ...spec, type: expr('$.Values.gateway.service.type'), ports } };
}

function deployment(object: KubeObject): Fields {
  const made = workload(object, 'gateway', container => ({
    ...container,
    env: (container['env'] as Fields[]).map(entry =>
      entry['name'] === 'BIGO_GATEWAY_ADMIN_TOKEN'
        ? { ...entry, valueFrom: { secretKeyRef: { name: ADMIN_SECRET, key: 'token' } } }
        : entry,
    ),
    volumeMounts: withKeysIf(container['volumeMounts'] as Fields[]),
  }));
  const { template } = made.spec;
  const volumes = (template.spec['volumes'] as Fields[]).map(volume =>
    volume['name'] === 'keys' ? keysVolume(volume) : volume,
  );
  // A request that comes while others drain has as long as they had: see desired/gateway.ts.
  const grace = Number(template.spec['terminationGracePeriodSeconds']) - 2 * DRAIN_SECONDS;
  const spec = {
    ...template.spec,
    terminationGracePeriodSeconds: expr(`add (mul 2 $.Values.gateway.drainSeconds) ${grace}`),
    volumes: withKeysIf(volumes),
  };
  return { ...made, spec: { ...made.spec, template: { ...template, spec } } };
}

const withKeysIf = (items: readonly Fields[]): unknown[] =>
  items.flatMap(item => (item['name'] === 'keys' ? itemsIf(HAS_KEYS, item) : [item]));

function keysVolume(volume: Fields): Fields {
  const secretName = expr(
    `default (printf "%s-gateway-keys" $.Release.Name) $.Values.gateway.auth.existingSecret`,
  );
  return { ...volume, secret: { ...(volume['secret'] as Fields), secretName } };
}

function scraped(object: KubeObject): KubeObject {
  const { spec } = object as KubeObject & { spec: Fields & { endpoints: readonly Fields[] } };
  const endpoints = spec.endpoints.map(endpoint => ({
    ...endpoint,
    interval: expr('$.Values.monitoring.serviceMonitor.interval'),
    authorization: { type: 'Bearer', credentials: { name: ADMIN_SECRET, key: 'token' } },
  }));
  return { ...object, spec: { ...spec, endpoints } };
}
