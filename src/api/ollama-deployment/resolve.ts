// A resource -> what it means: old names nested, every default filled in, one value for each question.
// Never looks at the cluster: what depends on live objects is an argument of operator/core/desired.
import type { ConditionReason } from '../condition-reasons.ts';
import { modelKey } from '../names.ts';
import { DEVIATIONS } from './deviations.ts';
import { autoscalingSchema, gatewaySchema, monitoringSchema } from './gateway.ts';
import { nested } from './nested.ts';
import type { OllamaDeployment, Spec } from './resource.ts';
import {
  type Quantities,
  resolvedIngress,
  type ResolvedIngress,
  resolvedPersistence,
  type ResolvedPersistence,
  resolvedResources,
  resolvedService,
  type ResolvedService,
  type Resources,
  storageOf,
} from './resolve-parts.ts';

export interface ResolveSettings {
  /** Version of Ollama that this release was tested with. */
  readonly ollamaTag: string;
}

type Required<Value> = { readonly [Key in keyof Value]-?: Exclude<Value[Key], undefined> };
type Given = NonNullable<Spec['ollama']>;

export interface ResolvedStorage {
  readonly mode: 'perReplica' | 'shared' | 'ephemeral';
  readonly size: string;
  /** Absent = the default class of the cluster. */
  readonly storageClassName?: string;
  readonly existingClaim?: string;
  readonly retention: 'Retain' | 'Delete';
  readonly path: string;
}

export interface ResolvedOllama {
  readonly replicas: number;
  readonly image: string;
  readonly models: readonly string[];
  readonly derivedModels: NonNullable<Given['derivedModels']>;
  readonly deleteUndeclaredModels: boolean;
  readonly settings: NonNullable<Given['settings']>;
  readonly storage: ResolvedStorage;
  /** Absent = the pods use no GPU. */
  readonly gpu?: {
    readonly resourceName: string;
    readonly count: number;
    readonly runtimeClassName?: string;
  };
  readonly scheduling: NonNullable<Given['scheduling']>;
  readonly placement: NonNullable<Given['placement']>;
  readonly drainSeconds: number;
  readonly nodeLost: { readonly policy: 'Wait' | 'Delete'; readonly afterSeconds: number };
  readonly service: ResolvedService;
  readonly resources: Resources;
}

export interface ResolvedGateway {
  readonly replicas: number;
  readonly resources: Resources;
  readonly ingress?: ResolvedIngress;
  readonly auth: {
    readonly mode: 'none' | 'keys';
    /** The user's own Secret; absent = ours. */
    readonly secretName?: string;
    readonly anonymousRole: 'inference' | 'admin';
  };
  readonly queueSize: number;
  readonly aliases: Readonly<Record<string, string>>;
  readonly clusters: NonNullable<NonNullable<Spec['gateway']>['clusters']>;
}

interface ResolvedComponent {
  readonly replicas: number;
  readonly image: string;
  readonly resources: Resources;
  readonly service: ResolvedService;
  readonly ingress?: ResolvedIngress;
  /** Absent = data are lost with the pod. */
  readonly persistence?: ResolvedPersistence;
  readonly envVars: NonNullable<NonNullable<Spec['tabby']>['envVars']>;
}
export interface ResolvedOpenwebui extends ResolvedComponent {
  readonly redisUrl?: string;
}
export interface ResolvedTabby extends ResolvedComponent {
  /** Another Ollama Service than that of this fleet. */
  readonly ollama?: { readonly name: string; readonly port: number };
  readonly completionModel: string;
  readonly chatModel: string;
  readonly embeddingModel: string;
  readonly volumes: NonNullable<NonNullable<Spec['tabby']>['volumes']>;
  readonly volumeMounts: NonNullable<NonNullable<Spec['tabby']>['volumeMounts']>;
}

export interface Note {
  readonly reason: ConditionReason;
  readonly message: string;
}

