// Brings one blob onto the disk as `<blob>-partial`, going on where an earlier try stopped. Never gives it its final name (pulls.ts does, once verified).
import { open, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Response } from 'undici';
import { EngineFailure, requestCanceled } from './core/failure.ts';
import type { Layer } from './core/manifest.ts';
import { continuesAt } from './core/progress.ts';
import type { Registry, RegistryRequest } from './registry.ts';

export interface Download {
  readonly registry: Registry;
  readonly request: RegistryRequest;
  readonly layer: Layer;
  /** The blob's final path. */
  readonly path: string;
  readonly onProgress: (completed: number) => void;
}

export const partialPath = (path: string): string => `${path}-partial`;

const triesMax = 6;
const pauseMsFirst = 250;
/** Left free for everybody else on the disk. */
const freeBytesMin = 64 * 1024 * 1024;

export async function download(job: Download): Promise<void> {
  await dropForeignParts(job.path);
  await requireSpace(job);
  for (let tried = 1; ; tried++) {
    try {
      if (await downloadRest(job)) return;
    } catch (error) {
      if (job.request.signal.aborted) throw requestCanceled();
      if (!isRetryable(error) || tried >= triesMax) throw error;
    }
    if (tried >= triesMax)
      throw new EngineFailure(502, `max retries exceeded: ${job.layer.digest} ends too early`);
    await sleep(pauseMsFirst * 2 ** (tried - 1), undefined, { signal: job.request.signal }).catch(() => {
      throw requestCanceled();
    });
  }
}

function isRetryable(error: unknown): boolean {
  if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
  return !(error instanceof EngineFailure) || error.status === 502;
}

/** Ollama notes its parallel parts in files of their own; half of such a download cannot be told from all of it here. */
async function dropForeignParts(path: string): Promise<void> {
  const partial = partialPath(path);
  if ((await sizeOf(`${partial}-0`)) === undefined) return;
  for (let at = 0; (await sizeOf(`${partial}-${at}`)) !== undefined; at++)
    await rm(`${partial}-${at}`, { force: true });
  await rm(partial, { force: true });
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    info => info.size,
    () => undefined,
  );
}

async function requireSpace(job: Download): Promise<void> {
  const disk = await statfs(dirname(job.path)).catch(() => undefined);
  if (disk === undefined) return;
  const freeBytes = disk.bavail * disk.bsize;
  const wantedBytes = job.layer.size - ((await sizeOf(partialPath(job.path))) ?? 0);
  if (wantedBytes + freeBytesMin <= freeBytes) return;
  const wanted = `${megabytes(wantedBytes)} are needed and ${megabytes(freeBytesMin)} stay free`;
  throw new EngineFailure(
    507,
    `no space left on device: ${wanted}, but only ${megabytes(freeBytes)} are there`,
  );
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;

/** True when the file has its full size. */
async function downloadRest(job: Download): Promise<boolean> {
  const partial = partialPath(job.path);
  const have = (await sizeOf(partial)) ?? 0;
  if (have > job.layer.size) await rm(partial, { force: true });
  if (have === job.layer.size) return true;
  const offset = have > job.layer.size ? 0 : have;
  const response = await job.registry.blob(job.request, job.layer.digest, offset);
  const goesOn = response.status === 206 && continuesAt(response.headers.get('content-range'), offset);
  if (response.status === 416) {
    await response.body?.cancel();
    await rm(partial, { force: true });
    return false;
  }
  return (await append(job, response, goesOn ? offset : 0)) === job.layer.size;
}

async function append(job: Download, response: Response, offset: number): Promise<number> {
  const file = await open(partialPath(job.path), offset === 0 ? 'w' : 'r+');
  let at = offset;
  try {
    for await (const chunk of response.body ?? []) {
      const bytes = chunk as Uint8Array;
      if (at + bytes.length > job.layer.size)
        throw new EngineFailure(502, `${job.layer.digest} is longer than its manifest says`);
      await file.write(bytes, 0, bytes.length, at);
      at += bytes.length;
      job.onProgress(at);
    }
    await file.datasync();
    return at;
  } finally {
    await file.close();
  }
}
