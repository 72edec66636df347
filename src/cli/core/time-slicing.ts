// The ConfigMap that makes NVIDIA's device plugin hand one GPU to several pods, and the commands that put it to work.
// Never claims isolation: pods that share a GPU so share its memory and its faults.

export interface TimeSlicing {
  readonly replicas: number;
  readonly resource: string;
  /** Of the ConfigMap. */
  readonly name: string;
  readonly namespace: string;
  /** Of the configuration in it; nodes choose it by label. */
  readonly key: string;
  readonly isRenamed: boolean;
  /** Only nodes with the label, instead of all. */
  readonly isByLabel: boolean;
  readonly plugin: 'gpu-operator' | 'device-plugin';
}

/** What pods ask for afterwards. */
export function sharedResource({ resource, isRenamed }: TimeSlicing): string {
  return isRenamed ? `${resource}.shared` : resource;
}

/** Undefined = it can be shared so. */
export function resourceProblem(resource: string): string | undefined {
  if (/^nvidia\.com\/(gpu|mig-\d+g\.\d+gb)$/.test(resource)) return undefined;
  if (resource.startsWith('amd.com/')) return 'the device plugin of AMD has no time-slicing';
  if (resource.endsWith('.shared')) return 'name the resource as it is before it is shared';
  return 'only nvidia.com/gpu and nvidia.com/mig-<slices>g.<memory>gb can be shared so';
}

export function timeSlicingConfig(wish: TimeSlicing, yaml: (value: object) => string): object {
  const config = {
    version: 'v1',
    flags: { migStrategy: wish.resource === 'nvidia.com/gpu' ? 'none' : 'mixed' },
    sharing: {
      timeSlicing: {
        renameByDefault: wish.isRenamed,
        // Two shares are no larger share: refused, so that nobody believes so.
        failRequestsGreaterThanOne: true,
        resources: [{ name: wish.resource, replicas: wish.replicas }],
      },
    },
  };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: wish.name, namespace: wish.namespace },
    data: { [wish.key]: yaml(config) },
  };
}

/** For people, as comments above the YAML. */
export function timeSlicingSteps(wish: TimeSlicing): string[] {
  const { name, namespace, key, replicas } = wish;
  const config = wish.isByLabel ? { name } : { name, default: key };
  const patch = JSON.stringify({ spec: { devicePlugin: { config } } });
  const isChart = wish.plugin === 'device-plugin';
  const values = wish.isByLabel ? '' : ` --set config.default=${key}`;
  return [
    `Every GPU becomes ${replicas} of ${sharedResource(wish)}. They share memory and faults: docs/guides/gpu-time-slicing.md.`,
    '1. kubectl apply -f THIS-FILE',
    isChart
      ? `2. helm upgrade nvdp nvdp/nvidia-device-plugin -n ${namespace} --reuse-values --set config.name=${name}${values}`
      : `2. kubectl patch clusterpolicies.nvidia.com/cluster-policy --type merge -p '${patch}'`,
    ...(wish.isByLabel ? [`   kubectl label node NODE nvidia.com/device-plugin.config=${key}`] : []),
    `3. kubectl get nodes -o custom-columns='NODE:.metadata.name,SHARES:.status.allocatable.${escaped(sharedResource(wish))}'`,
  ];
}

const escaped = (resource: string): string => resource.replaceAll('.', '\\.');
