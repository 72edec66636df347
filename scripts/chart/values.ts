// Every value of the chart: its default, what it may be, what it is for. values.yaml, the schema and the table in the
// README are written from it. Never a value that no template reads: a test looks.
import * as z from 'zod';
import { configSchema } from '../../src/api/config.ts';
import { IMAGE_REPOSITORY } from '../../src/api/operator-settings.ts';

export type Schema = Readonly<Record<string, unknown>>;

export interface ChartValue {
  readonly path: string;
  readonly fallback: unknown;
  readonly schema: Schema;
  readonly help: string;
}

export interface ValueGroup {
  readonly title: string;
  readonly values: readonly ChartValue[];
}

const text: Schema = { type: 'string' };
const flag: Schema = { type: 'boolean' };
const open: Schema = { type: 'object' };
const strings: Schema = { type: 'array', items: text };
const map: Schema = { type: 'object', additionalProperties: text };
const objects: Schema = { type: 'array', items: open };
const oneOf = (...choices: readonly string[]): Schema => ({ type: 'string', enum: choices });
const whole = (minimum: number, maximum: number): Schema => ({ type: 'integer', minimum, maximum });
const port = whole(1, 65_535);
const namespaceName: Schema = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' };
const duration: Schema = { type: 'string', pattern: '^([0-9]+(ms|s|m|h))+$' };
const resources: Schema = {
  type: 'object',
  additionalProperties: false,
  properties: { requests: open, limits: open, claims: objects },
};

function value(path: string, fallback: unknown, schema: Schema, help: string): ChartValue {
  return { path, fallback, schema, help };
}

/** What every Deployment of the chart lets people set. */
function podValues(part: string, needs: unknown): ChartValue[] {
  return [
    value(`${part}.resources`, needs, resources, 'Requests and limits of each pod.'),
    value(`${part}.nodeSelector`, {}, map, 'Labels of the nodes that may run it.'),
    value(`${part}.tolerations`, [], objects, 'Taints that it bears.'),
    value(`${part}.affinity`, {}, open, 'Where its pods go, beside being spread over nodes.'),
    value(`${part}.priorityClassName`, '', text, 'PriorityClass of its pods.'),
  ];
}

function ingressValues(part: string): ChartValue[] {
  const at = `${part}.ingress`;
  return [
    value(
      `${at}.enabled`,
      false,
      flag,
      'Make an Ingress. Those of nginx and HAProxy are told to stream; Traefik needs nothing.',
    ),
    value(
      `${at}.className`,
      '',
      text,
      'IngressClass, such as `nginx`, `traefik`, `haproxy`; "" = the default of the cluster.',
    ),
    value(`${at}.host`, '', text, 'Host name; needed with an Ingress.'),
    value(`${at}.annotations`, {}, map, 'Further annotations; they win over the chart’s own.'),
    value(`${at}.tls.enabled`, false, flag, 'Serve HTTPS.'),
    value(
      `${at}.tls.secretName`,
      '',
      text,
      'Secret with the certificate; "" = NAME-tls, NAME being the Ingress.',
    ),
    value(`${at}.tls.clusterIssuer`, '', text, 'ClusterIssuer of cert-manager that makes the certificate.'),
    value(
      `${at}.tls.issuer`,
      '',
      text,
      'Issuer of cert-manager in this namespace, instead of a ClusterIssuer.',
    ),
  ];
}

/** As `bigo config check` has it, so that Helm names a wrong key of the file too. */
function configFileSchema(): Schema {
  const { $schema: _, ...schema } = z.toJSONSchema(configSchema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
  });
  return plain(schema) as Schema;
}

const OWN_WORDS = new Set(['kind', 'help', 'default']);
/** Helm is written in Go, whose patterns repeat a thousand times at most. The gateway checks all of them itself. */
const isForHelm = (word: string, value: unknown): boolean =>
  !OWN_WORDS.has(word) && !(word === 'pattern' && /[,{]\d{4,}\}/.test(String(value)));

/** Words of our own in it would be no error, but no schema either; defaults stand in docs/configuration.md. */
function plain(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(plain);
  if (typeof node !== 'object' || node === null) return node;
  const { properties, ...rest } = node as Readonly<Record<string, unknown>>;
  const words = Object.entries(rest).filter(([word, child]) => isForHelm(word, child));
  const inner = Object.entries(properties ?? {}).map(([key, child]) => [key, plain(child)]);
  return {
    ...Object.fromEntries(words.map(([word, child]) => [word, plain(child)])),
    ...(properties === undefined ? {} : { properties: Object.fromEntries(inner) }),
  };
}

const backends: Schema = {
  type: 'array',
  items: {
    anyOf: [
      text,
      {
        type: 'object',
        additionalProperties: false,
        required: ['url'],
        properties: { url: text, name: text, slots: whole(1, 256), store: text, class: text },
      },
    ],
  },
};

