// Ollama's model options (api/types.go Options): names, kinds, defaults, and what changes a loaded runner. Never reads the environment.
import { badRequest } from './failure.ts';
import type { JsonObject } from './json.ts';

export interface Options {
  num_ctx: number;
  num_batch: number;
  num_gpu: number;
  main_gpu: number;
  use_mmap: boolean | undefined;
  num_thread: number;
  num_keep: number;
  seed: number;
  num_predict: number;
  top_k: number;
  top_p: number;
  min_p: number;
  typical_p: number;
  repeat_last_n: number;
  temperature: number;
  repeat_penalty: number;
  presence_penalty: number;
  frequency_penalty: number;
  stop: readonly string[];
}

type Kind = 'integer' | 'float32' | 'boolean' | 'array';

const OPTION_KINDS = {
  num_ctx: 'integer',
  num_batch: 'integer',
  num_gpu: 'integer',
  main_gpu: 'integer',
  use_mmap: 'boolean',
  num_thread: 'integer',
  num_keep: 'integer',
  seed: 'integer',
  num_predict: 'integer',
  top_k: 'integer',
  top_p: 'float32',
  min_p: 'float32',
  typical_p: 'float32',
  repeat_last_n: 'integer',
  temperature: 'float32',
  repeat_penalty: 'float32',
  presence_penalty: 'float32',
  frequency_penalty: 'float32',
  stop: 'array',
} as const satisfies Record<keyof Options, Kind>;

export const DEFAULT_OPTIONS: Options = {
  num_ctx: 4096,
  num_batch: 512,
  num_gpu: -1,
  main_gpu: 0,
  use_mmap: undefined,
  num_thread: 0,
  num_keep: 4,
  seed: -1,
  num_predict: -1,
  top_k: 40,
  top_p: 0.9,
  min_p: 0,
  typical_p: 1,
  repeat_last_n: 64,
  temperature: 0.8,
  repeat_penalty: 1.1,
  presence_penalty: 0,
  frequency_penalty: 0,
  stop: [],
};

/** Later layers win; unknown names and null are passed over, as Ollama does. */
export function resolveOptions(base: Options, ...layers: readonly (JsonObject | undefined)[]): Options {
  const resolved: Record<string, unknown> = { ...base };
  for (const layer of layers) {
    for (const [name, value] of Object.entries(layer ?? {})) {
      const kind = kindOfOption(name);
      if (kind === undefined || value === undefined || value === null) continue;
      resolved[name] = checked(name, kind, value);
    }
  }
  return resolved as unknown as Options;
}

export function kindOfOption(name: string): Kind | undefined {
  return Object.hasOwn(OPTION_KINDS, name) ? OPTION_KINDS[name as keyof Options] : undefined;
}

function checked(name: string, kind: Kind, value: unknown): unknown {
  const wrong = (type: string): Error => badRequest(`option "${name}" must be of type ${type}`);
  switch (kind) {
    case 'integer':
      if (typeof value !== 'number') throw wrong('integer');
      return Math.trunc(value);
    case 'float32':
      if (typeof value !== 'number') throw wrong('float32');
      return value;
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong('boolean');
      return value;
    case 'array':
      if (!Array.isArray(value)) throw wrong('array');
      if (value.some(item => typeof item !== 'string'))
        throw badRequest(`option "${name}" must be of an array of strings`);
      return value;
  }
}

/** The options that a loaded runner cannot change (ollama server/sched.go needsReload). */
export interface RunnerShape {
  readonly contextLength: number;
  readonly batchSize: number;
  readonly threads: number;
  readonly useMmap: boolean;
}

/** Contexts longer than the model was trained for are cut to that, as Ollama does; llama.cpp needs a few cells. */
export function runnerShape(options: Options, trainedContext: number, threadsDefault: number): RunnerShape {
  const wanted = options.num_ctx > 0 ? options.num_ctx : DEFAULT_OPTIONS.num_ctx;
  const limit = trainedContext > 0 ? trainedContext : wanted;
  return {
    contextLength: Math.max(contextLengthMin, Math.min(wanted, limit)),
    batchSize: Math.max(1, Math.min(options.num_batch, 4096)),
    threads: options.num_thread > 0 ? options.num_thread : threadsDefault,
    useMmap: options.use_mmap ?? true,
  };
}

const contextLengthMin = 4;

export function sameShape(a: RunnerShape, b: RunnerShape): boolean {
  return (
    a.contextLength === b.contextLength &&
    a.batchSize === b.batchSize &&
    a.threads === b.threads &&
    a.useMmap === b.useMmap
  );
}
