// The models folder as files: blobs, manifests, room, and what the agent must remember over a restart.
// Never writes a blob or a manifest; takes away only blobs that are wrong and parts of pulls that failed.
import { readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { displayName, parseModelName } from '../api/names.ts';
import { blobsMax, type BlobFile } from './core/blobs.ts';
import type { Disk } from './core/disk.ts';
import { hexOf, manifestPath, nameOfPath, readManifest, type Layer } from './core/manifest.ts';

const manifestBytesMax = 4 * 1024 * 1024;
const memoryBytesMax = 1024 * 1024;
const sectorBytes = 512;
const memoryName = 'bigo-agent.json';

export class StoreFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  blobPath(digest: string): string {
    return join(this.#folder, 'blobs', `sha256-${digest}`);
  }

  /** Complete blobs: those that are still fetched have names of their own. */
  async blobs(): Promise<BlobFile[]> {
    const files = await Promise.all(
      (await this.#blobNames()).map(async name => {
        const digest = hexOf(name);
        if (digest === undefined) return undefined;
        const found = await stat(this.blobPath(digest)).catch(() => undefined);
        if (found?.isFile() !== true) return undefined;
        return { digest, sizeBytes: found.size, mark: `${found.ino}:${found.size}:${found.mtimeMs}` };
      }),
    );
    return files.filter(file => file !== undefined);
  }

  /** Bytes on disk by digest, whole blobs and parts: parts are sparse files, so blocks count and not lengths. */
  async bytesOnDisk(): Promise<ReadonlyMap<string, number>> {
    const bytes = new Map<string, number>();
    for (const name of await this.#blobNames()) {
      const digest = hexOf(name.replace(/-partial$/, ''));
      if (digest === undefined) continue;
      const found = await stat(join(this.#folder, 'blobs', name)).catch(() => undefined);
      if (found === undefined) continue;
      bytes.set(digest, name.endsWith('-partial') ? found.blocks * sectorBytes : found.size);
    }
    return bytes;
  }

  async #blobNames(): Promise<string[]> {
    const names = await readdir(join(this.#folder, 'blobs')).catch(() => []);
    return names.slice(0, blobsMax * 2);
  }

  /** Layers of a model here; undefined = no such model, or only half a manifest. */
  async layersOf(modelName: string): Promise<readonly Layer[] | undefined> {
    const name = parseModelName(modelName);
    return name === undefined ? undefined : this.#layersAt(manifestPath(name));
  }

  async #layersAt(path: string): Promise<readonly Layer[] | undefined> {
    const file = join(this.#folder, 'manifests', path);
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile() !== true || found.size > manifestBytesMax) return undefined;
    return readManifest(await readFile(file, 'utf8').catch(() => ''));
  }

  /** Which models name which of these blobs. */
  async holdersOf(digests: ReadonlySet<string>): Promise<ReadonlyMap<string, readonly string[]>> {
    const holders = new Map<string, string[]>([...digests].map(digest => [digest, []]));
    const entries = await readdir(join(this.#folder, 'manifests'), { recursive: true }).catch(() => []);
    for (const entry of entries.slice(0, blobsMax)) {
      const name = nameOfPath(entry.replaceAll('\\', '/'));
      const layers = name === undefined ? undefined : await this.#layersAt(manifestPath(name));
      if (name === undefined || layers === undefined) continue;
      for (const { digest } of layers) holders.get(digest)?.push(displayName(name));
    }
    return holders;
  }

  async disk(): Promise<Disk> {
    const { bavail, blocks, bsize } = await statfs(this.#folder);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }

  async removeBlob(digest: string): Promise<void> {
    await rm(this.blobPath(digest), { force: true });
  }

  /** What a pull that failed for lack of room, or again and again, has left. */
  async removeParts(digests: readonly string[]): Promise<void> {
    const names = await this.#blobNames();
    for (const digest of digests) {
      const parts = names.filter(name => name.startsWith(`sha256-${digest}-partial`));
      for (const part of parts) await rm(join(this.#folder, 'blobs', part), { force: true });
    }
  }

  async readMemory(): Promise<unknown> {
    const file = join(this.#folder, memoryName);
    const found = await stat(file).catch(() => undefined);
    if (found === undefined || found.size > memoryBytesMax) return undefined;
    try {
      return JSON.parse(await readFile(file, 'utf8'));
    } catch {
      return undefined;
    }
  }

  async writeMemory(value: object): Promise<void> {
    const file = join(this.#folder, memoryName);
    await writeFile(`${file}.new`, JSON.stringify(value), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
}
