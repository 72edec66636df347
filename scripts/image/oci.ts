// One image for several processors as an OCI image layout in a tar archive, for skopeo, crane, oras, podman and containerd.
// Never talks to a registry, and writes the same bytes for the same content (image-spec 1.1: index, manifest, layout).
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { sha256File } from '../fetch/cache.ts';
import { configBytes, writeLayer, type Image, type Layer, type MadeLayer } from './archive.ts';
import { ownProcessor } from './processors.ts';
import { writeTar, type TarEntry } from './tar.ts';

const type = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Blobs by their path in the layout; one that several images share is written once. */
type Blobs = Map<string, TarEntry>;

/** Returns the digest that a registry will have for the whole. The images are of one name. */
export async function writeOci(archive: string, images: readonly Image[]): Promise<string> {
  const [{ name, labels = {} } = { name: '' }] = images;
  const work = await mkdtemp(path.join(path.dirname(archive), 'oci-'));
  try {
    const blobs: Blobs = new Map();
    const layers = new Map<Layer, { made: MadeLayer; descriptor: Descriptor }>();
    for (const layer of images.flatMap(image => image.layers)) {
      if (layers.has(layer)) continue;
      const made = await writeLayer(work, layer, layers.size);
      layers.set(layer, { made, descriptor: await packed(made.file, blobs) });
    }
    const manifests = images.map(image => {
      const own = image.layers.flatMap(layer => layers.get(layer) ?? []);
      const platform = { architecture: image.processor ?? ownProcessor(), os: 'linux' };
      return { ...manifestOf(image, own, blobs), platform };
    });
    const index = { ...head(type.index), manifests, annotations: labels };
    const whole = blobOf(Buffer.from(JSON.stringify(index)), type.index, blobs);
    await writeTar(archive, layoutOf({ name, whole, blobs }));
    return whole.digest;
  } finally {
    await rm(work, { recursive: true });
  }
}

const head = (mediaType: string) => ({ schemaVersion: 2, mediaType });

function manifestOf(
  image: Image,
  layers: readonly { readonly made: MadeLayer; readonly descriptor: Descriptor }[],
  blobs: Blobs,
): Descriptor {
  const config = configBytes(
    image,
    layers.map(({ made }) => made),
  );
  const manifest = {
    ...head(type.manifest),
    config: blobOf(config, type.config, blobs),
    layers: layers.map(({ descriptor }) => descriptor),
    annotations: image.labels ?? {},
  };
  return blobOf(Buffer.from(JSON.stringify(manifest)), type.manifest, blobs);
}

function blobOf(bytes: Buffer, mediaType: string, blobs: Blobs): Descriptor {
  const hex = createHash('sha256').update(bytes).digest('hex');
  blobs.set(hex, { path: `blobs/sha256/${hex}`, mode: 0o644, content: { bytes } });
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}

async function packed(file: string, blobs: Blobs): Promise<Descriptor> {
  const target = `${file}.gz`;
  await pipeline(createReadStream(file), createGzip({ level: 6 }), createWriteStream(target));
  const hex = await sha256File(target);
  blobs.set(hex, { path: `blobs/sha256/${hex}`, mode: 0o644, content: { file: target } });
  return { mediaType: type.layer, digest: `sha256:${hex}`, size: (await stat(target)).size };
}

interface Layout {
  readonly name: string;
  readonly whole: Descriptor;
  readonly blobs: Blobs;
}

function layoutOf({ name, whole, blobs }: Layout): TarEntry[] {
  // containerd reads the full name, everybody else the tag.
  const annotations = {
    'io.containerd.image.name': name,
    'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
  };
  const index = { ...head(type.index), manifests: [{ ...whole, annotations }] };
  const text = (path: string, value: object): TarEntry => ({
    ...{ path, mode: 0o644 },
    content: { bytes: Buffer.from(JSON.stringify(value)) },
  });
  const folders = ['blobs/', 'blobs/sha256/'].map(folder => ({ path: folder, mode: 0o755 }));
  const sorted = [...blobs].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  return [
    text('oci-layout', { imageLayoutVersion: '1.0.0' }),
    text('index.json', index),
    ...folders,
    ...sorted,
  ];
}
