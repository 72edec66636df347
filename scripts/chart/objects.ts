// What all templates of the chart share: labels by Helm, the fields that people may set of a pod, Ingress, monitoring.
// Never an object of one part.
import type { KubeObject } from '../../src/api/kube-object.ts';
import { block, expr, keysIf, line, type Part } from './template.ts';

export type Fields = Record<string, unknown>;

const MANAGED_BY = 'app.kubernetes.io/managed-by';
/** They name the resource that an object belongs to, and here is none. */
const OWNER_LABELS = ['ollama-deployment', 'llm-deployment'];

/** The labels of whoever made it elsewhere become Helm's, in the object and in its pods. */
export function helmLabels<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(helmLabels) as Value;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key]) => !OWNER_LABELS.includes(key))
    .map(([key, item]) => [key, key === MANAGED_BY ? expr('$.Release.Service') : helmLabels(item)]);
  return Object.fromEntries(entries) as Value;
}

export function labelsFor(app: string): Fields {
  return {
    'app.kubernetes.io/name': app,
    'app.kubernetes.io/part-of': 'bigo',
    [MANAGED_BY]: expr('$.Release.Service'),
  };
}

interface PodTemplate {
  readonly metadata: Fields;
  readonly spec: Fields & { readonly containers: readonly Fields[] };
}

export interface Workload {
  readonly spec: Fields & { readonly template: PodTemplate };
}

/** A Deployment with what people may set; `change` goes over its only container. */
export function workload(
  object: KubeObject,
  part: string,
  change: (container: Fields) => Fields,
): KubeObject & Workload {
  const { spec } = object as KubeObject & Workload;
  const { template } = spec;
  const containers = template.spec.containers.map(container => ({
    ...change(container),
    image: expr('include "bigo.image" $'),
    imagePullPolicy: expr('$.Values.image.pullPolicy'),
    resources: block(`$.Values.${part}.resources`),
  }));
  const placed = {
    nodeSelector: block(`$.Values.${part}.nodeSelector`),
    tolerations: block(`$.Values.${part}.tolerations`),
    affinity: block(`$.Values.${part}.affinity`),
    ...keysIf(`$.Values.${part}.priorityClassName`, {
      priorityClassName: expr(`$.Values.${part}.priorityClassName`),
    }),
    imagePullSecrets: block('(include "bigo.pullSecrets" $ | fromYamlArray)'),
  };
  return {
    ...object,
    spec: {
      ...spec,
      replicas: expr(`$.Values.${part}.replicas`),
      template: { ...template, spec: { ...template.spec, ...placed, containers } },
    },
  };
}

/** Callers of a port that people use. */
export const callers = (exposed: string): string =>
  block(`(include "bigo.callers" (dict "root" $ "exposed" (${exposed})) | fromYamlArray)`);

/** The pod of `helm test`. */
export const TEST_APP = 'bigo-test';
export const fromApp = (app: string): Fields => ({
  podSelector: { matchLabels: { 'app.kubernetes.io/name': app } },
});

const goText = (text: string): string => JSON.stringify(text);
const goDict = (map: Readonly<Record<string, string>>): string =>
  `(dict ${Object.entries(map)
    .map(([key, text]) => `${goText(key)} ${goText(text)}`)
    .join(' ')})`;

/** An Ingress as the operator makes it, with what people may set of it. */
export function ingressPart(object: KubeObject, part: string): Part {
  const at = `$.Values.${part}.ingress`;
  const { name } = object.metadata;
  const host = expr(`required "${part}.ingress.host: an Ingress needs a host name" ${at}.host`);
  const [rule] = (object as unknown as { spec: { rules: Fields[] } }).spec.rules;
  const secretName = `${expr(`with ${at}.tls.secretName`)}${expr('.')}${expr('else')}${name}-tls${expr('end')}`;
  const annotations = goDict(object.metadata.annotations ?? {});
  return {
    when: `and $.Values.${part}.enabled ${at}.enabled`,
    object: {
      ...object,
      metadata: {
        ...object.metadata,
        annotations: block(
          `(include "bigo.ingressAnnotations" (dict "ingress" ${at} "own" ${annotations}) | fromYaml)`,
        ),
      },
      spec: {
        ...keysIf(`${at}.className`, { ingressClassName: expr(`${at}.className`) }),
        rules: [{ ...rule, host }],
        ...keysIf(`${at}.tls.enabled`, {
          tls: [{ hosts: [expr(`${at}.host`)], secretName }],
        }),
      },
    },
  };
}

const MONITORING = 'monitoring.coreos.com/v1';
export const serviceMonitorWhen = (part: string): string =>
  `and $.Values.${part}.enabled $.Values.monitoring.serviceMonitor.enabled ($.Capabilities.APIVersions.Has "${MONITORING}/ServiceMonitor")`;
export const alertsWhen = (part: string): string =>
  `and $.Values.${part}.enabled $.Values.monitoring.alerts.enabled ($.Capabilities.APIVersions.Has "${MONITORING}/PrometheusRule")`;

/** Prometheus chooses what it reads by labels. */
export function monitored({ labels, ...metadata }: KubeObject['metadata']): Fields {
  const own = line(
    '{{- with $.Values.monitoring.serviceMonitor.labels }}{{ toYaml . | nindent 4 }}{{ end }}',
  );
  return { ...metadata, labels: { ...labels, [own]: null } };
}
