// Templates of the operator: what `bigo install` applies, object for object, with what people may set. Never the definition: crd.ts has it.
import { type KubeObject } from '../../src/api/kube-object.ts';
import { OPERATOR_NAMESPACE, OPERATOR_PORT } from '../../src/api/operator-settings.ts';
import { OPERATOR_APP } from '../../src/operator/core/names.ts';
import {
  installation,
  NAMESPACES_ANNOTATION,
  OPERATOR_DEPLOYMENT,
  VERSION_ANNOTATION,
} from '../../src/profiles/core/installation.ts';
import { operatorAlerts } from './operator-alerts.ts';
import {
  alertsWhen,
  type Fields,
  fromApp,
  helmLabels,
  labelsFor,
  monitored,
  serviceMonitorWhen,
  TEST_APP,
  workload,
} from './objects.ts';
import { expr, itemsIf, keysIf, NAMESPACE, type Part } from './template.ts';

const ITEM = 'xitemx';
const SERVICE = `${OPERATOR_DEPLOYMENT}-metrics`;
const ENABLED = '$.Values.operator.enabled';
const NAMESPACES = '$.Values.operator.namespaces';
const AGGREGATED = 'rbac.authorization.k8s.io/aggregate-to-';
/** What fleets that go on without an operator still need; `bigo uninstall` leaves the same. */
const KEPT = new Set([
  'CustomResourceDefinition',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
]);

function installed(namespaces: readonly string[]): KubeObject[] {
  const wish = { image: '', version: '', namespaces };
  return installation(wish)
    .filter(({ kind }) => kind !== 'Namespace')
    .map(object => kept(helmLabels(placed(object))));
}

/** Into the namespace of the release. */
function placed<Value>(value: Value): Value {
  if (value === OPERATOR_NAMESPACE) return NAMESPACE as Value;
  if (value === ITEM) return expr('$item | quote') as Value;
  if (Array.isArray(value)) return value.map(placed) as Value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, placed(item)])) as Value;
}

function kept(object: KubeObject): KubeObject {
  const { kind, metadata } = object;
  const isForPeople = Object.keys(metadata.labels ?? {}).some(label => label.startsWith(AGGREGATED));
  const annotations = {
    ...metadata.annotations,
    [VERSION_ANNOTATION]: expr(
      kind === 'CustomResourceDefinition'
        ? 'include "bigo.definitionVersion" $ | quote'
        : '$.Chart.AppVersion | quote',
    ),
    ...(KEPT.has(kind) || isForPeople
      ? keysIf('$.Values.crds.keep', { 'helm.sh/resource-policy': 'keep' })
      : {}),
  };
  return { ...object, metadata: { ...metadata, annotations } };
}

export function definitionParts(): Part[] {
  return installed([])
    .filter(({ kind }) => kind === 'CustomResourceDefinition')
    .map(object => ({ when: `and ${ENABLED} $.Values.crds.install`, object }));
}

export function operatorParts(): Part[] {
  const isRole = ({ kind, metadata }: KubeObject) =>
    /Role(Binding)?$/.test(kind) && metadata.name === 'llm-operator-manager';
  const everywhere = installed([]).filter(({ kind }) => kind !== 'CustomResourceDefinition');
  const inEach = installed([ITEM]).filter(isRole);
  const parts = everywhere.map((object): Part => {
    if (isRole(object)) return { when: `and ${ENABLED} (not ${NAMESPACES})`, object };
    if (object.kind === 'NetworkPolicy')
      return { when: `and ${ENABLED} $.Values.networkPolicy.enabled`, object: policy(object) };
    return { when: ENABLED, object: object.kind === 'Deployment' ? deployment(object) : object };
  });
  return [...parts, ...inEach.map(object => ({ when: ENABLED, each: NAMESPACES, object })), ...around()];
}

function deployment(object: KubeObject): KubeObject {
  const namespaces = `${NAMESPACES} | sortAlpha | uniq | join ","`;
  const { annotations } = object.metadata;
  const metadata = {
    ...object.metadata,
    annotations: { ...annotations, [NAMESPACES_ANNOTATION]: expr(`${namespaces} | quote`) },
  };
  const made = workload({ ...object, metadata }, 'operator', container => ({
    ...container,
    args: [
      ...(container['args'] as string[]),
      ...itemsIf(NAMESPACES, '--namespaces', expr(`${namespaces} | quote`)),
      ...itemsIf(
        `ne $.Values.operator.clusterDomain "cluster.local"`,
        '--cluster-domain',
        expr('$.Values.operator.clusterDomain | quote'),
      ),
      ...itemsIf(`ne $.Values.operator.logLevel "info"`, '--log-level', expr('$.Values.operator.logLevel')),
    ],
    env: (container['env'] as Fields[]).map(entry =>
      entry['name'] === 'BIGO_IMAGE' ? { ...entry, value: expr('include "bigo.image" $') } : entry,
    ),
  }));
  const { template } = made.spec;
  const labels = {
    ...(template.metadata['labels'] as Fields),
    'app.kubernetes.io/version': expr('$.Chart.AppVersion | replace "+" "_" | trunc 63 | quote'),
  };
  const spec = { ...made.spec, template: { ...template, metadata: { ...template.metadata, labels } } };
  return { ...made, spec };
}

/** Lets in the pod of `helm test`, too. */
function policy(object: KubeObject): KubeObject {
  const { spec } = object as KubeObject & { spec: Fields & { ingress: readonly { from: Fields[] }[] } };
  const ingress = spec.ingress.map(rule => ({ ...rule, from: [...rule.from, fromApp(TEST_APP)] }));
  return { ...object, spec: { ...spec, ingress } };
}

/** Who scrapes it: of this `bigo install` knows nothing. */
function around(): Part[] {
  const metadata = (name: string) => ({
    name,
    namespace: NAMESPACE,
    labels: labelsFor(OPERATOR_APP) as Record<string, string>,
  });
  const selector = { 'app.kubernetes.io/name': OPERATOR_APP, 'app.kubernetes.io/instance': 'llm-operator' };
  const ports = [{ name: 'health', port: OPERATOR_PORT, targetPort: 'health', protocol: 'TCP' }];
  const scraped = { 'app.kubernetes.io/name': OPERATOR_APP };
  return [
    {
      when: ENABLED,
      object: {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: metadata(SERVICE),
        spec: { clusterIP: 'None', selector, ports },
      },
    },
    {
      when: serviceMonitorWhen('operator'),
      object: {
        apiVersion: 'monitoring.coreos.com/v1',
        kind: 'ServiceMonitor',
        metadata: monitored(metadata(OPERATOR_DEPLOYMENT)),
        spec: {
          selector: { matchLabels: scraped },
          endpoints: [
            {
              port: 'health',
              path: '/metrics',
              interval: expr('$.Values.monitoring.serviceMonitor.interval'),
            },
          ],
        },
      },
    },
    {
      when: alertsWhen('operator'),
      object: {
        apiVersion: 'monitoring.coreos.com/v1',
        kind: 'PrometheusRule',
        metadata: monitored(metadata(OPERATOR_DEPLOYMENT)),
        spec: {
          groups: [
            { name: 'bigo.operator', rules: operatorAlerts(`namespace="${NAMESPACE}",job="${SERVICE}"`) },
          ],
        },
      },
    },
  ];
}
