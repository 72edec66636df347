// Ollama's models folder on disk: manifests and blobs. Every file appears whole, by rename; nothing outside the folder is touched.
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ModelName } from '../api/names.ts';
import { badRequest } from './core/failure.ts';
import type { Layer, Manifest, Part } from './core/manifest.ts';
import {
  blobFileName,
  blobsOf,
  existingName,
  manifestPath,
  mediaTypeOf,
  nameFromPath,
  parseManifest,
} from './core/manifest.ts';

export interface ManifestEntry {
  readonly name: ModelName;
  /** 64 hex digits: the digest of the manifest file itself. */
  readonly digest: string;
  readonly modifiedAt: string;
  readonly manifest: Manifest;
}

export interface Store {
  readonly folder: string;
  /** Readable manifests only: one broken file hides one model, not all. */
  list(): Promise<readonly ManifestEntry[]>;
  /** As the store spells it, in whatever case it was asked for. */
  find(name: ModelName): Promise<ManifestEntry | undefined>;
  existing(name: ModelName): Promise<ModelName>;
  saveManifest(name: ModelName, text: string): Promise<void>;
  /** The manifest exactly as it lies on disk. */
  manifestText(name: ModelName): Promise<string>;
  remove(entry: ManifestEntry): Promise<void>;
  /** Deletes those of the blobs that no manifest names any more. */
  prune(layers: readonly Layer[]): Promise<void>;
  blobPath(digest: string): string;
  blobSize(digest: string): Promise<number | undefined>;
  readBlob(digest: string): Promise<Buffer>;
  /** Hashes while it writes; a wrong digest leaves nothing behind. */
  addBlob(source: Readable, expected: string, signal: AbortSignal): Promise<void>;
  addLayer(part: Part | 'config', content: string): Promise<{ layer: Layer; created: boolean }>;
}

const namesMax = 10_000;

export async function openStore(folder: string): Promise<Store> {
  const manifests = join(folder, 'manifests');
  const blobs = join(folder, 'blobs');
  await mkdir(manifests, { recursive: true });
  await mkdir(blobs, { recursive: true });

  const pathOf = (name: ModelName): string => join(manifests, ...manifestPath(name));
  const blobPath = (digest: string): string => join(blobs, blobFileName(digest));
  const list = (): Promise<ManifestEntry[]> => listManifests(manifests);
  const blobSize = (digest: string): Promise<number | undefined> => sizeOfFile(blobPath(digest));

  async function saveManifest(name: ModelName, text: string): Promise<void> {
    const path = pathOf(name);
    await mkdir(dirname(path), { recursive: true });
    await writeWhole(path, text);
  }
  async function prune(layers: readonly Layer[]): Promise<void> {
    const used = new Set((await list()).flatMap(entry => blobsOf(entry.manifest)).map(layer => layer.digest));
    for (const layer of layers) {
      if (!used.has(layer.digest)) await rm(blobPath(layer.digest), { force: true });
    }
  }
  return {
    folder,
    list,
    blobPath,
    blobSize,
    saveManifest,
    manifestText: name => readFile(pathOf(name), 'utf8'),
    prune,
    existing: async name => existingName(name, await listNames(manifests)),
    async find(name) {
      const spelled = existingName(name, await listNames(manifests));
      return readEntry(pathOf(spelled), spelled);
    },
    async remove(entry) {
      await rm(pathOf(entry.name));
      await removeEmptyFolders(dirname(pathOf(entry.name)), manifests);
      await prune(blobsOf(entry.manifest));
    },
    readBlob: digest => readFile(blobPath(digest)),
    addBlob: (source, expected, signal) => addBlob({ source, path: blobPath(expected), expected, signal }),
    async addLayer(part, content) {
      const bytes = Buffer.from(content);
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      const created = (await blobSize(digest)) === undefined;
      if (created) await writeWhole(blobPath(digest), bytes);
      return { layer: { mediaType: mediaTypeOf(part), digest, size: bytes.length }, created };
    },
  };
}

async function listNames(manifests: string): Promise<ModelName[]> {
  const found: ModelName[] = [];
  for (const host of await names(manifests)) {
    for (const namespace of await names(join(manifests, host))) {
      for (const model of await names(join(manifests, host, namespace))) {
        for (const tag of await names(join(manifests, host, namespace, model))) {
          const name = nameFromPath([host, namespace, model, tag]);
          if (name !== undefined && found.length < namesMax) found.push(name);
        }
      }
    }
  }
  return found;
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter(name => !name.startsWith('.')).sort();
  } catch {
    return [];
  }
}

async function listManifests(manifests: string): Promise<ManifestEntry[]> {
  const entries = (await listNames(manifests)).map(name =>
    readEntry(join(manifests, ...manifestPath(name)), name).catch(() => undefined),
  );
  return (await Promise.all(entries)).filter(entry => entry !== undefined);
}

async function readEntry(path: string, name: ModelName): Promise<ManifestEntry | undefined> {
  try {
    const [bytes, info] = await Promise.all([readFile(path), stat(path)]);
    return {
      name,
      digest: createHash('sha256').update(bytes).digest('hex'),
      modifiedAt: info.mtime.toISOString(),
      manifest: parseManifest(bytes.toString('utf8')),
    };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR';
}

async function sizeOfFile(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

const temporary = (path: string): string => `${path}.${randomBytes(6).toString('hex')}.tmp`;

async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const half = temporary(path);
  try {
    await writeFile(half, content, { flush: true });
    await rename(half, path);
  } finally {
    await rm(half, { force: true });
  }
}

interface BlobInput {
  readonly source: Readable;
  readonly path: string;
  readonly expected: string;
  readonly signal: AbortSignal;
}

async function addBlob(input: BlobInput): Promise<void> {
  const half = temporary(input.path);
  const hash = createHash('sha256');
  async function* hashed(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  }
  try {
    await pipeline(input.source, hashed, createWriteStream(half, { flush: true }), { signal: input.signal });
    const digest = `sha256:${hash.digest('hex')}`;
    if (digest !== input.expected) {
      throw badRequest(
        `digest mismatch, expected ${JSON.stringify(input.expected)}, got ${JSON.stringify(digest)}`,
      );
    }
    await rename(half, input.path);
  } finally {
    await rm(half, { force: true });
  }
}

/** The digest of a file, read in pieces so that nothing else waits. */
export async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { signal, highWaterMark: 256 * 1024 })) {
    hash.update(chunk as Buffer);
    // The hash itself blocks; a breath between pieces lets tokens through.
    await new Promise(resolve => setImmediate(resolve));
  }
  return `sha256:${hash.digest('hex')}`;
}

async function removeEmptyFolders(folder: string, root: string): Promise<void> {
  for (let at = folder; at.startsWith(root) && at !== root; at = dirname(at)) {
    try {
      await rmdir(at);
    } catch {
      return;
    }
  }
}
