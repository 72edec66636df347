// A wish for a model as an OllamaDeployment, and whether its weights fit in GPU memory. Never guesses a size from a name.
import { API_VERSION, KIND } from '../../api/ollama-deployment/resource.ts';
import type { KubeObject } from '../../api/kube-object.ts';
import type { GpuStatus } from './gpu.ts';

export interface DeployWish {
  readonly name: string;
  readonly namespace: string;
  readonly model: string;
  /** For each pod: a quantity, or a number of GiB. */
  readonly memory?: string | number;
  readonly hasGpus: boolean;
}

export function deployment({ name, namespace, model, memory, hasGpus }: DeployWish): KubeObject {
  const quantity = typeof memory === 'number' ? `${memory}Gi` : memory;
  const resources = quantity === undefined ? {} : { resources: { limits: { memory: quantity } } };
  const gpu = hasGpus ? { gpu: { count: 1 } } : {};
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name, namespace, annotations: { 'llm.geeper.io/made-by': 'model-manager' } },
    spec: { ollama: { models: [model], ...gpu, ...resources } },
  };
}

/** Weights, and a fifth for context and work buffers. */
const workShare = 1.2;
const bytesPerGb = 1e9;
const oneDecimal = (value: number): number => Math.round(value * 10) / 10;

export interface Fit {
  readonly estimated_vram: number;
  readonly available_vram: number;
  readonly fits: boolean;
  readonly answer: {
    readonly allocated_vram_gb: number | null;
    readonly memory_fraction: number | null;
    readonly remaining_vram: number | null;
  };
}

/** Undefined: the size of the model, or of the memory, is not known, and nothing is refused for it. */
export function fitOf(sizeBytes: number | undefined, gpu: GpuStatus): Fit | undefined {
  const { available_vram_gb: available, total_vram_gb: total } = gpu;
  if (sizeBytes === undefined || available === null || total === null || total === 0) return undefined;
  const estimated = oneDecimal((sizeBytes * workShare) / bytesPerGb);
  return {
    estimated_vram: estimated,
    available_vram: available,
    fits: estimated <= available,
    answer: {
      allocated_vram_gb: estimated,
      memory_fraction: Math.round((estimated / total) * 1000) / 1000,
      remaining_vram: oneDecimal(Math.max(0, available - estimated)),
    },
  };
}

export const UNKNOWN_FIT: Fit['answer'] = {
  allocated_vram_gb: null,
  memory_fraction: null,
  remaining_vram: null,
};
