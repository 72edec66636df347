// Findings about the way in, and about what scales: Ingresses that hold streams back, autoscalers that get no number.
// Never speaks to an Ingress controller.
import type { KubeObject } from '../../api/kube-object.ts';
import { type ClusterFacts, type ClusterFinding, nameOf, orFine } from './doctor-facts.ts';

const NGINX = 'nginx.ingress.kubernetes.io/';
const LEGACY_CLASS = 'kubernetes.io/ingress.class';
const streamSecondsMin = 300;

interface IngressSpec {
  readonly ingressClassName?: string;
  readonly rules?: readonly {
    readonly http?: {
      readonly paths?: readonly { readonly backend?: { readonly service?: { readonly name?: string } } }[];
    };
  }[];
}

export function ingressFindings({ ingresses, services = [] }: ClusterFacts): readonly ClusterFinding[] {
  if (ingresses === undefined) return [];
  const ours = new Set(services.filter(isOurs).map(({ metadata }) => metadata.name));
  const found = ingresses
    .filter(ingress => isOurs(ingress) || targets(ingress).some(name => ours.has(name)))
    .flatMap(streamFindings);
  return orFine(found, 'ingress', 'none that would hold streams back');
}

const isOurs = ({ metadata }: KubeObject): boolean =>
  metadata.labels?.['app.kubernetes.io/part-of'] === 'bigo';

function targets(ingress: KubeObject): string[] {
  const { rules = [] } = (ingress['spec'] ?? {}) as IngressSpec;
  return rules.flatMap(({ http }) => (http?.paths ?? []).flatMap(path => path.backend?.service?.name ?? []));
}

function streamFindings(ingress: KubeObject): ClusterFinding[] {
  const { annotations = {}, name, namespace = '' } = ingress.metadata;
  const { ingressClassName } = (ingress['spec'] ?? {}) as IngressSpec;
  const className = ingressClassName ?? annotations[LEGACY_CLASS] ?? '';
  const set = (annotation: string) =>
    `kubectl -n ${namespace} annotate --overwrite ingress ${name} ${annotation}`;
  const finding = (message: string, annotation: string): ClusterFinding => ({
    check: 'ingress',
    where: nameOf(ingress),
    result: 'warn',
    message,
    next: set(annotation),
  });
  if (className.includes('haproxy')) {
    return annotations['haproxy.org/timeout-server'] === undefined
      ? [finding('a stream that is silent for some seconds is cut', 'haproxy.org/timeout-server=1h')]
      : [];
  }
  if (!className.includes('nginx')) return [];
  const isShort = (timeout: string) => !(Number(annotations[NGINX + timeout] ?? 60) >= streamSecondsMin);
  return [
    ...(annotations[`${NGINX}proxy-buffering`] === 'off'
      ? []
      : [finding('answers may be held back until a buffer is full', `${NGINX}proxy-buffering=off`)]),
    ...(isShort('proxy-read-timeout')
      ? [finding('a request that waits longer than a minute is cut', `${NGINX}proxy-read-timeout=3600`)]
      : []),
    ...(annotations[`${NGINX}proxy-body-size`] === undefined
      ? [finding('bodies over 1 MB, such as images, are refused with 413', `${NGINX}proxy-body-size=0`)]
      : []),
  ];
}

interface Metric {
  readonly type?: string;
  readonly resource?: { readonly name?: string };
  readonly external?: { readonly metric?: { readonly name?: string } };
  readonly pods?: { readonly metric?: { readonly name?: string } };
}

export function metricFindings(facts: ClusterFacts): readonly ClusterFinding[] {
  if (facts.autoscalers === undefined) return [];
  const found = facts.autoscalers.flatMap(autoscaler => {
    const { metrics = [] } = (autoscaler['spec'] ?? {}) as { metrics?: readonly Metric[] };
    return metrics.flatMap(metric => {
      const problem = metricProblem(metric, facts);
      return problem === undefined
        ? []
        : [{ check: 'metrics', where: nameOf(autoscaler), result: 'fail' as const, ...problem }];
    });
  });
  const fine = facts.autoscalers.length === 0 ? 'no autoscaler here needs any' : 'autoscalers get theirs';
  return orFine(found, 'metrics', fine);
}

const ADAPTER =
  'docs/guides/gpu-cluster.md has rules for prometheus-adapter; autoscaling.engine operator needs none.';

function metricProblem(
  { type, resource, external, pods }: Metric,
  { groups, externalMetrics }: ClusterFacts,
): { message: string; next: string } | undefined {
  if (type === 'Resource') {
    const name = resource?.name ?? '';
    if (['cpu', 'memory'].includes(name)) {
      if (groups.has('metrics.k8s.io')) return undefined;
      return { message: 'metrics of CPU and memory are missing', next: 'Install metrics-server.' };
    }
    const message = `${name} is no Resource metric: only cpu and memory are, so it never gets a value`;
    return { message, next: 'Scale on the External metric bigo_fleet_demand: autoscaling.signal queue.' };
  }
  if (type === 'External') {
    const name = external?.metric?.name ?? '';
    if (!groups.has('external.metrics.k8s.io'))
      return { message: `nothing serves external metrics, so ${name} has no value`, next: ADAPTER };
    if (externalMetrics.has(name)) return undefined;
    return { message: `external metrics are served, but not ${name}`, next: ADAPTER };
  }
  if (type === 'Pods' && !groups.has('custom.metrics.k8s.io')) {
    const name = pods?.metric?.name ?? '';
    return { message: `nothing serves custom metrics, so ${name} has no value`, next: ADAPTER };
  }
  return undefined;
}
