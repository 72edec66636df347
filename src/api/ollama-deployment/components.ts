// spec.openwebui and spec.tabby: what can be started beside the fleet and is wired to it.
// Never how they are wired: operator/core/desired does that.
import * as z from 'zod';
import {
  type CelRule,
  dnsLabel,
  field,
  imageName,
  imageTag,
  modelName,
  podParts,
  port,
  text,
  whole,
  withRules,
} from './fields.ts';
import {
  envVars,
  flatIngress,
  flatIngressRules,
  flatService,
  flatServiceRules,
  ingress,
  persistence,
  resources,
  service,
} from './parts.ts';

const common = {
  resources: resources().optional(),
  service: service().optional(),
  ingress: ingress().optional(),
  envVars: envVars().optional(),
  ...flatService,
  ...flatIngress,
};

const tagOrDigest: CelRule = {
  rule: "!(has(self.imageTag) && self.image.contains('@'))",
  message: 'image holds a digest, so imageTag has no effect: remove imageTag',
  fieldPath: '.imageTag',
  reason: 'FieldValueForbidden',
};

const manyNeedDatabase: CelRule = {
  rule: "self.replicas == 1 || (has(self.redisUrl) && self.redisUrl != '' && has(self.envVars) && self.envVars.exists(e, e.name == 'DATABASE_URL'))",
  message:
    'more than one OpenWebUI pod needs a shared database and Redis: give redisUrl and DATABASE_URL in envVars, or set replicas to 1',
  fieldPath: '.replicas',
};

export const openwebuiSchema = field(
  'OpenWebUI, connected to the gateway.',
  z.object({
    enabled: field('true: run it.', z.boolean().default(false)),
    replicas: field(
      'OpenWebUI pods; more than 1 needs redisUrl and DATABASE_URL in envVars.',
      whole(1, 5).default(1),
      { format: 'int32' },
    ),
    image: field(
      'Image, without tag; a digest may follow after @.',
      imageName().default('ghcr.io/open-webui/open-webui'),
    ),
    imageTag: field('Tag of the image; absent = main.', imageTag().optional()),
    persistence: persistence('1Gi').optional(),
    redisUrl: field('Redis that several pods share, such as redis://redis:6379/0.', text(512).optional()),
    ...common,
  }),
  withRules([tagOrDigest, manyNeedDatabase, ...flatServiceRules, ...flatIngressRules]),
);

export const tabbySchema = field(
  'Tabby, the code completion server, using a model of the fleet.',
  z.object({
    enabled: field('true: run it.', z.boolean().default(false)),
    replicas: field(
      'Tabby pods. Tabby keeps its data in SQLite, so only one runs; more are accepted with a warning.',
      whole(1, 5).default(1),
      { format: 'int32' },
    ),
    image: field('Image, without tag; a digest may follow after @.', imageName().default('tabbyml/tabby')),
    imageTag: field('Tag of the image; absent = latest.', imageTag().optional()),
    persistence: persistence('10Gi').optional(),
    ollamaServiceName: field(
      'Another Ollama Service in this namespace to use instead of this fleet.',
      dnsLabel().optional(),
    ),
    ollamaServicePort: field('Port of that Service; absent = 11434.', port().optional()),
    modelName: field('Model for code completion; absent = the first of models.', modelName().optional()),
    chatModelName: field('Model for chat; absent = the same as modelName.', modelName().optional()),
    embeddingModelName: field(
      'Model for embeddings; absent = the first of models that is known to be one, else the same as modelName.',
      modelName().optional(),
    ),
    volumeMounts: podParts('Further volume mounts of the container, as in a pod.', 32).optional(),
    volumes: podParts('Further volumes of the pod, as in a pod.', 32).optional(),
    ...common,
  }),
  withRules([tagOrDigest, ...flatServiceRules, ...flatIngressRules]),
);
