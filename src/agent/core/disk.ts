// Whether a model still fits on the disk of the store. Never asks the disk.
import { humanBytes } from '../../api/quantities.ts';
import type { Failure } from './types.ts';
import type { Layer } from './manifest.ts';

export interface Disk {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Bytes that the layers still take: what is there, whole or in parts, is taken already. */
export function neededBytes(layers: readonly Layer[], onDiskBytes: ReadonlyMap<string, number>): number {
  return layers.reduce(
    (sum, layer) => sum + Math.max(0, layer.sizeBytes - (onDiskBytes.get(layer.digest) ?? 0)),
    0,
  );
}

/** Undefined: it fits, and `reserveBytes` stay free. */
export function tooLarge(needBytes: number, disk: Disk, reserveBytes: number): Failure | undefined {
  if (needBytes === 0 || needBytes + reserveBytes <= disk.freeBytes) return undefined;
  const [need, free, kept] = [needBytes, disk.freeBytes, reserveBytes].map(bytes => humanBytes(bytes));
  return {
    reason: 'InsufficientStorage',
    message: `it needs ${need} more and ${kept} must stay free, but the models folder has ${free} left: make the volume larger, or declare fewer models`,
  };
}
