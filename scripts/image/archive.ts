// Container images without a daemon or a registry: docker archives, for `docker load` and `ctr images import`.
// Never downloads anything; what is in an image is what its list of files says, owned by root.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { ownProcessor, type Processor } from './processors.ts';
import { writeTar, type TarEntry } from './tar.ts';

/** Files by their place in the image; a value is a file or folder of this machine, or a text to be written. */
export type Layer = Readonly<Record<string, string | { readonly text: string; readonly mode?: number }>>;

export interface Image {
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly ports?: readonly number[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Absent = this machine's. */
  readonly processor?: Processor;
  /** RFC 3339; absent = nothing is said. */
  readonly created?: string;
}

export interface MadeLayer {
  readonly digest: string;
  readonly name: string;
  readonly file: string;
}

/** Writes one archive with all images; a layer that several share is written once. Returns its SHA-256. */
export async function writeArchive(archive: string, images: readonly Image[]): Promise<string> {
  const work = await mkdtemp(path.join(path.dirname(archive), 'image-'));
  try {
    const made = new Map<Layer, MadeLayer>();
    for (const layer of images.flatMap(image => image.layers))
      if (!made.has(layer)) made.set(layer, await writeLayer(work, layer, made.size));
    const layersOf = (image: Image) => image.layers.map(layer => made.get(layer) as MadeLayer);
    const configs = images.map(image => ({ image, config: configOf(image, layersOf(image)) }));
    const manifest = configs.map(({ image, config }) => ({
      Config: config.path,
      RepoTags: [image.name],
      Layers: layersOf(image).map(layer => layer.name),
    }));
    return await writeTar(archive, [
      { path: 'manifest.json', mode: 0o644, content: { bytes: Buffer.from(JSON.stringify(manifest)) } },
      ...new Map(configs.map(({ config }) => [config.path, config])).values(),
      ...[...made.values()].map(({ name, file }) => ({ path: name, mode: 0o644, content: { file } })),
    ]);
  } finally {
    await rm(work, { recursive: true });
  }
}

/** Named by its digest, as docker archives want it. */
function configOf(image: Image, layers: readonly MadeLayer[]): TarEntry {
  const bytes = configBytes(image, layers);
  const name = createHash('sha256').update(bytes).digest('hex');
  return { path: `${name}.json`, mode: 0o644, content: { bytes } };
}

export function configBytes(image: Image, layers: readonly MadeLayer[]): Buffer {
  const config = JSON.stringify({
    architecture: image.processor ?? ownProcessor(),
    ...(image.created === undefined ? {} : { created: image.created }),
    os: 'linux',
    config: {
      Entrypoint: image.entrypoint,
      Cmd: image.command ?? [],
      Env: Object.entries(image.env ?? {}).map(([name, value]) => `${name}=${value}`),
      User: image.user ?? '',
      ExposedPorts: Object.fromEntries((image.ports ?? []).map(port => [`${port}/tcp`, {}])),
      Labels: image.labels ?? {},
    },
    rootfs: { type: 'layers', diff_ids: layers.map(layer => `sha256:${layer.digest}`) },
    // Without this line two tags of the same content would be one image.
    history: layers.map(() => ({ created_by: image.name })),
  });
  return Buffer.from(config);
}

export async function writeLayer(work: string, layer: Layer, index: number): Promise<MadeLayer> {
  const name = `layer-${index}.tar`;
  const file = path.join(work, name);
  return { digest: await writeTar(file, await layerEntries(layer)), name, file };
}

/** Links are followed: an image holds files and folders only. */
export async function layerEntries(layer: Layer): Promise<TarEntry[]> {
  const files: TarEntry[] = [];
  for (const [at, content] of Object.entries(layer)) {
    const target = at.replace(/^\//, '');
    if (typeof content === 'string') files.push(...(await entriesOf(target, await realpath(content))));
    else
      files.push({
        path: target,
        mode: content.mode ?? 0o644,
        content: { bytes: Buffer.from(content.text) },
      });
  }
  const folders = new Set(files.flatMap(entry => foldersAbove(entry.path)));
  const made = [...folders].map(folder => ({ path: `${folder}/`, mode: folder === 'tmp' ? 0o1777 : 0o755 }));
  // Everybody needs a folder for temporary files; a volume may cover it.
  if (!folders.has('tmp')) made.push({ path: 'tmp/', mode: 0o1777 });
  return [...made, ...files].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

async function entriesOf(target: string, source: string): Promise<TarEntry[]> {
  const found = await stat(source);
  if (found.isDirectory()) {
    const names = (await readdir(source)).toSorted();
    const inside = names.map(name => entriesOf(`${target}/${name}`, path.join(source, name)));
    return (await Promise.all(inside)).flat();
  }
  // What this machine's umask left is no part of an image.
  const mode = (found.mode & 0o100) === 0 ? 0o644 : 0o755;
  return [{ path: target, mode, content: { file: source } }];
}

function foldersAbove(file: string): string[] {
  const parts = file.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