/** A component that is absent is switched off. */
export interface Resolved {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly ollama: ResolvedOllama;
  readonly gateway?: ResolvedGateway;
  readonly openwebui?: ResolvedOpenwebui;
  readonly tabby?: ResolvedTabby;
  readonly autoscaling?: NonNullable<Spec['autoscaling']>;
  readonly monitoring: {
    readonly serviceMonitor?: {
      readonly interval: string;
      readonly labels: Readonly<Record<string, string>>;
    };
    readonly alerts: boolean;
    readonly dashboards: boolean;
  };
  /** Absent = no NetworkPolicy. */
  readonly allowFrom?: NonNullable<NonNullable<NonNullable<Spec['network']>['policy']>['allowFrom']>;
  /** What is accepted and yet not as it should be. */
  readonly notes: readonly Note[];
}

const DEFAULT_SIZE = '50Gi';
const EMBEDDING_MODEL = /embed|minilm|^bge-|\/bge-/i;
const SCRATCH: Required<Pick<Quantities, 'cpu' | 'memory'>> = { cpu: '500m', memory: '2Gi' };

export function resolve(resource: OllamaDeployment, settings: ResolveSettings): Resolved {
  const spec = nested(resource.spec);
  const { name, namespace, uid } = resource.metadata;
  const ollama = resolvedOllama(spec.ollama, resource.status?.image, settings);
  return {
    name,
    namespace,
    uid,
    ollama,
    ...optional('gateway', resolvedGateway(spec, ollama)),
    ...optional('openwebui', resolvedOpenwebui(spec)),
    ...optional('tabby', resolvedTabby(spec, ollama)),
    ...optional(
      'autoscaling',
      spec.autoscaling?.enabled ? autoscalingSchema.parse(spec.autoscaling) : undefined,
    ),
    monitoring: resolvedMonitoring(spec),
    ...optional(
      'allowFrom',
      spec.network?.policy?.enabled === false ? undefined : (spec.network?.policy?.allowFrom ?? []),
    ),
    notes: DEVIATIONS.filter(deviation => deviation.applies(resource.spec)).map(({ reason, message }) => ({
      reason,
      message,
    })),
  };
}

function resolvedOllama(
  given: Spec['ollama'],
  imageBefore: string | undefined,
  settings: ResolveSettings,
): ResolvedOllama {
  const { gpu, storage } = given;
  return {
    replicas: given.replicas,
    image: ollamaImage(given, imageBefore, settings),
    models: distinctModels(given.models),
    derivedModels: given.derivedModels ?? [],
    deleteUndeclaredModels: given.deleteUndeclaredModels,
    settings: given.settings ?? {},
    storage: {
      mode: storage?.mode ?? 'perReplica',
      size: storage?.size ?? storageOf(given.resources) ?? DEFAULT_SIZE,
      ...optional('storageClassName', named(storage?.storageClassName)),
      ...optional('existingClaim', named(storage?.existingClaim)),
      retention: storage?.retention ?? 'Retain',
      path: storage?.path ?? '/models',
    },
    ...(gpu === undefined || gpu.count === 0
      ? {}
      : {
          gpu: {
            resourceName: gpu.resourceName,
            count: gpu.count,
            ...optional('runtimeClassName', named(gpu.runtimeClassName)),
          },
        }),
    scheduling: given.scheduling ?? {},
    placement: given.placement ?? [],
    drainSeconds: given.rollout?.drainSeconds ?? 300,
    nodeLost: given.nodeLost ?? { policy: 'Wait', afterSeconds: 300 },
    service: resolvedService(given.service, 11_434),
    resources: resolvedResources(given.resources, { requests: SCRATCH }),
  };
}

/** A tag that was not written is the one that was used before, so that a new operator restarts nothing. */
function ollamaImage(given: Spec['ollama'], before: string | undefined, settings: ResolveSettings): string {
  if (given.image.includes('@')) return given.image;
  if (given.imageTag !== undefined) return `${given.image}:${given.imageTag}`;
  const isSameRepository = before !== undefined && before.startsWith(`${given.image}:`);
  return isSameRepository ? before : `${given.image}:${settings.ollamaTag}`;
}

