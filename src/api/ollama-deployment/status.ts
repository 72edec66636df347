// status of the resource: what was observed. Never an input of a decision.
import * as z from 'zod';
import { field, keyedBy, text, whole } from './fields.ts';

const countMax = 2_147_483_647;
const count = (description: string) => field(description, whole(0, countMax).optional(), { format: 'int32' });
const moment = (description: string) => field(description, text(64), { format: 'date-time' });

export const conditionSchema = z.object({
  type: field('Name of the condition.', text(316)),
  status: field('True, False or Unknown.', z.enum(['True', 'False', 'Unknown'])),
  observedGeneration: field('Generation of the resource that was looked at.', z.int().min(0).optional(), {
    format: 'int64',
  }),
  lastTransitionTime: moment('When the status changed last.'),
  reason: field('One word that programs may compare.', text(1024)),
  message: field('What a person should know.', text(32_768)),
});
export type Condition = z.output<typeof conditionSchema>;

const conditions = () =>
  field('What is true of it at present.', z.array(conditionSchema).max(32).optional(), keyedBy('type'));

const component = (description: string) =>
  field(
    description,
    z
      .object({
        availableReplicas: count('Pods that have been ready for a while.'),
        readyReplicas: count('Pods that are ready.'),
        updatedReplicas: count('Pods of the present template.'),
        conditions: conditions(),
      })
      .optional(),
  );
export type ComponentStatus = NonNullable<Status['ollamaStatus']>;

const modelState = () =>
  field(
    'pending, pulling, creating, present, corrupt (being repaired) or failed.',
    z.enum(['pending', 'pulling', 'creating', 'present', 'corrupt', 'failed']),
  );

const modelRow = z.object({
  name: field('Name as it is declared.', text(256)),
  digest: field('Digest that most pods have.', text(128).optional()),
  sizeBytes: field('Size on disk.', z.int().min(0).optional(), { format: 'int64' }),
  ready: field('Pods that have it of pods that should, such as 1/2.', text(16)),
  state: modelState(),
  message: field('Why it is not ready.', text(1024).optional()),
});
export type ModelRow = z.output<typeof modelRow>;

const podModel = z.object({
  name: field('Name as it is declared.', text(256)),
  state: modelState(),
  percent: field('How much is pulled.', whole(0, 100).optional()),
  message: field('Why it is not ready.', text(1024).optional()),
});

const podRow = z.object({
  name: field('Name of the pod.', text(253)),
  node: field('Node it runs on.', text(253).optional()),
  models: field('Models it should have.', z.array(podModel).max(150).optional(), keyedBy('name')),
});
export type PodRow = z.output<typeof podRow>;

const endpoints = z.object({
  internal: field('Address inside the cluster.', text(512).optional()),
  external: field('Addresses outside the cluster.', z.array(text(512)).max(16).optional(), {
    'x-kubernetes-list-type': 'atomic',
  }),
  openwebui: field('Address of OpenWebUI.', text(512).optional()),
  tabby: field('Address of Tabby.', text(512).optional()),
});

export const statusSchema = field(
  'What the operator observed.',
  z.object({
    phase: field(
      'Pending (nothing ready), Progressing (some), Ready (all replicas and all models).',
      z.enum(['Pending', 'Progressing', 'Ready']).optional(),
    ),
    observedGeneration: field('Generation that this status is about.', z.int().min(0).optional(), {
      format: 'int64',
    }),
    conditions: conditions(),
    image: field('Image of Ollama that is used; kept when the operator is upgraded.', text(600).optional()),
    readyReplicas: count('Pods that are ready, of all enabled components.'),
    totalReplicas: count('Pods there should be, of all enabled components.'),
    replicas: count('Ollama pods there are.'),
    selector: field('Label selector of the Ollama pods, for autoscalers.', text(1024).optional()),
    modelsReady: field(
      'Models that are everywhere they should be, of all, such as 1/2.',
      text(16).optional(),
    ),
    endpoints: field('Where to call.', endpoints.optional()),
    models: field('Each declared model.', z.array(modelRow).max(150).optional(), keyedBy('name')),
    pods: field('Each Ollama pod.', z.array(podRow).max(20).optional(), keyedBy('name')),
    ollamaStatus: component('The Ollama pods.'),
    openwebuiStatus: component('The OpenWebUI pods.'),
    tabbyStatus: component('The Tabby pods.'),
    gatewayStatus: component('The gateway pods.'),
  }),
);
export type Status = z.output<typeof statusSchema>;
