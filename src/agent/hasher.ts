// Hashes one file at no more than so many bytes a second. Never keeps a file open after it was asked to stop.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const chunkBytesMax = 1024 * 1024;
const chunksPerSecondMin = 4;

export interface HashOptions {
  readonly bytesPerSecond: number;
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

/** Hex digits of the SHA-256 of the file; throws when it cannot be read or `signal` ends it. */
export async function hashFile(path: string, options: HashOptions): Promise<string> {
  const { bytesPerSecond, signal, onBytes } = options;
  const chunkBytes = Math.max(4096, Math.min(chunkBytesMax, Math.floor(bytesPerSecond / chunksPerSecondMin)));
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    let readBytes = 0;
    const startMs = performance.now();
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, chunkBytes, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
      onBytes(bytesRead);
      readBytes += bytesRead;
      const aheadMs = (readBytes / bytesPerSecond) * 1000 - (performance.now() - startMs);
      if (aheadMs > 1) await sleep(aheadMs, undefined, { signal, ref: false });
    }
  } finally {
    await file.close();
  }
}