/** `mistral` and `mistral:latest` are one model. */
function distinctModels(models: readonly string[]): string[] {
  const seen = new Map(models.toReversed().map(model => [modelKey(model) ?? model, model]));
  return models.filter(model => seen.get(modelKey(model) ?? model) === model);
}

function resolvedGateway(spec: Spec, ollama: ResolvedOllama): ResolvedGateway | undefined {
  const given = gatewaySchema.parse(spec.gateway ?? {});
  if (!given.enabled) return undefined;
  const ingress = resolvedIngress(given.ingress);
  const isInside = ollama.service.type === 'ClusterIP' && ingress === undefined;
  const mode = given.auth?.mode;
  return {
    replicas: given.replicas,
    resources: resolvedResources(given.resources, {
      requests: { cpu: '200m', memory: '256Mi' },
      limits: { memory: '1Gi' },
    }),
    ...optional('ingress', ingress),
    auth: {
      mode: mode === undefined || mode === '' ? (isInside ? 'none' : 'keys') : mode,
      ...optional('secretName', named(given.auth?.secretName)),
      anonymousRole: given.auth?.anonymousRole ?? 'inference',
    },
    queueSize: given.queueSize,
    aliases: given.aliases ?? {},
    clusters: given.clusters ?? [],
  };
}

function resolvedOpenwebui({ openwebui: given }: Spec): ResolvedOpenwebui | undefined {
  if (given === undefined || !given.enabled) return undefined;
  return {
    replicas: given.replicas,
    image: imageOf(given, 'main'),
    resources: resolvedResources(given.resources, {
      requests: { cpu: '200m', memory: '512Mi' },
      limits: { memory: '2Gi' },
    }),
    service: resolvedService(given.service, 8080),
    ...optional('ingress', resolvedIngress(given.ingress)),
    ...optional('persistence', resolvedPersistence(given.persistence, storageOf(given.resources) ?? '1Gi')),
    envVars: given.envVars ?? [],
    ...optional('redisUrl', named(given.redisUrl)),
  };
}

function resolvedTabby({ tabby: given }: Spec, ollama: ResolvedOllama): ResolvedTabby | undefined {
  if (given === undefined || !given.enabled) return undefined;
  const completionModel = given.modelName ?? ollama.models[0] ?? '';
  const external = given.ollamaServiceName;
  return {
    // SQLite bears one writer.
    replicas: 1,
    image: imageOf(given, 'latest'),
    resources: resolvedResources(given.resources, {
      requests: { cpu: '250m', memory: '512Mi' },
      limits: { memory: '1Gi' },
    }),
    service: resolvedService(given.service, 8080),
    ...optional('ingress', resolvedIngress(given.ingress)),
    ...optional('persistence', resolvedPersistence(given.persistence, storageOf(given.resources) ?? '10Gi')),
    envVars: given.envVars ?? [],
    ...(external === undefined
      ? {}
      : { ollama: { name: external, port: given.ollamaServicePort ?? 11_434 } }),
    completionModel,
    chatModel: given.chatModelName ?? completionModel,
    embeddingModel:
      given.embeddingModelName ?? ollama.models.find(model => EMBEDDING_MODEL.test(model)) ?? completionModel,
    volumes: given.volumes ?? [],
    volumeMounts: given.volumeMounts ?? [],
  };
}

function resolvedMonitoring(spec: Spec): Resolved['monitoring'] {
  const { serviceMonitor, alerts, dashboards } = monitoringSchema.parse(spec.monitoring ?? {});
  return {
    ...(serviceMonitor?.enabled
      ? { serviceMonitor: { interval: serviceMonitor.interval, labels: serviceMonitor.labels ?? {} } }
      : {}),
    alerts: alerts?.enabled ?? false,
    dashboards: dashboards?.enabled ?? false,
  };
}

function imageOf({ image, imageTag }: { image: string; imageTag?: string | undefined }, tag: string): string {
  return image.includes('@') ? image : `${image}:${imageTag ?? tag}`;
}

const named = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

function optional<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]?: Value });
}
