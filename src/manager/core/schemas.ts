// What callers send to the manager and what it answers, as schemas: checked at run time and shown as OpenAPI.
// Never holds a rule that a schema cannot say.
import * as z from 'zod';
import { parseModelName } from '../../api/names.ts';

const modelNameCharsMax = 600;
const promptCharsMax = 100_000;

const ModelNameText = z
  .string()
  .min(1)
  .max(modelNameCharsMax)
  .refine(text => parseModelName(text) !== undefined, 'Write the model as [host/][namespace/]name[:tag].')
  .meta({ description: 'A model name as Ollama reads it: [host/][namespace/]name[:tag].' });

const GatewayName = z
  .string()
  .min(1)
  .max(200)
  .optional()
  .meta({ description: 'Which gateway; absent = the first.' });

const NamespaceName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'the name of a namespace')
  .optional()
  .meta({ description: 'Absent = that of the manager.' });

export const ModelBody = z.strictObject({ model: ModelNameText, gateway: GatewayName });
export const PullBody = z.strictObject({
  model: ModelNameText,
  insecure: z.boolean().optional().meta({ description: 'Allow a registry without TLS.' }),
  gateway: GatewayName,
});
export const GenerateBody = z.strictObject({
  model: ModelNameText,
  prompt: z.string().max(promptCharsMax).optional(),
  gateway: GatewayName,
});
export const DeployBody = z.strictObject({
  model_id: ModelNameText,
  deployment_name: z
    .string()
    .regex(/^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/, 'a name of at most 40 lower-case letters, digits and -'),
  memory: z
    .union([
      z.string().regex(/^\d{1,12}(\.\d{1,6})?([KMGT]i?)?$/, 'a quantity such as 8Gi'),
      z.number().positive(),
    ])
    .optional()
    .meta({ description: 'Memory limit of each pod: a quantity, or a number of GiB.' }),
  namespace: NamespaceName,
});
export const DeleteBody = z.strictObject({
  deployment_name: z.string().min(1).max(253),
  namespace: NamespaceName,
});
export const HealthReportBody = z.strictObject({
  source: z.string().min(1).max(100),
  available_models: z.array(z.string().max(modelNameCharsMax)).max(10_000),
  missing_models: z.array(z.string().max(modelNameCharsMax)).max(10_000),
  timestamp: z.string().max(100),
  status: z.string().max(100).optional(),
  message: z.string().max(2_000).optional(),
});
export type HealthReport = z.infer<typeof HealthReportBody> & { readonly receivedAt: string };
export const DrainBody = z.strictObject({
  backend: z.string().min(1).max(200),
  drain: z.boolean(),
  gateway: GatewayName,
});

export const PullQuery = z.strictObject({
  id: z.string().max(100).optional(),
  model: z.string().max(modelNameCharsMax).optional(),
});
export const LimitQuery = z.strictObject({ limit: z.coerce.number().int().min(1).max(1_000).optional() });
export const HoursQuery = z.strictObject({ hours: z.coerce.number().int().min(1).max(2_208).optional() });

export const ErrorAnswer = z.object({
  success: z.literal(false),
  error: z.string(),
  code: z.string(),
  next: z.string().meta({ description: 'What to do about it.' }),
});
export const Done = z.object({ success: z.literal(true) });
export const PullAnswer = z.object({
  id: z.string(),
  model: z.string(),
  status: z.enum(['running', 'success', 'failed', 'cancelled', 'interrupted', 'unknown']),
  progress: z.number().min(0).max(100),
  total: z.number(),
  completed: z.number(),
  message: z.string(),
  error: z.string(),
  startedAt: z.string(),
  endedAt: z.string(),
});
export const PullStarted = PullAnswer.extend({
  success: z.literal(true),
  already: z.boolean().meta({ description: 'It was running before; both callers follow the same pull.' }),
});
export const PullList = z.object({ success: z.literal(true), pulls: z.array(PullAnswer) });

const Place = z.object({
  backend: z.string(),
  state: z.enum(['on disk', 'loading', 'loaded', 'pulling', 'failed']),
  digest: z.string(),
  inFlight: z.number(),
  slots: z.number(),
  sizeVramBytes: z.number(),
  percent: z.number().optional().meta({ description: 'Of a pull that the agent of the pod does.' }),
  message: z.string().optional(),
});
export const ModelsAnswer = z.object({
  models: z.array(z.looseObject({ name: z.string() })).meta({ description: 'As /api/tags of Ollama.' }),
  desired: z.array(z.string()).meta({ description: 'What should be there; never taken from what is.' }),
  missing: z.array(z.object({ model: z.string(), backends: z.array(z.string()) })),
  rows: z.array(
    z.object({
      name: z.string(),
      digest: z.string(),
      sizeBytes: z.number(),
      sizeVramBytes: z.number(),
      desired: z.boolean(),
      where: z.array(Place),
    }),
  ),
});

