// Memory of models on GPUs, as the backends tell it (/api/ps). Never estimates from a model's name.
import type { Fleet } from './wire.ts';

export interface GpuStatus {
  readonly total_vram_gb: number | null;
  readonly allocated_vram_gb: number;
  readonly available_vram_gb: number | null;
  readonly utilization_percent: number | null;
  readonly gpu_count: number | null;
}

/** Of all nodes; absent = not known. */
export interface GpuTotal {
  readonly totalBytes?: number;
  readonly count?: number;
  /** By every program; absent = only what Ollama's models take is known. */
  readonly usedBytes?: number;
}

const bytesPerGb = 1e9;
const oneDecimal = (value: number): number => Math.round(value * 10) / 10;

/** `totalBytes` and `count` come from nodes or DCGM; without them only what is allocated is known. */
export function gpuStatus(fleets: readonly Fleet[], known: GpuTotal = {}): GpuStatus {
  const loaded = fleets.flatMap(fleet => fleet.backends).flatMap(backend => backend.loaded);
  const ofModels = loaded.reduce((sum, model) => sum + model.sizeVramBytes, 0);
  const allocated = (known.usedBytes ?? ofModels) / bytesPerGb;
  const total = known.totalBytes === undefined ? null : known.totalBytes / bytesPerGb;
  return {
    total_vram_gb: total === null ? null : oneDecimal(total),
    allocated_vram_gb: oneDecimal(allocated),
    available_vram_gb: total === null ? null : oneDecimal(Math.max(0, total - allocated)),
    utilization_percent: total === null || total === 0 ? null : oneDecimal((allocated / total) * 100),
    gpu_count: known.count ?? null,
  };
}

const lowShare = 0.2;

/** What fits into free memory of this size; the steps are the seed's. */
export function recommendations(status: GpuStatus): string[] {
  const { available_vram_gb: free, total_vram_gb: total } = status;
  if (free === null || total === null) {
    return ['How much GPU memory there is, is not known here: only what the loaded models take.'];
  }
  const advice =
    free >= 12
      ? 'There is room for large models (7B to 70B, depending on quantisation).'
      : free >= 8
        ? 'There is room for medium models.'
        : free >= 4
          ? 'There is room for small models.'
          : free >= 2
            ? 'There is room for quantised models only.'
            : 'There is no room for another model.';
  return free < total * lowShare ? [advice, 'Consider stopping unused models.'] : [advice];
}