export const VALUE_GROUPS: readonly ValueGroup[] = [
  {
    title: 'Image: one for every part',
    values: [
      value('image.repository', IMAGE_REPOSITORY, text, 'Where the image is pulled from.'),
      value('image.tag', '', text, 'Tag; "" = the version of the chart.'),
      value(
        'image.digest',
        '',
        { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
        'Digest, `sha256:…`; it wins over the tag.',
      ),
      value(
        'image.pullPolicy',
        'IfNotPresent',
        oneOf('IfNotPresent', 'Always', 'Never'),
        'When a node pulls it.',
      ),
      value(
        'image.pullSecrets',
        [],
        strings,
        'Names of Secrets for a private registry, in the namespace of the release.',
      ),
    ],
  },
  {
    title: 'The definition of OllamaDeployment',
    values: [
      value(
        'crds.install',
        true,
        flag,
        'Install and upgrade it with the release; false where somebody else does.',
      ),
      value(
        'crds.keep',
        true,
        flag,
        '`helm uninstall` leaves it. With false every OllamaDeployment, and so every fleet, goes with it.',
      ),
    ],
  },
  {
    title: 'Operator: makes OllamaDeployments true',
    values: [
      value('operator.enabled', true, flag, 'Run it, with the definition and the roles that belong to it.'),
      value('operator.replicas', 2, whole(1, 5), 'One leads, the others stand by.'),
      value(
        'operator.namespaces',
        [],
        { type: 'array', items: namespaceName },
        'Look after these namespaces only, with a Role in each; they must exist. [] = all.',
      ),
      value(
        'operator.clusterDomain',
        'cluster.local',
        { type: 'string', minLength: 1 },
        'DNS domain of the cluster.',
      ),
      value(
        'operator.logLevel',
        'info',
        oneOf('debug', 'info', 'warn', 'error'),
        'How much it writes to its log.',
      ),
      ...podValues('operator', { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '512Mi' } }),
    ],
  },
  {
    title: 'Gateway: in front of Ollama that runs here already (an OllamaDeployment brings its own)',
    values: [
      value('gateway.enabled', false, flag, 'Run it in the namespace of the release.'),
      value('gateway.replicas', 2, whole(1, 20), 'Pods.'),
      value(
        'gateway.backends',
        [],
        backends,
        'Ollama servers by address: `http://HOST:PORT`, or `{url, name, slots, store, class}`.',
      ),
      value(
        'gateway.pods.selector',
        'app.kubernetes.io/name=ollama',
        text,
        'Label selector of Ollama pods in this namespace; "" = none are looked for.',
      ),
      value('gateway.pods.port', 11_434, port, 'Port of Ollama in these pods.'),
      value('gateway.auth.mode', 'keys', oneOf('keys', 'none'), '`none`: whoever reaches it may use it.'),
      value(
        'gateway.auth.existingSecret',
        '',
        text,
        'Secret with a `keys.yaml` (`bigo keys`); "" = one is made, and kept for ever after.',
      ),
      value(
        'gateway.auth.adminSecret',
        '',
        text,
        'Secret with `token`, for the admin port; "" = one is made.',
      ),
      value(
        'gateway.auth.anonymousRole',
        'inference',
        oneOf('inference', 'admin'),
        'With mode none: may callers change models?',
      ),
      value(
        'gateway.service.type',
        'ClusterIP',
        oneOf('ClusterIP', 'NodePort', 'LoadBalancer'),
        'How it is reached.',
      ),
      value('gateway.service.port', 11_434, port, 'Port that people call.'),
      value('gateway.service.annotations', {}, map, 'For a load balancer.'),
      ...ingressValues('gateway'),
      value('gateway.drainSeconds', 300, whole(0, 86_400), 'How long streams may go on when a pod ends.'),
      value(
        'gateway.config',
        {},
        configFileSchema(),
        'Further keys of its configuration file, as in docs/configuration.md; they win.',
      ),
      ...podValues('gateway', { requests: { cpu: '200m', memory: '256Mi' }, limits: { memory: '1Gi' } }),
    ],
  },
  {
    title: 'Model Manager: web page and its API, for every fleet',
    values: [
      value('manager.enabled', false, flag, 'Run it in the namespace of the release.'),
      value('manager.replicas', 1, whole(1, 5), 'Pods; they share what they know.'),
      value(
        'manager.namespaces',
        [],
        { type: 'array', items: namespaceName },
        'Show these namespaces only, with a Role in each and no right on nodes (how much GPU memory they have is then not known); they must exist. [] = all.',
      ),
      value('manager.dcgmUrl', '', text, 'Address of dcgm-exporter, for GPU memory: `http://NAME:9400`.'),
      value(
        'manager.tokenSecret',
        '',
        text,
        'Secret with `token`, which admits an admin before there is a gateway.',
      ),
      value('manager.service.port', 8080, port, 'Port of its Service.'),
      value('manager.nodePort.enabled', false, flag, 'Reach it at a port of every node, too.'),
      value('manager.nodePort.port', 30_501, whole(1024, 65_535), 'That port.'),
      ...ingressValues('manager'),
      ...podValues('manager', {
        requests: { cpu: '250m', memory: '512Mi' },
        limits: { cpu: '500m', memory: '2Gi' },
      }),
    ],
  },
  {
    title: 'Network and monitoring, of all three',
    values: [
      value(
        'networkPolicy.enabled',
        true,
        flag,
        'Let in only who must get in. (Fleets have their own: `spec.network`.)',
      ),
      value(
        'networkPolicy.allowFrom',
        [],
        objects,
        'Who may call gateway and manager, as `from` of a NetworkPolicy; [] = every pod, and the world where a Service or an Ingress leads in.',
      ),
      value(
        'monitoring.serviceMonitor.enabled',
        false,
        flag,
        'Let the Prometheus operator scrape operator and gateway. Left out where the cluster does not know the kind.',
      ),
      value('monitoring.serviceMonitor.interval', '30s', duration, 'How often.'),
      value(
        'monitoring.serviceMonitor.labels',
        {},
        map,
        'Labels by which your Prometheus chooses, such as `release: prometheus`.',
      ),
      value(
        'monitoring.alerts.enabled',
        false,
        flag,
        'Alerts as a PrometheusRule. Left out where the cluster does not know the kind.',
      ),
      value(
        'monitoring.dashboards.enabled',
        false,
        flag,
        'The gateway’s dashboard as a ConfigMap that Grafana’s sidecar finds.',
      ),
    ],
  },
];

export const CHART_VALUES: readonly ChartValue[] = VALUE_GROUPS.flatMap(({ values }) => values);
