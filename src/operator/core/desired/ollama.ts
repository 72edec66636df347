// The Ollama pods: StatefulSet, settings, volumes, Services. The same pods in every storage mode.
// Never holds a model: those are the agent's, and a change of models changes no pod template.
import type { KubeObject } from '../../../api/kube-object.ts';
import { ANNOTATION_PREFIX, type App, labelsOf, PORTS, selectorOf } from '../names.ts';
import { agentContainer, agentVolumes } from './agent.ts';
import type { Context } from './input.ts';
import { configMap, object } from './object.ts';
import { containerSecurity, emptyDir, httpProbe, podDefaults, podSecurity, spread } from './pod.ts';

const HOME = '/home/ollama';
/** Between the end of the drain and the kill. */
const GRACE_AFTER_DRAIN_SECONDS = 30;

/** Ollama's own variables; only what was set. */
function settingsData({ resolved }: Context): Record<string, string> {
  const { settings } = resolved.ollama;
  const pairs: [string, string | number | boolean | undefined][] = [
    ['OLLAMA_CONTEXT_LENGTH', settings.contextLength],
    ['OLLAMA_FLASH_ATTENTION', settings.flashAttention],
    ['OLLAMA_KEEP_ALIVE', settings.keepAlive],
    ['OLLAMA_KV_CACHE_TYPE', settings.kvCacheType],
    ['OLLAMA_LOAD_TIMEOUT', settings.loadTimeout],
    ['OLLAMA_MAX_LOADED_MODELS', settings.maxLoadedModels],
    ['OLLAMA_MAX_QUEUE', settings.maxQueue],
    ['OLLAMA_NUM_PARALLEL', settings.numParallel],
  ];
  return Object.fromEntries(
    pairs.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

export function settingsConfigMap(context: Context): KubeObject {
  return configMap(context, { name: context.names.settings, app: 'ollama' }, settingsData(context));
}

/** The pods read settings when they start, so a change of settings must change the template. */
function settingsAnnotation(context: Context): { annotations?: Record<string, string> } {
  const text = Object.entries(settingsData(context))
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
  return text === '' ? {} : { annotations: { [`${ANNOTATION_PREFIX}settings`]: text } };
}

interface Role {
  readonly app: Extract<App, 'ollama' | 'writer'>;
  readonly agent: 'writer' | 'reader';
}

function ollamaContainer(context: Context, { app, agent }: Role): Record<string, unknown> {
  const { ollama } = context.resolved;
  const { path } = ollama.storage;
  const isShared = ollama.storage.mode === 'shared';
  const isReader = agent === 'reader';
  const env: readonly (readonly [name: string, value: string, applies: boolean])[] = [
    ['HOME', HOME, true],
    ['OLLAMA_HOST', `0.0.0.0:${PORTS.ollama}`, true],
    ['OLLAMA_MODELS', path, true],
    // Ollama deletes at its start what it does not know, also what another pod is just pulling.
    ['OLLAMA_NOPRUNE', '1', isShared],
    // The image asks for all GPUs of the node; without a request it must see none.
    ['NVIDIA_VISIBLE_DEVICES', 'void', ollama.gpu === undefined || app === 'writer'],
  ];
  return {
    name: 'ollama',
    image: ollama.image,
    imagePullPolicy: 'IfNotPresent',
    args: ['serve'],
    env: env.filter(([, , applies]) => applies).map(([name, value]) => ({ name, value })),
    envFrom: [{ configMapRef: { name: context.names.settings } }],
    ports: [{ name: 'http', containerPort: PORTS.ollama, protocol: 'TCP' }],
    startupProbe: httpProbe('/api/version', 'http', { periodSeconds: 2, failureThreshold: 300 }),
    livenessProbe: httpProbe('/api/version', 'http', { periodSeconds: 10, failureThreshold: 6 }),
    // Blocks until nothing runs here: SIGTERM would cut every stream.
    lifecycle: { preStop: { httpGet: { path: '/drain', port: PORTS.agent } } },
    resources: app === 'writer' ? writerResources : withGpu(context),
    securityContext: containerSecurity,
    volumeMounts: [
      { name: 'models', mountPath: path, ...(isReader ? { readOnly: true } : {}) },
      { name: 'home', mountPath: HOME },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

const writerResources = { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '2Gi' } };

function withGpu({ resolved }: Context): Record<string, unknown> {
  const { resources, gpu } = resolved.ollama;
  if (gpu === undefined) return { ...resources };
  const count = { [gpu.resourceName]: String(gpu.count) };
  return { requests: { ...resources.requests, ...count }, limits: { ...resources.limits, ...count } };
}

function podTemplate(context: Context, role: Role): Record<string, unknown> {
  const { name, ollama } = context.resolved;
  const { nodeSelector, affinity, topologySpreadConstraints, priorityClassName } = ollama.scheduling;
  const tolerations = tolerationsOf(context, role);
  const runtimeClassName = role.app === 'writer' ? undefined : ollama.gpu?.runtimeClassName;
  const selector = selectorOf(name, role.app);
  return {
    metadata: { labels: labelsOf(name, role.app), ...settingsAnnotation(context) },
    spec: {
      ...podDefaults,
      serviceAccountName: context.names.ollama,
      terminationGracePeriodSeconds: ollama.drainSeconds + GRACE_AFTER_DRAIN_SECONDS,
      securityContext: podSecurity(),
      ...(runtimeClassName === undefined ? {} : { runtimeClassName }),
      ...(nodeSelector === undefined ? {} : { nodeSelector }),
      ...(tolerations.length === 0 ? {} : { tolerations }),
      ...(affinity === undefined ? {} : { affinity }),
      ...(priorityClassName === undefined || priorityClassName === '' ? {} : { priorityClassName }),
      topologySpreadConstraints: topologySpreadConstraints ?? spread(selector),
      initContainers: [agentContainer(context, role.agent)],
      containers: [ollamaContainer(context, role)],
      volumes: [...modelVolumes(context), ...agentVolumes(context), emptyDir('home'), emptyDir('tmp')],
    },
  };
}

/** GPU nodes are often closed to pods that ask for no GPU; those that ask are let in. */
function tolerationsOf({ resolved }: Context, { app }: Role): readonly Record<string, unknown>[] {
  const given = (resolved.ollama.scheduling.tolerations ?? []) as readonly Record<string, unknown>[];
  const key = resolved.ollama.gpu?.resourceName;
  const isGiven = given.some(toleration => toleration.key === key || toleration.key === undefined);
  if (key === undefined || app === 'writer' || isGiven) return given;
  return [...given, { key, operator: 'Exists', effect: 'NoSchedule' }];
}

/** perReplica has its volume from the claim template. */
function modelVolumes({ resolved, names }: Context): Record<string, unknown>[] {
  const { mode, existingClaim, size, storageClassName } = resolved.ollama.storage;
  if (mode === 'perReplica') return [];
  if (mode === 'shared')
    return [{ name: 'models', persistentVolumeClaim: { claimName: existingClaim ?? names.models } }];
  if (storageClassName === undefined) return [emptyDir('models', size)];
  const spec = claimSpec('ReadWriteOnce', { size, storageClassName });
  return [{ name: 'models', ephemeral: { volumeClaimTemplate: { spec } } }];
}

interface ClaimWish {
  readonly size: string;
  readonly storageClassName?: string;
}
export function claimSpec(
  accessMode: string,
  { size, storageClassName }: ClaimWish,
): Record<string, unknown> {
  return {
    accessModes: [accessMode],
    ...(storageClassName === undefined ? {} : { storageClassName }),
    resources: { requests: { storage: size } },
  };
}

function claimTemplates(context: Context): Record<string, unknown> {
  const { name, ollama } = context.resolved;
  const { mode, retention } = ollama.storage;
  if (mode !== 'perReplica') return {};
  return {
    volumeClaimTemplates: [
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'models', labels: labelsOf(name, 'ollama') },
        spec: claimSpec('ReadWriteOnce', ollama.storage),
      },
    ],
    persistentVolumeClaimRetentionPolicy: { whenDeleted: retention, whenScaled: 'Retain' },
  };
}

function statefulSet(context: Context, role: Role): KubeObject {
  const { name, ollama } = context.resolved;
  const isWriter = role.app === 'writer';
  const identity = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    name: isWriter ? context.names.writer : context.names.ollama,
    app: role.app,
  };
  return object(context, identity, {
    spec: {
      replicas: isWriter ? 1 : ollama.replicas,
      serviceName: context.names.ollamaPods,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate' },
      revisionHistoryLimit: 5,
      selector: { matchLabels: selectorOf(name, role.app) },
      template: podTemplate(context, role),
      ...claimTemplates(context),
    },
  });
}

/** One claim for all pods, unless the user brought one. */
function sharedClaim(context: Context): KubeObject[] {
  const { existingClaim, retention } = context.resolved.ollama.storage;
  if (existingClaim !== undefined) return [];
  const identity = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    name: context.names.models,
    app: 'ollama' as const,
    isKept: retention === 'Retain',
  };
  return [object(context, identity, { spec: claimSpec('ReadWriteMany', context.resolved.ollama.storage) })];
}

