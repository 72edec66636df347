// Which common GPUs hold a model, and for how many requests at once. Never adds up several GPUs.
import { estimate, type SizeFacts, type SizeWish } from './size.ts';

interface Gpu {
  readonly name: string;
  /** As the driver reports it, a little under what the box says. */
  readonly memoryMib: number;
}

/** Of those with the same memory, one stands for all. */
const GPUS: readonly Gpu[] = [
  { name: 'RTX 4060 (8 GB)', memoryMib: 8_188 },
  { name: 'RTX 3060 (12 GB)', memoryMib: 12_288 },
  { name: 'T4 (16 GB)', memoryMib: 15_360 },
  { name: 'RTX 4060 Ti (16 GB)', memoryMib: 16_380 },
  { name: 'L4, A10 (24 GB)', memoryMib: 23_028 },
  { name: 'RTX 3090, 4090 (24 GB)', memoryMib: 24_564 },
  { name: 'RTX 5090 (32 GB)', memoryMib: 32_607 },
  { name: 'A100 (40 GB)', memoryMib: 40_960 },
  { name: 'L40S (48 GB)', memoryMib: 46_068 },
  { name: 'RTX A6000 (48 GB)', memoryMib: 49_140 },
  { name: 'A100, H100 (80 GB)', memoryMib: 81_559 },
  { name: 'H200 (141 GB)', memoryMib: 143_771 },
];

export interface GpuFit {
  readonly gpu: string;
  readonly memoryBytes: number;
  readonly holds: boolean;
  /** Most requests at once with this context; 0 = not even one. */
  readonly parallelMax: number;
}

/** More is never asked of one Ollama. */
const parallelMax = 64;

export function gpuFits(facts: SizeFacts, wish: SizeWish): GpuFit[] {
  return GPUS.map(({ name, memoryMib }) => {
    const memoryBytes = memoryMib * 1024 ** 2;
    const most = mostParallel(facts, wish, memoryBytes);
    return { gpu: name, memoryBytes, holds: wish.parallel <= most, parallelMax: most };
  });
}

function mostParallel(facts: SizeFacts, wish: SizeWish, memoryBytes: number): number {
  let most = 0;
  while (
    most < Math.max(parallelMax, wish.parallel) &&
    estimate(facts, { ...wish, parallel: most + 1 }).gpuBytes <= memoryBytes
  ) {
    most++;
  }
  return most;
}
