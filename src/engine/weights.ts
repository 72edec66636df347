// Reads the header of a weights file, and whether the file holds all that its header names. Never reads a tensor.
import { open, stat } from 'node:fs/promises';
import { EngineFailure } from './core/failure.ts';
import { NotGguf, parseGguf, wholeFileBytes } from './core/gguf.ts';
import type { GgufHeader } from './core/gguf.ts';

const headerBytesFirst = 4 * 1024 * 1024;
const headerBytesMax = 256 * 1024 * 1024;

/** Reads twice as much until the header is complete. */
export async function readHeader(path: string): Promise<GgufHeader> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    for (let wanted = headerBytesFirst; ; wanted *= 2) {
      const bytes = Buffer.alloc(Math.min(wanted, size, headerBytesMax));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      const header = parseGguf(bytes.subarray(0, bytesRead));
      if (header !== undefined) return header;
      if (bytes.length >= Math.min(size, headerBytesMax)) throw new NotGguf('the GGUF header is cut short');
    }
  } catch (error) {
    throw error instanceof NotGguf
      ? new EngineFailure(500, `unable to read the model file: ${error.message}`)
      : error;
  } finally {
    await file.close();
  }
}

/**
 * A file that was cut must never reach llama.cpp: what node-llama-cpp makes of a load that fails is never given back,
 * and once it is collected, disposing of llama.cpp waits for it for ever.
 */
export async function checkWhole(path: string): Promise<void> {
  const wanted = wholeFileBytes(await readHeader(path));
  const { size } = await stat(path);
  if (size >= wanted) return;
  throw new EngineFailure(
    500,
    `unable to load model: its file has ${size} of ${wanted} bytes; delete the model and pull or create it again`,
  );
}
