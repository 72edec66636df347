// What the fake Ollama can be told at its start, with defaults. Never reads argv; main.ts does.
import type { Fault } from './faults.ts';

/** A model as a test names it; everything absent is derived from the name. */
export interface ModelSeed {
  readonly name: string;
  /** Text that the weights digest is made of; models with one `weights` share a runner. Default: the name. */
  readonly weights?: string;
  readonly sizeBytes?: number;
  readonly loadMs?: number;
  readonly family?: string;
  readonly parameterSize?: string;
  readonly quantization?: string;
  readonly capabilities?: readonly string[];
  /** The model's own parameters, e.g. num_ctx. */
  readonly parameters?: Readonly<Record<string, number | boolean | string | readonly string[]>>;
  readonly system?: string;
  readonly template?: string;
  /** The context it was trained for. */
  readonly contextLength?: number;
  readonly embeddingLength?: number;
  readonly remoteHost?: string;
  readonly remoteModel?: string;
  /** Error of every load. */
  readonly loadError?: string;
  /** Bytes added to every token, to make big streams. */
  readonly padBytes?: number;
  readonly fault?: Fault;
}

export interface FakeOptions {
  readonly host: string;
  readonly port: number;
  readonly version: string;
  readonly models: readonly ModelSeed[];
  /** What `pull` finds, besides the models that were deleted. */
  readonly registry: readonly ModelSeed[];
  readonly numParallel: number;
  readonly maxLoaded: number;
  readonly maxQueue: number;
  readonly keepAliveMs: number;
  readonly loadTimeoutMs: number;
  readonly memoryBytes: number;
  readonly device: 'gpu' | 'cpu';
  /** Wait for memory after an unload. */
  readonly unloadMs: number;
  /** One load of any model; absent = by size. */
  readonly loadMs: number | undefined;
  readonly loadMsPerGib: number;
  readonly tokenMs: number;
  readonly promptMsPerKib: number;
  /** Lognormal count of tokens of an answer that nothing limits. */
  readonly tokensMedian: number;
  readonly tokensSigma: number;
  readonly seed: number;
  readonly pullMs: number;
  readonly contextLength: number;
  /** Origins beside loopback's. */
  readonly origins: readonly string[];
  /** Connections that the kernel keeps while nobody accepts them. */
  readonly backlog: number;
}

const gib = 1024 ** 3;

const DEFAULT_MODELS: readonly ModelSeed[] = [
  {
    name: 'llama3.2:1b',
    sizeBytes: 1.3 * gib,
    family: 'llama',
    parameterSize: '1.2B',
    capabilities: ['completion', 'tools'],
  },
  {
    name: 'qwen3:8b',
    sizeBytes: 5 * gib,
    family: 'qwen3',
    parameterSize: '8.2B',
    capabilities: ['completion', 'tools', 'thinking'],
  },
  { name: 'llava:7b', sizeBytes: 4.5 * gib, family: 'llama', capabilities: ['completion', 'vision'] },
  {
    name: 'nomic-embed-text:latest',
    sizeBytes: 0.3 * gib,
    family: 'nomic-bert',
    capabilities: ['embedding'],
    contextLength: 2048,
  },
];

export const DEFAULT_OPTIONS: FakeOptions = {
  host: '127.0.0.1',
  port: 0,
  version: '0.24.0',
  models: DEFAULT_MODELS,
  registry: [],
  numParallel: 1,
  maxLoaded: 3,
  maxQueue: 512,
  keepAliveMs: 300_000,
  loadTimeoutMs: 300_000,
  memoryBytes: Infinity,
  device: 'gpu',
  unloadMs: 0,
  loadMs: undefined,
  loadMsPerGib: 100,
  tokenMs: 5,
  promptMsPerKib: 5,
  tokensMedian: 20,
  tokensSigma: 0.5,
  seed: 1,
  pullMs: 50,
  contextLength: 4096,
  origins: [],
  backlog: 511,
};
