// What `bigo size` prints: the sum, line by line, and the GPUs. Never computes a size.
import { humanBytes } from '../../api/quantities.ts';
import type { SizeEstimate, SizeWish } from './size.ts';
import type { GpuFit } from './size-gpus.ts';
import type { ModelShape } from './size-shape.ts';
import { type TableOptions, tableLines } from './table.ts';

export interface SizeReport {
  readonly model: string;
  /** Where the numbers come from. */
  readonly source: string;
  readonly diskBytes: number;
  readonly shape: ModelShape;
  readonly wish: SizeWish;
  readonly size: SizeEstimate;
  readonly gpus: readonly GpuFit[];
}

export function sizeLines(report: SizeReport, paint?: TableOptions['paint']): string[] {
  const { shape, wish, size } = report;
  const slots = wish.parallel === 1 ? 'one request at a time' : `${wish.parallel} requests at once`;
  const line = (name: string, text: string) => `${name.padEnd(18)}${text}`;
  return [
    line(
      'model',
      `${report.model} (${shape.architecture}, ${shape.headsKv.length} blocks), ${report.source}`,
    ),
    line('disk', humanBytes(report.diskBytes)),
    '',
    `In the memory of one GPU, for ${slots} with ${wish.contextTokens} tokens each, KV cache ${wish.kvCacheType}:`,
    line('weights', humanBytes(size.weightsBytes)),
    line(
      'KV cache',
      `${humanBytes(size.kvCacheBytes)} (${humanBytes(size.kvBytesPerSlot)} for each request, ${humanBytes(size.kvBytesPerToken)} for each token)`,
    ),
    line('compute buffers', humanBytes(size.computeBytes)),
    line('kept free', humanBytes(size.reservedBytes)),
    line('together', humanBytes(size.gpuBytes)),
    '',
    ...gpuLines(report.gpus, paint),
  ];
}

function gpuLines(gpus: readonly GpuFit[], paint: TableOptions['paint']): string[] {
  const rows = gpus.map(({ gpu, memoryBytes, holds, parallelMax }) => [
    gpu,
    humanBytes(memoryBytes),
    holds ? { text: 'yes', style: 'green' as const } : { text: 'no', style: 'red' as const },
    parallelMax === 0 ? '-' : String(parallelMax),
  ]);
  const head = ['GPU', 'MEMORY', 'HOLDS IT', 'MOST AT ONCE'];
  return tableLines(rows, { head, right: [1, 3], ...(paint === undefined ? {} : { paint }) });
}
