// Ollama's store on disk: where manifests and blobs lie and what a manifest says. Never opens a file.
import { parseModelName } from '../../api/names.ts';
import type { ModelName } from '../../api/names.ts';
import { EngineFailure, badRequest } from './failure.ts';
import { isObject, textOf } from './json.ts';

export interface Layer {
  readonly mediaType: string;
  /** sha256:<64 hex digits> */
  readonly digest: string;
  readonly size: number;
  readonly from?: string;
}

export interface Manifest {
  readonly config: Layer | undefined;
  readonly layers: readonly Layer[];
}

export const MANIFEST_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';
const CONFIG_TYPE = 'application/vnd.docker.container.image.v1+json';
const IMAGE = 'application/vnd.ollama.image.';

export type Part =
  | 'model'
  | 'adapter'
  | 'projector'
  | 'template'
  | 'prompt'
  | 'system'
  | 'params'
  | 'messages'
  | 'license'
  | 'tensor';

export const mediaTypeOf = (part: Part | 'config'): string =>
  part === 'config' ? CONFIG_TYPE : `${IMAGE}${part}`;

export function layersOf(manifest: Manifest, part: Part): readonly Layer[] {
  return manifest.layers.filter(layer => layer.mediaType === mediaTypeOf(part));
}

/** Every blob the manifest needs, the config last, each once. */
export function blobsOf(manifest: Manifest): readonly Layer[] {
  const all = manifest.config === undefined ? manifest.layers : [...manifest.layers, manifest.config];
  return [...new Map(all.map(layer => [layer.digest, layer])).values()];
}

export function sizeOf(manifest: Manifest): number {
  return manifest.layers.reduce((sum, layer) => sum + layer.size, manifest.config?.size ?? 0);
}

const DIGEST = /^sha256[:-]([0-9a-fA-F]{64})$/;

/** The one spelling used in manifests; refuses anything that could be a path. */
export function checkDigest(text: string): string {
  const hex = DIGEST.exec(text)?.[1];
  if (hex === undefined) throw badRequest('invalid digest format');
  return `sha256:${hex.toLowerCase()}`;
}

export const blobFileName = (digest: string): string => checkDigest(digest).replace(':', '-');

/** host/namespace/model/tag below `manifests/`; the parts were checked by parseModelName. */
export function manifestPath(name: ModelName): readonly string[] {
  return [name.host, name.namespace, name.model, name.tag];
}

export function nameFromPath(parts: readonly string[]): ModelName | undefined {
  const [host, namespace, model, tag] = parts;
  return parts.length === 4 ? parseModelName(`${host}/${namespace}/${model}:${tag}`) : undefined;
}

/** Each part that exists in another case is taken as it exists (ollama server getExistingName). */
export function existingName(wanted: ModelName, known: readonly ModelName[]): ModelName {
  const like = (part: keyof ModelName): string => {
    const same = known
      .map(name => name[part])
      .find(text => text.toLowerCase() === wanted[part].toLowerCase());
    return same ?? wanted[part];
  };
  return { host: like('host'), namespace: like('namespace'), model: like('model'), tag: like('tag') };
}

const manifestBytesMax = 4 * 1024 * 1024;
const layersMax = 10_000;

export function parseManifest(text: string): Manifest {
  const raw = text.length > manifestBytesMax ? undefined : parseJson(text);
  if (!isObject(raw)) throw new EngineFailure(500, 'the manifest is not a JSON object');
  const layers = raw['layers'];
  if (!Array.isArray(layers) || layers.length > layersMax)
    throw new EngineFailure(500, 'the manifest has no layers');
  const config = raw['config'];
  const hasConfig = isObject(config) && config['digest'] !== '' && config['digest'] !== undefined;
  return { config: hasConfig ? parseLayer(config) : undefined, layers: layers.map(parseLayer) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseLayer(raw: unknown): Layer {
  const layer = isObject(raw) ? raw : {};
  const size = Number(layer['size'] ?? 0);
  const digest = DIGEST.exec(textOf(layer['digest']))?.[1];
  if (digest === undefined || !Number.isSafeInteger(size) || size < 0) {
    throw new EngineFailure(500, 'the manifest names a layer without a valid digest and size');
  }
  return {
    mediaType: textOf(layer['mediaType']),
    digest: `sha256:${digest.toLowerCase()}`,
    size,
    ...(typeof layer['from'] === 'string' ? { from: layer['from'] } : {}),
  };
}

export function writeManifest(config: Layer, layers: readonly Layer[]): string {
  return `${JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers })}\n`;
}
