// Profile model-hosting: three Ollamas with a GPU each, the Model Manager, and a health check every five minutes.
// Never a value of usage: the manager writes those, and a second apply must not wipe them.
import { MANAGER_CLUSTER_RULES, MANAGER_OWN_RULES, MANAGER_RULES } from '../../manager/core/rbac.ts';
import { USAGE_CONFIG_MAP } from '../../manager/core/usage-doc.ts';
import { MANAGER_APP } from '../../operator/core/names.ts';
import type { KubeObject } from '../../api/kube-object.ts';
import {
  containerSecurity,
  emptyDir,
  httpProbe,
  podSecurity,
  spread,
} from '../../operator/core/desired/pod.ts';
import { account, grants, plain, plainLabels } from './plain.ts';
import type { Profile, Surroundings } from './types.ts';

const MANAGER = 'model-manager';
const MANAGER_SERVICE = 'model-manager-service';
const OLLAMA_SERVICE = 'ollama-service';
const HEALTH = 'model-health-check';
const SCRIPT = 'model-health-script';
const SCRIPT_FILE = 'check-models.sh';
const PORT = 8080;
const NODE_PORT = 30_501;
const KEYS = 'ollama-gateway-keys';
/** Octal 755: a JSON number knows no octal. */
const EXECUTABLE = 493;

export const modelHosting: Profile = {
  name: 'model-hosting',
  namespace: 'model-hosting',
  host: '',
  spec: () => ({
    ollama: {
      replicas: 3,
      models: ['qwen2.5-coder:7b', 'llama3.2:3b'],
      settings: { keepAlive: '5m', maxLoadedModels: 3 },
      resources: { requests: { cpu: '500m', memory: '4Gi' }, limits: { cpu: '2', memory: '16Gi' } },
      gpu: { resourceName: 'nvidia.com/gpu', count: 1 },
      storage: { mode: 'shared', existingClaim: 'ollama-pvc', size: '100Gi' },
      rollout: { drainSeconds: 300 },
    },
    gateway: { enabled: true, replicas: 2, auth: { mode: 'keys' } },
  }),
  workload: 'Deployment',
  strategy: 'OneAway',
  claim: { name: 'ollama-pvc', accessMode: 'ReadWriteMany' },
  writer: 'own',
  service: OLLAMA_SERVICE,
  namespaceLabels: {},
  extra: around => [...manager(around), ...health(around), usage(around)],
  files: {
    Namespace: 'namespace.yaml',
    'StatefulSet/ollama-writer': 'ollama-deployment.yaml',
    'Deployment/ollama': 'ollama-deployment.yaml',
    'Deployment/ollama-gateway': 'ollama-service.yaml',
    Service: 'ollama-service.yaml',
    [`Deployment/${MANAGER}`]: 'model-manager-deployment.yaml',
    [`Service/${MANAGER_SERVICE}`]: 'model-manager-service.yaml',
    'Service/model-manager-nodeport': 'model-manager-nodeport.yaml',
    [`CronJob/${HEALTH}`]: 'model-health-check-cronjob.yaml',
    [`ConfigMap/${SCRIPT}`]: 'model-health-script-configmap.yaml',
    [`ConfigMap/${USAGE_CONFIG_MAP}`]: 'model-usage-stats-configmap.yaml',
  },
};

function manager({ wish }: Surroundings): KubeObject[] {
  const { namespace } = wish;
  const labels = { app: MANAGER };
  const selector = { 'app.kubernetes.io/name': MANAGER_APP };
  const identity = { namespace, app: MANAGER_APP, labels };
  const service = (name: string, spec: object): KubeObject =>
    plain({ apiVersion: 'v1', kind: 'Service', name, ...identity }, { spec: { selector, ...spec } });
  const affinity = {
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } },
  };
  const port = { name: 'http', targetPort: 'http', protocol: 'TCP' };
  return [
    account(MANAGER, namespace, MANAGER_APP),
    ...managerRights(namespace),
    plain(
      { apiVersion: 'apps/v1', kind: 'Deployment', name: MANAGER, ...identity },
      {
        spec: {
          replicas: 1,
          revisionHistoryLimit: 5,
          strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
          selector: { matchLabels: selector },
          template: managerTemplate(wish.image, namespace),
        },
      },
    ),
    service(MANAGER_SERVICE, { type: 'ClusterIP', ports: [{ ...port, port: PORT }] }),
    service('model-manager-nodeport', {
      type: 'NodePort',
      ...affinity,
      ports: [{ ...port, port: NODE_PORT, nodePort: NODE_PORT }],
    }),
  ];
}

/** Of all Secrets only the one that this profile makes. */
function managerRights(namespace: string): KubeObject[] {
  const common = { namespace, app: MANAGER_APP, account: MANAGER };
  const named = MANAGER_RULES.map(rule =>
    rule.resources.includes('secrets') ? { ...rule, resourceNames: ['ollama-gateway-admin'] } : rule,
  );
  return [
    ...grants({ ...common, name: 'model-manager-role', rules: [...MANAGER_OWN_RULES, ...named] }),
    ...grants({ ...common, name: MANAGER, isClusterWide: true, rules: MANAGER_CLUSTER_RULES }),
  ];
}

