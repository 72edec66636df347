// Profile production: one Ollama on a GPU node with its own claim, behind an Ingress, in a namespace with quota and limits.
// Never a surge: the claim belongs to one node.
import type { KubeObject } from '../../api/kube-object.ts';
import { plain } from './plain.ts';
import type { Profile, Surroundings } from './types.ts';

export const production: Profile = {
  name: 'production',
  namespace: 'ollama',
  host: 'ollama.example.com',
  spec: ({ host }) => ({
    ollama: {
      replicas: 1,
      models: ['llama3.1:8b'],
      settings: {
        keepAlive: '30m',
        numParallel: 2,
        maxLoadedModels: 1,
        contextLength: 8192,
        flashAttention: true,
        kvCacheType: 'q8_0',
      },
      resources: { requests: { cpu: '2', memory: '16Gi' }, limits: { cpu: '8', memory: '48Gi' } },
      gpu: { resourceName: 'nvidia.com/gpu', count: 1 },
      storage: { mode: 'ephemeral', size: '200Gi' },
      scheduling: { nodeSelector: { 'gpu-type': 'nvidia', accelerator: 'nvidia-gpu' } },
    },
    gateway: {
      enabled: true,
      replicas: 2,
      auth: { mode: 'keys' },
      ingress: { enabled: true, host, className: 'nginx', tls: { secretName: 'ollama-tls', hosts: [host] } },
    },
  }),
  workload: 'Deployment',
  strategy: 'Recreate',
  claim: { name: 'ollama', accessMode: 'ReadWriteOnce' },
  writer: 'pod',
  service: 'ollama',
  namespaceLabels: { 'app.kubernetes.io/name': 'ollama', 'app.kubernetes.io/part-of': 'self-hosted-ai' },
  extra: limits,
  files: {
    Namespace: '01-namespace.yaml',
    ResourceQuota: '01-namespace.yaml',
    LimitRange: '01-namespace.yaml',
    'ConfigMap/ollama-settings': '02-configmap.yaml',
    PersistentVolumeClaim: '03-pvc.yaml',
    'Deployment/ollama': '04-deployment.yaml',
    'Deployment/ollama-gateway': '05-service.yaml',
    Service: '05-service.yaml',
    Ingress: '06-ingress.yaml',
  },
};

/** Of a GPU a quota counts only the requests. Without the defaults it would refuse every container that names no limits. */
function limits({ wish: { namespace } }: Surroundings): KubeObject[] {
  const identity = { apiVersion: 'v1', namespace, app: 'ollama' };
  return [
    plain(
      { ...identity, kind: 'ResourceQuota', name: 'ollama-quota' },
      {
        spec: {
          hard: {
            'requests.cpu': '8',
            'requests.memory': '64Gi',
            'limits.cpu': '16',
            'limits.memory': '128Gi',
            'requests.nvidia.com/gpu': '2',
            persistentvolumeclaims: '5',
            'requests.storage': '500Gi',
          },
        },
      },
    ),
    plain(
      { ...identity, kind: 'LimitRange', name: 'ollama-limits' },
      {
        spec: {
          limits: [
            {
              type: 'Container',
              default: { cpu: '1', memory: '1Gi' },
              defaultRequest: { cpu: '100m', memory: '128Mi' },
            },
          ],
        },
      },
    ),
  ];
}