export const GpuAnswer = z.object({
  success: z.literal(true),
  gpu_info: z.object({
    total_vram_gb: z.number().nullable(),
    allocated_vram_gb: z.number(),
    available_vram_gb: z.number().nullable(),
    utilization_percent: z.number().nullable(),
    gpu_count: z.number().nullable(),
  }),
  recommendations: z.array(z.string()),
});

const Counters = z.object({
  pulls: z.number(),
  requests: z.number(),
  errors: z.number(),
  cancelled: z.number(),
  lastUsed: z.string(),
  promptTokens: z.number(),
  completionTokens: z.number(),
  costUsd: z.number(),
});
export const UsageAnswer = z.object({ success: z.literal(true), models: z.record(z.string(), Counters) });
export const RankingAnswer = z.object({
  success: z.literal(true),
  total_requests: z.number(),
  models: z.array(
    z.object({ rank: z.number(), model: z.string(), count: z.number(), usage_percent: z.number() }),
  ),
});
export const HistoryAnswer = z.object({
  success: z.literal(true),
  hours: z.array(
    Counters.omit({ pulls: true, lastUsed: true }).extend({ hour: z.string(), model: z.string() }),
  ),
});
export const TrackAnswer = z.object({
  success: z.literal(true),
  model: z.string(),
  current_count: z.number(),
});

export const HealthAnswer = z.object({
  status: z.enum(['healthy', 'unhealthy']),
  kubernetes: z.enum(['connected', 'disconnected', 'not used']),
  gateways: z.array(z.object({ name: z.string(), url: z.string(), answers: z.boolean(), error: z.string() })),
});
export const ProblemsAnswer = z.object({
  success: z.literal(true),
  problems: z.array(
    z.object({
      level: z.enum(['error', 'warning']),
      subject: z.string(),
      message: z.string(),
      next: z.string(),
    }),
  ),
});
export const ReportsAnswer = z.object({
  success: z.literal(true),
  reports: z.array(HealthReportBody.extend({ receivedAt: z.string() })),
});

export const WhoAmIAnswer = z.object({
  tenant: z.string(),
  role: z.enum(['user', 'admin', 'none']),
  keys: z.boolean().meta({ description: 'Keys are on: without one, role is none.' }),
});
export const RequestsAnswer = z.object({
  success: z.literal(true),
  requests: z.array(z.looseObject({ id: z.string() })),
});
export const FleetAnswer = z.object({
  success: z.literal(true),
  gateways: z.array(z.looseObject({ name: z.string(), error: z.string() })),
});
export const SettingsAnswer = z.object({
  success: z.literal(true),
  gateways: z.array(z.looseObject({ name: z.string(), url: z.string(), error: z.string() })),
});
export const DeploymentsAnswer = z.object({
  success: z.literal(true),
  models: z.array(
    z.object({
      name: z.string(),
      namespace: z.string(),
      model_id: z.string(),
      models: z.array(z.string()),
      image: z.string(),
      status: z.enum(['Running', 'Starting', 'Failed']),
      replicas: z.string().meta({ description: 'Ready pods of those that should be, as 1/2.' }),
      gpu: z.string(),
      memory: z.string(),
      created: z.string(),
      message: z.string(),
      managed: z.boolean().meta({ description: 'Made by a resource that /delete may delete.' }),
    }),
  ),
  count: z.number(),
  note: z.string().optional(),
});
export const DeployAnswer = z.object({
  success: z.literal(true),
  name: z.string(),
  namespace: z.string(),
  created: z.boolean().meta({ description: 'False: it was there, and got the model beside its others.' }),
  allocated_vram_gb: z.number().nullable(),
  memory_fraction: z.number().nullable(),
  remaining_vram: z.number().nullable(),
});
export const DrainAnswer = z.object({
  success: z.literal(true),
  state: z.string(),
  inFlight: z.number(),
  queued: z.number(),
});
export const CatalogueAnswer = z.object({
  success: z.literal(true),
  source: z.enum(['registry', 'cache', 'file']),
  note: z.string(),
  models: z.array(z.object({ name: z.string(), sizeBytes: z.number(), about: z.string() })),
});
