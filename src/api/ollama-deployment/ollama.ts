// spec.ollama: the Ollama pods, their models, settings, storage, GPUs and places.
// Never what stands in front of them: that is gateway.ts.
import * as z from 'zod';
import {
  type CelRule,
  dnsNameOrEmpty,
  durationText,
  field,
  imageName,
  imageTag,
  keyedBy,
  modelName,
  podPart,
  podParts,
  quantityText,
  text,
  textMap,
  whole,
  withRules,
} from './fields.ts';
import { flatService, flatServiceRules, resources, service } from './parts.ts';

const derivedModel = z.object({
  name: field('Name of the new model.', modelName()),
  from: field('Model it is made from; must be in models.', modelName()),
  parameters: field(
    'PARAMETER values such as num_ctx; a list repeats the parameter.',
    z
      .record(
        z.string(),
        z
          .custom<string | number | boolean | readonly string[]>()
          .meta({ 'x-kubernetes-preserve-unknown-fields': true }),
      )
      .meta({ maxProperties: 64 })
      .optional(),
  ),
  system: field('System prompt of the new model.', text(32_768).optional()),
  template: field('Prompt template of the new model.', text(32_768).optional()),
});

const settings = z.object({
  keepAlive: field(
    'How long a model stays loaded after its last request: 5m, 1h, -1 = for ever.',
    durationText().optional(),
  ),
  numParallel: field('Requests that one loaded model answers at a time.', whole(1, 256).optional()),
  maxLoadedModels: field('Models loaded at a time in one pod; 0 = as many as fit.', whole(0, 64).optional()),
  maxQueue: field('Requests that may wait inside one Ollama server.', whole(1, 100_000).optional()),
  contextLength: field('Default context length in tokens.', whole(256, 16_777_216).optional()),
  flashAttention: field('true: use flash attention.', z.boolean().optional()),
  kvCacheType: field('Precision of the key-value cache.', z.enum(['f16', 'q8_0', 'q4_0']).optional()),
  loadTimeout: field('Longest time to load a model.', durationText().optional()),
});

const storage = z.object({
  mode: field(
    'Where models are kept. perReplica (default): every pod has a volume of its own. shared: one ReadWriteMany volume, written by one pod. ephemeral: lost with the pod. Cannot be changed later.',
    z.enum(['perReplica', 'shared', 'ephemeral']).default('perReplica'),
  ),
  size: field('Size of each volume, such as 50Gi (default); may only grow.', quantityText().optional()),
  storageClassName: field(
    'StorageClass; empty = the default class of the cluster. Cannot be changed later.',
    dnsNameOrEmpty().optional(),
  ),
  existingClaim: field(
    'Name of a ReadWriteMany claim that you made; only with mode shared.',
    dnsNameOrEmpty().optional(),
  ),
  retention: field(
    'What becomes of the volumes when the resource is deleted: Retain (default) or Delete.',
    z.enum(['Retain', 'Delete']).default('Retain'),
  ),
  path: field(
    'Folder of the models inside the container.',
    z
      .string()
      .max(256)
      .regex(/^\/[A-Za-z0-9._/-]*[A-Za-z0-9._-]$/)
      .default('/models'),
  ),
});

const gpu = z.object({
  resourceName: field(
    'Name of the GPU resource of the nodes, such as nvidia.com/gpu (default), amd.com/gpu or nvidia.com/mig-1g.10gb.',
    z
      .string()
      .min(3)
      .max(253)
      .regex(/^[a-z0-9.-]+\/[A-Za-z0-9._-]+$/)
      .default('nvidia.com/gpu'),
  ),
  count: field('GPUs of each pod; 0 = run on the CPU.', whole(0, 16).default(1)),
  runtimeClassName: field(
    'RuntimeClass of the pods, where the GPU runtime is not the default one.',
    dnsNameOrEmpty().optional(),
  ),
});

const scheduling = z.object({
  nodeSelector: field('Labels that a node must have, such as gpu: "true".', textMap(32, 63).optional()),
  tolerations: podParts('Taints that the pods tolerate.', 32).optional(),
  affinity: podPart('Affinity of the pods; replaces nothing of ours.').optional(),
  topologySpreadConstraints: podParts(
    'How pods spread; absent = over nodes where that is possible.',
    16,
  ).optional(),
  priorityClassName: field('PriorityClass of the pods.', dnsNameOrEmpty().optional()),
});

const fromIsDeclared: CelRule = {
  rule: "!has(self.derivedModels) || self.derivedModels.all(d, self.models.exists(m, m == d.from || m == d.from + ':latest' || m + ':latest' == d.from))",
  message: 'derivedModels[].from must be one of models: add the model to models',
  fieldPath: '.derivedModels',
};
const derivedIsNew: CelRule = {
  rule: '!has(self.derivedModels) || self.derivedModels.all(d, !(d.name in self.models))',
  message: 'derivedModels[].name must not be one of models: choose another name',
  fieldPath: '.derivedModels',
};
const placedIsDeclared: CelRule = {
  rule: '!has(self.placement) || self.placement.all(p, p.model in self.models || (has(self.derivedModels) && self.derivedModels.exists(d, d.name == p.model)))',
  message: 'placement[].model must be one of models or derivedModels: add the model, or remove the placement',
  fieldPath: '.placement',
};
const tagOrDigest: CelRule = {
  rule: "!(has(self.imageTag) && self.image.contains('@'))",
  message: 'image holds a digest, so imageTag has no effect: remove imageTag',
  fieldPath: '.imageTag',
  reason: 'FieldValueForbidden',
};
const claimOnlyShared: CelRule = {
  rule: "!has(self.storage) || !has(self.storage.existingClaim) || self.storage.existingClaim == '' || self.storage.mode == 'shared'",
  message:
    'storage.existingClaim is for one volume of all pods: set storage.mode to shared, or remove existingClaim',
  fieldPath: '.storage.existingClaim',
};
const mode = (of: string) => `(has(${of}.storage) ? ${of}.storage.mode : 'perReplica')`;
const storageClass = (of: string) =>
  `(has(${of}.storage) && has(${of}.storage.storageClassName) ? ${of}.storage.storageClassName : '')`;
