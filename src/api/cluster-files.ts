// The files that the operator, or a plain profile, puts into ConfigMaps: `<cr>-models` for agents, `<cr>-gateway` for gateways.
// Never reads or writes one: readers parse YAML, then hand the value to these schemas. Unknown keys are left alone, so
// that an older agent can read the file of a newer operator.
import * as z from 'zod';
import { modelName } from './config-values.ts';

/** Key of ConfigMap `<cr>-models`. */
export const MODELS_FILE = 'models.yaml';
/** Key of ConfigMap `<cr>-gateway`; its content is a configuration file like any other (config.ts). */
export const GATEWAY_FILE = 'config.yaml';
/** Key of the Secret of gateway keys; its content is a keys file like any other. */
export const KEYS_FILE = 'keys.yaml';

const ORDINAL_MAX = 9;
const ordinals = z
  .array(z.int().min(0).max(ORDINAL_MAX))
  .max(ORDINAL_MAX + 1)
  .optional();

/** As Ollama's PARAMETER lines: a list repeats the line, e.g. `stop`. */
const parameterValue = z.union([
  z.string().max(4096),
  z.number(),
  z.boolean(),
  z.array(z.string().max(4096)).max(64),
]);

export const modelsFileSchema = z.object({
  models: z.array(z.object({ name: modelName(), replicas: ordinals })).max(200),
  derived: z
    .array(
      z.object({
        name: modelName(),
        from: modelName(),
        parameters: z.record(z.string().max(64), parameterValue).prefault({}),
        system: z.string().max(32_768).optional(),
        template: z.string().max(32_768).optional(),
        replicas: ordinals,
      }),
    )
    .max(100)
    .prefault([]),
  /** Models that are on disk and in neither list are deleted. */
  deleteUndeclared: z.boolean().prefault(false),
  verify: z
    .object({
      bytesPerSecond: z.int().min(1024).prefault(20_000_000),
      /** Every blob once in this time; 0 = only after pulls and failed loads. */
      intervalHours: z.int().min(0).max(8760).prefault(168),
    })
    .prefault({}),
  drainSeconds: z.int().min(0).max(86_400).prefault(300),
  /** Whom a pod that must stop asks, and tells; absent = there is no gateway. */
  gateways: z
    .object({
      /** Headless Service: its name resolves to every gateway pod, also those that are ending. */
      service: z.string().max(253),
      adminPort: z.int().min(1).max(65_535),
      /** Label selector of the gateway pods in the same namespace, for readers that may list pods. */
      selector: z.string().max(1024).optional(),
    })
    .optional(),
});

/** `replicas` are ordinals; absent = every pod. */
export type ModelsFile = z.output<typeof modelsFileSchema>;
export type DerivedModel = ModelsFile['derived'][number];
