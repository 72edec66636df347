// Profile bigo: three Ollamas with a GPU each behind a load balancer, one folder of models for all, scaled by the demand.
// Never two writers of that folder: the loader Job fills it, the pods read.
import type { KubeObject } from '../../api/kube-object.ts';
import { containerSecurity, emptyDir, podSecurity } from '../../operator/core/desired/pod.ts';
import { account, plain, plainLabels } from './plain.ts';
import type { Profile, Surroundings } from './types.ts';

const LOADER = 'ollama-model-loader';
const MODELFILES = '/etc/modelfiles';
const HOME = '/home/ollama';

export const bigo: Profile = {
  name: 'bigo',
  namespace: 'bigo',
  host: 'ollama.example.com',
  spec: () => ({
    ollama: {
      replicas: 3,
      models: ['phi3:mini', 'qwen3:8b'],
      derivedModels: [
        { name: 'phi3:mini-16k', from: 'phi3:mini', parameters: { num_ctx: 16_384 } },
        { name: 'qwen3:8b-8k', from: 'qwen3:8b', parameters: { num_ctx: 8192 } },
      ],
      service: { type: 'LoadBalancer', port: 11_434 },
      resources: { requests: { cpu: '1', memory: '8Gi' }, limits: { memory: '32Gi' } },
      gpu: { resourceName: 'nvidia.com/gpu', count: 1 },
      storage: { mode: 'shared', existingClaim: 'ollama-models', size: '100Gi', storageClassName: 'nfs' },
      scheduling: { nodeSelector: { gpu: 'true' } },
    },
    gateway: {
      enabled: true,
      replicas: 2,
      auth: { mode: 'keys' },
      aliases: { fast: 'phi3:mini-16k', default: 'qwen3:8b', reasoning: 'qwen3:8b-8k' },
    },
    autoscaling: {
      enabled: true,
      minReplicas: 2,
      maxReplicas: 10,
      signal: 'queue',
      target: 2,
      engine: 'hpa',
    },
    monitoring: { serviceMonitor: { enabled: true, interval: '30s' }, alerts: { enabled: true } },
  }),
  workload: 'StatefulSet',
  strategy: 'OneAway',
  claim: { name: 'ollama-models', accessMode: 'ReadWriteMany' },
  writer: 'job',
  service: 'ollama',
  namespaceLabels: {},
  extra: loader,
  files: {
    Namespace: 'namespace.yaml',
    'StatefulSet/ollama': 'ollama-deployment.yaml',
    'Deployment/ollama-gateway': 'ollama-service.yaml',
    Service: 'ollama-service.yaml',
    PersistentVolumeClaim: 'ollama-pvc.yaml',
    HorizontalPodAutoscaler: 'ollama-hpa.yaml',
    [`Job/${LOADER}`]: 'model-loader-job.yaml',
    [`ConfigMap/${LOADER}`]: 'model-loader-job.yaml',
    [`ServiceAccount/${LOADER}`]: 'model-loader-job.yaml',
  },
};

/** `ollama pull` speaks to a server and starts none, so the Job brings its own. */
function loader({ resolved, wish }: Surroundings): KubeObject[] {
  const { ollama } = resolved;
  const identity = { name: LOADER, namespace: wish.namespace, app: LOADER };
  const modelfiles = ollama.derivedModels.map((model, index) => [String(index), modelfile(model)] as const);
  const derived = ollama.derivedModels.flatMap(({ name }, index) => [name, `${MODELFILES}/${index}`]);
  return [
    account(LOADER, wish.namespace, LOADER),
    plain({ apiVersion: 'v1', kind: 'ConfigMap', ...identity }, { data: Object.fromEntries(modelfiles) }),
    plain(
      { apiVersion: 'batch/v1', kind: 'Job', ...identity },
      {
        spec: {
          backoffLimit: 10,
          template: {
            metadata: { labels: plainLabels(LOADER) },
            spec: {
              restartPolicy: 'OnFailure',
              enableServiceLinks: false,
              serviceAccountName: LOADER,
              automountServiceAccountToken: false,
              securityContext: podSecurity(),
              initContainers: [server(ollama)],
              containers: [
                {
                  ...container('loader', ollama),
                  command: ['/bin/sh', '-ec', SCRIPT, 'load'],
                  args: [String(ollama.models.length), ...ollama.models, ...derived],
                  resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '256Mi' } },
                  volumeMounts: [
                    { name: 'home', mountPath: HOME },
                    { name: 'modelfiles', mountPath: MODELFILES, readOnly: true },
                  ],
                },
              ],
              volumes: [
                { name: 'model-cache', persistentVolumeClaim: { claimName: 'ollama-models' } },
                { name: 'modelfiles', configMap: { name: LOADER } },
                emptyDir('home'),
                emptyDir('tmp'),
              ],
            },
          },
        },
      },
    ),
  ];
}

/** Ends at the first failure; the Job tries again, and what was pulled is not pulled twice. */
const SCRIPT = `count=$1
shift
while [ "$count" -gt 0 ]; do
  ollama pull "$1"
  shift
  count=$((count - 1))
done
while [ "$#" -gt 0 ]; do
  ollama create "$1" -f "$2"
  shift 2
done
`;

type Ollama = Surroundings['resolved']['ollama'];

function container(name: string, { image, storage }: Ollama): Record<string, unknown> {
  const env = {
    HOME,
    OLLAMA_HOST: '127.0.0.1:11434',
    OLLAMA_MODELS: storage.path,
    OLLAMA_NOPRUNE: '1',
    // The image asks for all GPUs of the node; loading needs none.
    NVIDIA_VISIBLE_DEVICES: 'void',
  };
  return {
    name,
    image,
    imagePullPolicy: 'IfNotPresent',
    env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
    securityContext: containerSecurity,
  };
}

function server(ollama: Ollama): Record<string, unknown> {
  return {
    ...container('server', ollama),
    args: ['serve'],
    restartPolicy: 'Always',
    startupProbe: {
      exec: { command: ['ollama', 'list'] },
      periodSeconds: 2,
      failureThreshold: 60,
      timeoutSeconds: 5,
    },
    resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '2Gi' } },
    volumeMounts: [
      { name: 'model-cache', mountPath: ollama.storage.path },
      { name: 'home', mountPath: HOME },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

function modelfile({ from, parameters = {}, system }: Ollama['derivedModels'][number]): string {
  const lines = Object.entries(parameters).flatMap(([name, value]) =>
    [value]
      .flat()
      .map(one => `PARAMETER ${name} ${typeof one === 'string' ? JSON.stringify(one) : String(one)}`),
  );
  return [`FROM ${from}`, ...lines, ...(system === undefined ? [] : [`SYSTEM """${system}"""`]), ''].join(
    '\n',
  );
}