const claim = (of: string) =>
  `(has(${of}.storage) && has(${of}.storage.existingClaim) ? ${of}.storage.existingClaim : '')`;
const listed = (list: string) => `has(${list}) && 'storage' in ${list} ? string(${list}['storage'])`;
/** As resolve.ts finds it: the size, else the storage of the resources, else the default. */
const size = (of: string) =>
  `(has(${of}.storage) && has(${of}.storage.size) ? ${of}.storage.size : has(${of}.resources) ? (${listed(`${of}.resources.requests`)} : ${listed(`${of}.resources.limits`)} : '50Gi') : '50Gi')`;

/** They stand here, not on storage: removing the whole block must not get around them. */
const transitionRules: readonly CelRule[] = [
  {
    rule: `${mode('self')} == ${mode('oldSelf')}`,
    message: 'storage.mode cannot be changed: make a new OllamaDeployment with the other mode',
    fieldPath: '.storage.mode',
  },
  {
    rule: `${storageClass('self')} == ${storageClass('oldSelf')}`,
    message: 'storage.storageClassName cannot be changed: make a new OllamaDeployment with the other class',
    fieldPath: '.storage.storageClassName',
  },
  {
    rule: `${claim('self')} == ${claim('oldSelf')}`,
    message: 'storage.existingClaim cannot be changed: make a new OllamaDeployment with the other claim',
    fieldPath: '.storage.existingClaim',
  },
  {
    rule: `quantity(${size('self')}).compareTo(quantity(${size('oldSelf')})) >= 0`,
    message: 'storage.size may only grow: give at least the size it has now',
    fieldPath: '.storage.size',
  },
];

export const ollamaSchema = field(
  'The Ollama pods and their models.',
  z.object({
    replicas: field(
      'Ollama pods, 1 to 10. This is the live size: people, `kubectl scale` and autoscalers write it, the operator never does. 0 only with autoscaling.idleSecondsToZero.',
      whole(0, 10).default(1),
      { format: 'int32' },
    ),
    image: field(
      'Image of Ollama, without tag; a digest may follow after @.',
      imageName().default('ollama/ollama'),
    ),
    imageTag: field(
      'Tag of the image. Absent = the version this operator was tested with, kept when the operator is upgraded and shown in status.image.',
      imageTag().optional(),
    ),
    resources: resources().optional(),
    models: field(
      'Models that every pod should have, such as llama3.2:1b. They are pulled, checked and repaired; changing the list restarts nothing.',
      z.array(modelName()).min(1).max(100),
      { 'x-kubernetes-list-type': 'set' },
    ),
    derivedModels: field(
      'Models made from others with own parameters, as `ollama create` does.',
      z.array(derivedModel).max(50).optional(),
      keyedBy('name'),
    ),
    deleteUndeclaredModels: field(
      'true: models that are on disk and declared nowhere are deleted.',
      z.boolean().default(false),
    ),
    settings: field(
      'Settings of the Ollama server. A change restarts the pods one after another.',
      settings.optional(),
    ),
    storage: field('Where models are kept.', storage.optional()),
    gpu: field('GPUs of each pod; absent = none, run on the CPU.', gpu.optional()),
    scheduling: field('Which nodes the pods may run on.', scheduling.optional()),
    placement: field(
      'Models that only some pods should have.',
      z
        .array(
          z.object({
            model: field('Model the entry is about.', modelName()),
            replicas: field(
              'Numbers of the pods that have it: 0 is <name>-ollama-0.',
              z.array(whole(0, 9)).min(1).max(10),
              { 'x-kubernetes-list-type': 'set' },
            ),
          }),
        )
        .max(100)
        .optional(),
      keyedBy('model'),
    ),
    rollout: field(
      'How pods are replaced.',
      z
        .object({
          drainSeconds: field(
            'Longest time that running answers may take to finish before a pod stops.',
            whole(0, 86_400).default(300),
          ),
        })
        .optional(),
    ),
    nodeLost: field(
      'What becomes of a pod whose node does not answer. Requests go to the other pods at once in any case.',
      z
        .object({
          policy: field(
            'Wait (default): the pod stays until its node answers again or somebody deletes it. Delete: it is deleted by force, so that it starts on another node. Only safe where the volume can follow, and where a node that does not answer does not go on writing to it.',
            z.enum(['Wait', 'Delete']).default('Wait'),
          ),
          afterSeconds: field(
            'With policy Delete: how long the node must not have answered.',
            whole(30, 86_400).default(300),
          ),
        })
        .optional(),
    ),
    service: service().optional(),
    ...flatService,
  }),
  withRules([
    fromIsDeclared,
    derivedIsNew,
    placedIsDeclared,
    tagOrDigest,
    claimOnlyShared,
    ...flatServiceRules,
    ...transitionRules,
  ]),
);
