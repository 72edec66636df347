// The status of a resource from what was observed, and from nothing else but the times of earlier conditions.
// Never says what will be: two pods seen, three wanted, is two.
import type { KubeObject } from '../../../api/kube-object.ts';
import type { ComponentStatus, Status } from '../../../api/ollama-deployment/status.ts';
import { asConditions, countsOf, verdicts } from './conditions.ts';
import { modelRows, podRows } from './models.ts';
import { type Component, COMPONENTS, isEnabled, type Observed, workload } from './observed.ts';
import { problemsOf } from './problems.ts';

export function statusOf(observed: Observed, wallIso: string): Status {
  const { resource } = observed;
  const models = modelRows(observed);
  const found = verdicts({ observed, problems: problemsOf(observed), models });
  const generation = resource.metadata.generation;
  const enabled = COMPONENTS.filter(component => isEnabled(observed, component));
  const counts = enabled.map(component => countsOf(observed, component));
  const set = workload(observed, 'ollama');
  const image = imageOf(set?.object) ?? resource.status?.image;
  const selector = selectorOf(set?.object);
  return {
    phase: phaseOf(found.Ready.status === 'True', sum(counts.map(({ ready }) => ready))),
    observedGeneration: generation,
    conditions: asConditions(found, resource.status?.conditions ?? [], { generation, wallIso }),
    ...(image === undefined ? {} : { image }),
    readyReplicas: sum(counts.map(({ ready }) => ready)),
    totalReplicas: sum(counts.map(({ wanted }) => wanted)),
    replicas: set?.status.replicas ?? 0,
    ...(selector === undefined ? {} : { selector }),
    modelsReady: `${models.filter(({ state }) => state === 'present').length}/${models.length}`,
    endpoints: endpointsOf(observed),
    models,
    pods: podRows(observed),
    ...Object.fromEntries(
      enabled.map(component => [`${component}Status`, componentStatus(observed, component)]),
    ),
  };
}

/** Derived for the seed's readers; nothing is decided by it. */
function phaseOf(isReady: boolean, ready: number): NonNullable<Status['phase']> {
  if (isReady) return 'Ready';
  return ready > 0 ? 'Progressing' : 'Pending';
}

function componentStatus(observed: Observed, component: Component): ComponentStatus {
  const status = workload(observed, component)?.status ?? {};
  return {
    availableReplicas: status.availableReplicas ?? 0,
    readyReplicas: status.readyReplicas ?? 0,
    updatedReplicas: status.updatedReplicas ?? 0,
  };
}

interface PodTemplate {
  readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly template?: {
    readonly spec?: { readonly containers?: readonly { readonly name?: string; readonly image?: string }[] };
  };
}

function imageOf(set: KubeObject | undefined): string | undefined {
  const { template } = (set?.['spec'] ?? {}) as PodTemplate;
  return template?.spec?.containers?.find(({ name }) => name === 'ollama')?.image;
}

function selectorOf(set: KubeObject | undefined): string | undefined {
  const { selector } = (set?.['spec'] ?? {}) as PodTemplate;
  const labels = Object.entries(selector?.matchLabels ?? {});
  return labels.length === 0 ? undefined : labels.map(([key, value]) => `${key}=${value}`).join(',');
}

function endpointsOf(observed: Observed): NonNullable<Status['endpoints']> {
  const { name } = observed.resource.metadata;
  const internal = serviceUrl(observed, `${name}-ollama`);
  const openwebui = serviceUrl(observed, `${name}-openwebui`);
  const tabby = serviceUrl(observed, `${name}-tabby`);
  const external = observed.children.flatMap(outsideUrls);
  return {
    ...(internal === undefined ? {} : { internal }),
    ...(external.length === 0 ? {} : { external: [...new Set(external)].toSorted().slice(0, 16) }),
    ...(openwebui === undefined ? {} : { openwebui }),
    ...(tabby === undefined ? {} : { tabby }),
  };
}

function serviceUrl({ children }: Observed, name: string): string | undefined {
  const service = children.find(child => child.kind === 'Service' && child.metadata.name === name);
  const { ports } = (service?.['spec'] ?? {}) as { readonly ports?: readonly { readonly port: number }[] };
  if (service === undefined || ports?.[0] === undefined) return undefined;
  return `http://${name}.${service.metadata.namespace ?? 'default'}.svc:${ports[0].port}`;
}

interface Outside {
  readonly rules?: readonly { readonly host?: string }[];
  readonly tls?: readonly object[];
  readonly ports?: readonly { readonly port: number }[];
}

function outsideUrls(child: KubeObject): string[] {
  const spec = (child['spec'] ?? {}) as Outside;
  if (child.kind === 'Ingress') {
    const scheme = (spec.tls ?? []).length > 0 ? 'https' : 'http';
    return (spec.rules ?? []).flatMap(({ host }) => (host === undefined ? [] : [`${scheme}://${host}`]));
  }
  if (child.kind !== 'Service') return [];
  const status = (child['status'] ?? {}) as {
    readonly loadBalancer?: {
      readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[];
    };
  };
  return (status.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => {
    const host = hostname ?? ip;
    return host === undefined ? [] : [`http://${host}:${spec.ports?.[0]?.port ?? 80}`];
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