export function ollamaWorkloads(context: Context): KubeObject[] {
  if (context.resolved.ollama.storage.mode !== 'shared')
    return [statefulSet(context, { app: 'ollama', agent: 'writer' })];
  return [
    ...sharedClaim(context),
    statefulSet(context, { app: 'writer', agent: 'writer' }),
    statefulSet(context, { app: 'ollama', agent: 'reader' }),
  ];
}

/** The Service that people call: it leads to the gateway where there is one. */
export function ollamaServices(context: Context): KubeObject[] {
  const { name, ollama, gateway } = context.resolved;
  const { type, port, annotations } = ollama.service;
  const called = {
    apiVersion: 'v1',
    kind: 'Service',
    name: context.names.ollama,
    app: 'ollama' as const,
    annotations,
  };
  const pods = { apiVersion: 'v1', kind: 'Service', name: context.names.ollamaPods, app: 'ollama' as const };
  return [
    object(context, called, {
      spec: {
        type,
        selector: selectorOf(name, gateway === undefined ? 'ollama' : 'gateway'),
        ports: [{ name: 'http', port, targetPort: 'http', protocol: 'TCP' }],
      },
    }),
    object(context, pods, {
      spec: {
        clusterIP: 'None',
        publishNotReadyAddresses: true,
        selector: selectorOf(name, 'ollama'),
        ports: [
          { name: 'http', port: PORTS.ollama, targetPort: 'http', protocol: 'TCP' },
          { name: 'agent', port: PORTS.agent, targetPort: 'agent', protocol: 'TCP' },
        ],
      },
    }),
  ];
}
