// Memory of GPUs from the text of NVIDIA's dcgm-exporter. Never counts a GPU twice that is told of for several pods.
import type { GpuTotal } from './gpu.ts';

const LINE = /^(DCGM_FI_DEV_FB_(?:USED|FREE|RESERVED))\{([^}]*)\} (\d+(?:\.\d+)?)$/;
const mebibyte = 2 ** 20;
const linesMax = 100_000;

interface Memory {
  used: number;
  free: number;
  reserved: number;
}

/** Undefined when the text tells of no memory. `usedBytes` is of every program, not only of Ollama. */
export function dcgmTotal(texts: readonly string[]): (GpuTotal & { readonly usedBytes: number }) | undefined {
  const gpus = new Map<string, Memory>();
  for (const line of texts.flatMap(text => text.split('\n').slice(0, linesMax))) {
    const [, name = '', labels = '', value = ''] = LINE.exec(line) ?? [];
    if (name === '') continue;
    // One GPU, or one part of it where it is divided (MIG).
    const id = ['UUID', 'GPU_I_ID'].map(label => labelOf(labels, label)).join('/');
    const memory = gpus.get(id) ?? { used: 0, free: 0, reserved: 0 };
    gpus.set(id, memory);
    const field = name.endsWith('USED') ? 'used' : name.endsWith('FREE') ? 'free' : 'reserved';
    memory[field] = Math.max(memory[field], Number(value));
  }
  if (gpus.size === 0) return undefined;
  const all = [...gpus.values()];
  const sum = (of: (memory: Memory) => number): number =>
    all.reduce((bytes, memory) => bytes + of(memory) * mebibyte, 0);
  return {
    count: gpus.size,
    totalBytes: sum(({ used, free, reserved }) => used + free + reserved),
    usedBytes: sum(({ used, reserved }) => used + reserved),
  };
}

function labelOf(labels: string, name: string): string {
  return new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
}