function managerTemplate(image: string, namespace: string): Record<string, unknown> {
  const labels = { ...plainLabels(MANAGER_APP), app: MANAGER };
  return {
    metadata: { labels },
    spec: {
      enableServiceLinks: false,
      serviceAccountName: MANAGER,
      automountServiceAccountToken: true,
      terminationGracePeriodSeconds: 60,
      securityContext: podSecurity(),
      topologySpreadConstraints: spread({ 'app.kubernetes.io/name': MANAGER_APP }),
      containers: [
        {
          name: MANAGER,
          image,
          imagePullPolicy: 'IfNotPresent',
          args: ['manager', '--listen', `0.0.0.0:${PORT}`, '--namespaces', namespace],
          env: [
            {
              name: 'POD_NAMESPACE',
              valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } },
            },
            { name: 'HOME', value: '/tmp' },
          ],
          ports: [{ name: 'http', containerPort: PORT, protocol: 'TCP' }],
          startupProbe: httpProbe('/livez', 'http', { periodSeconds: 2, failureThreshold: 60 }),
          readinessProbe: httpProbe('/readyz', 'http', { periodSeconds: 10, failureThreshold: 3 }),
          livenessProbe: httpProbe('/livez', 'http', { periodSeconds: 15, failureThreshold: 3 }),
          resources: { requests: { cpu: '250m', memory: '512Mi' }, limits: { cpu: '500m', memory: '2Gi' } },
          securityContext: containerSecurity,
          volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
        },
      ],
      volumes: [emptyDir('tmp')],
    },
  };
}

function usage({ wish }: Surroundings): KubeObject {
  const identity = { apiVersion: 'v1', kind: 'ConfigMap', name: USAGE_CONFIG_MAP, namespace: wish.namespace };
  return plain({ ...identity, app: MANAGER_APP }, {});
}

function health({ wish }: Surroundings): KubeObject[] {
  const { namespace } = wish;
  const identity = { namespace, app: HEALTH };
  return [
    plain(
      { apiVersion: 'v1', kind: 'ConfigMap', name: SCRIPT, ...identity },
      { data: { [SCRIPT_FILE]: HEALTH_SCRIPT } },
    ),
    plain(
      { apiVersion: 'batch/v1', kind: 'CronJob', name: HEALTH, ...identity, labels: { app: HEALTH } },
      {
        spec: {
          schedule: '*/5 * * * *',
          concurrencyPolicy: 'Forbid',
          startingDeadlineSeconds: 120,
          successfulJobsHistoryLimit: 3,
          failedJobsHistoryLimit: 1,
          jobTemplate: healthJob(wish.image, namespace),
        },
      },
    ),
  ];
}

const HEALTH_SCRIPT = `#!/bin/sh
# Run by the CronJob model-health-check every five minutes. Change it here: the next run takes the change.
# \`bigo check-models --help\` explains the steps, the variables and the exit codes.
exec bigo check-models "$@"
`;

function healthJob(image: string, namespace: string): Record<string, unknown> {
  const labels = { ...plainLabels(HEALTH), app: HEALTH };
  const inside = (service: string, port: number) =>
    `http://${service}.${namespace}.svc.cluster.local:${port}`;
  return {
    metadata: { labels },
    spec: {
      backoffLimit: 1,
      ttlSecondsAfterFinished: 3600,
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          enableServiceLinks: false,
          automountServiceAccountToken: false,
          securityContext: podSecurity(),
          containers: [
            {
              name: 'health-checker',
              image,
              imagePullPolicy: 'IfNotPresent',
              command: [`/scripts/${SCRIPT_FILE}`],
              env: [
                { name: 'OLLAMA_URL', value: inside(OLLAMA_SERVICE, 11_434) },
                { name: 'MODEL_MANAGER_URL', value: inside(MANAGER_SERVICE, PORT) },
                { name: 'AUTO_PULL', value: 'true' },
                { name: 'TEST_INFERENCE', value: 'false' },
                { name: 'REPORT_STATUS', value: 'false' },
                {
                  name: 'BIGO_KEY',
                  valueFrom: { secretKeyRef: { name: KEYS, key: 'admin-key', optional: true } },
                },
                { name: 'HOME', value: '/tmp' },
              ],
              resources: {
                requests: { cpu: '50m', memory: '64Mi' },
                limits: { cpu: '100m', memory: '128Mi' },
              },
              securityContext: containerSecurity,
              volumeMounts: [
                { name: 'health-script', mountPath: '/scripts', readOnly: true },
                { name: 'tmp', mountPath: '/tmp' },
              ],
            },
          ],
          volumes: [
            { name: 'health-script', configMap: { name: SCRIPT, defaultMode: EXECUTABLE } },
            emptyDir('tmp'),
          ],
        },
      },
    },
  };
}
