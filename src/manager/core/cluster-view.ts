// What pods, resources and nodes say, as the manager shows it: fleets by label, desired models, deployments, GPU memory.
// Never asks the API server, never takes what is on a disk for what is desired.
import type { KubeObject } from '../../api/kube-object.ts';
import type { GpuTotal } from './gpu.ts';

/** Of every pod that the operator and the plain profiles make. */
const APP_LABEL = 'app.kubernetes.io/name';
const FLEET_LABEL = 'app.kubernetes.io/instance';
export const POD_SELECTOR = `${APP_LABEL} in (bigo-gateway,ollama)`;

const PORTS = { main: 11_434, admin: 11_436, ollama: 11_434, agent: 11_435 } as const;

type Fields = Readonly<Record<string, unknown>>;

interface ClusterPod {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** Empty until it has one. */
  readonly address: string;
  readonly isReady: boolean;
  readonly image: string;
  readonly created: string;
  /** By the name that the pod gives it. */
  readonly ports: ReadonlyMap<string, number>;
}

export interface FleetView {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Absent = made without a resource. */
  readonly resource: KubeObject | undefined;
  readonly gateways: readonly ClusterPod[];
  readonly ollamas: readonly ClusterPod[];
}

export function fleetsOf(pods: readonly KubeObject[], resources: readonly KubeObject[]): FleetView[] {
  const fleets = new Map<string, FleetView>();
  const fleetOf = (namespace: string, name: string): FleetView => {
    const key = `${namespace}/${name}`;
    return fleets.get(key) ?? { key, namespace, name, resource: undefined, gateways: [], ollamas: [] };
  };
  for (const resource of resources) {
    const fleet = fleetOf(resource.metadata.namespace ?? '', resource.metadata.name);
    fleets.set(fleet.key, { ...fleet, resource });
  }
  for (const object of pods) {
    const { labels = {}, namespace = '', deletionTimestamp } = object.metadata;
    const name = labels[FLEET_LABEL];
    const phase = (object['status'] as { phase?: string } | undefined)?.phase ?? '';
    if (name === undefined || phase === 'Succeeded' || phase === 'Failed') continue;
    const fleet = fleetOf(namespace, name);
    const isGateway = labels[APP_LABEL] === 'bigo-gateway';
    // An ending gateway still has a journal to read; its Ollamas are as good as gone.
    if (!isGateway && deletionTimestamp !== undefined) continue;
    const pod = podOf(object);
    fleets.set(fleet.key, {
      ...fleet,
      ...(isGateway ? { gateways: [...fleet.gateways, pod] } : { ollamas: [...fleet.ollamas, pod] }),
    });
  }
  return [...fleets.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

interface RawContainer {
  readonly image?: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
}

function podOf({ metadata, spec, status }: KubeObject): ClusterPod {
  const { containers = [], initContainers = [] } = (spec ?? {}) as Record<string, RawContainer[] | undefined>;
  const { podIP = '', conditions = [] } = (status ?? {}) as {
    podIP?: string;
    conditions?: { type: string; status: string }[];
  };
  const named = [...containers, ...initContainers]
    .flatMap(({ ports = [] }) => ports)
    .flatMap(({ name, containerPort }) => (name === undefined ? [] : [[name, containerPort] as const]));
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? '',
    uid: metadata.uid ?? '',
    address: podIP.includes(':') ? `[${podIP}]` : podIP,
    isReady: conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    image: containers[0]?.image ?? '',
    created: metadata.creationTimestamp ?? '',
    ports: new Map(named),
  };
}

/** Absent while the pod has no address. */
export function urlsOf(
  pod: ClusterPod,
): { main: string; admin: string; ollama: string; agent: string } | undefined {
  const { address, ports } = pod;
  if (address === '') return undefined;
  const at = (name: string, otherwise: number) => `http://${address}:${ports.get(name) ?? otherwise}`;
  return {
    main: at('http', PORTS.main),
    admin: at('admin', PORTS.admin),
    ollama: at('ollama', ports.get('http') ?? PORTS.ollama),
    agent: at('agent', PORTS.agent),
  };
}

/** What the resource declares; what a gateway was configured with, where there is no resource. */
export function desiredOf({ resource }: FleetView): string[] | undefined {
  if (resource === undefined) return undefined;
  const { models = [], derivedModels = [] } = ollamaOf(resource) as {
    models?: string[];
    derivedModels?: { name: string }[];
  };
  return [...models, ...derivedModels.map(({ name }) => name)];
}

export interface DeploymentRow {
  readonly name: string;
  readonly namespace: string;
  readonly model_id: string;
  readonly models: readonly string[];
  readonly image: string;
  readonly status: 'Running' | 'Starting' | 'Failed';
  /** Ready Ollama pods of those that should be, `1/2`. */
  readonly replicas: string;
  /** GPUs of each pod. */
  readonly gpu: string;
  readonly memory: string;
  readonly created: string;
  /** Why it is not there yet. */
  readonly message: string;
  /** False: plain objects, which /api/delete leaves alone. */
  readonly managed: boolean;
}

export function deploymentRow(fleet: FleetView): DeploymentRow {
  const { name, namespace, ollamas, resource } = fleet;
  const ready = ollamas.filter(pod => pod.isReady).length;
  const shared = { name, namespace, image: ollamas[0]?.image ?? '' };
  if (resource === undefined) {
    const status = ready > 0 ? 'Running' : 'Starting';
    const plain = { model_id: '', models: [], gpu: '', memory: '', message: '', managed: false };
    const created = ollamas[0]?.created ?? '';
    return { ...shared, ...plain, status, replicas: `${ready}/${ollamas.length}`, created };
  }
  const models = desiredOf(fleet) ?? [];
  const {
    replicas = 1,
    gpu,
    resources,
  } = ollamaOf(resource) as {
    replicas?: number;
    gpu?: { count?: number };
    resources?: Partial<Record<'limits' | 'requests', Record<string, string | number>>>;
  };
  const asked: Record<string, string | number> = { ...resources?.requests, ...resources?.limits };
  const { image = '' } = (resource['status'] ?? {}) as { image?: string };
  const gpus = gpu === undefined ? (asked['nvidia.com/gpu'] ?? 0) : (gpu.count ?? 1);
  return {
    ...shared,
    model_id: models[0] ?? '',
    models,
    image: shared.image === '' ? image : shared.image,
    ...stateOf(resource),
    replicas: `${ready}/${replicas}`,
    gpu: String(gpus),
    memory: String(asked['memory'] ?? ''),
    created: resource.metadata.creationTimestamp ?? '',
    managed: true,
  };
}

/** Degraded is what people must look at; anything else that is not ready is on its way. */
function stateOf({ status }: KubeObject): Pick<DeploymentRow, 'status' | 'message'> {
  const { phase, conditions = [] } = (status ?? {}) as {
    phase?: string;
    conditions?: { type: string; status: string; message: string }[];
  };
  if (phase === 'Ready') return { status: 'Running', message: '' };
  const bad = conditions.find(({ type, status: value }) => type === 'Degraded' && value === 'True');
  const why = bad ?? conditions.find(({ type, status: value }) => type === 'Ready' && value !== 'True');
  return { status: bad === undefined ? 'Starting' : 'Failed', message: why?.message ?? '' };
}

function ollamaOf({ spec }: KubeObject): Fields {
  return ((spec as Fields | undefined)?.['ollama'] ?? {}) as Fields;
}

const mebibyte = 2 ** 20;

/** Labels of NVIDIA's feature discovery: memory of one GPU in MiB, GPUs of the node, shares of each where it is time-sliced. */
export function gpuTotal(nodes: readonly KubeObject[]): GpuTotal {
  let count = 0;
  let totalBytes: number | undefined;
  for (const { metadata, status } of nodes) {
    const { labels = {} } = metadata;
    const { capacity = {} } = (status ?? {}) as { capacity?: Record<string, string> };
    const shares = Math.max(1, Number(labels['nvidia.com/gpu.replicas'] ?? 1) || 1);
    const places = Number(capacity['nvidia.com/gpu'] ?? 0) || 0;
    const gpus = Number(labels['nvidia.com/gpu.count'] ?? 0) || Math.ceil(places / shares);
    if (places === 0 || gpus === 0) continue;
    count += gpus;
    const each = Number(labels['nvidia.com/gpu.memory'] ?? 0) || 0;
    if (each > 0) totalBytes = (totalBytes ?? 0) + each * mebibyte * gpus;
  }
  return { count, ...(totalBytes !== undefined && { totalBytes }) };
}
