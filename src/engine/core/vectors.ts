// Embedding vectors: length one, shortened on request, packed for OpenAI's base64. Never computes an embedding.
import { EngineFailure } from './failure.ts';

/** `dimensions` 0 = all; a shortened vector is normalised again. */
export function normalize(vector: readonly number[], dimensions: number): number[] {
  const whole = unit(vector);
  return dimensions > 0 && dimensions < whole.length ? unit(whole.slice(0, dimensions)) : whole;
}

function unit(vector: readonly number[]): number[] {
  const sum = vector.reduce((total, value) => total + value * value, 0);
  if (!Number.isFinite(sum)) throw new EngineFailure(500, 'embedding contains NaN or Inf values');
  const scale = 1 / Math.max(Math.sqrt(sum), 1e-12);
  return vector.map(value => Math.fround(value * scale));
}

/** Little-endian 32-bit floats. */
export function packFloats(vector: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(vector.length * 4);
  const view = new DataView(bytes.buffer);
  vector.forEach((value, at) => view.setFloat32(at * 4, value, true));
  return bytes;
}
