// Ollama's manifests: where one lies in the store and in a registry, and which blobs it names. Never opens a file.
import type { ModelName } from '../../api/names.ts';

export interface Layer {
  /** 64 hex digits. */
  readonly digest: string;
  readonly sizeBytes: number;
}

const layersMax = 1_000;
const DIGEST = /^sha256[:-]([0-9a-f]{64})$/;

/** `sha256:…` and `sha256-…` as 64 hex digits; undefined for anything else. */
export function hexOf(digest: unknown): string | undefined {
  return typeof digest === 'string' ? DIGEST.exec(digest)?.[1] : undefined;
}

/** Below `manifests/` (ollama manifest/paths.go). */
export function manifestPath(name: ModelName): string {
  return [name.host, name.namespace, name.model, name.tag].join('/');
}

/** The model of a path below `manifests/`, as Ollama reads it back. */
export function nameOfPath(path: string): ModelName | undefined {
  const [host = '', namespace = '', model = '', tag = '', ...rest] = path.split('/');
  if (rest.length > 0 || [host, namespace, model, tag].some(part => part === '')) return undefined;
  return { host, namespace, model, tag };
}

export function manifestUrlPath(name: ModelName): string {
  return `/v2/${name.namespace}/${name.model}/manifests/${name.tag}`;
}

/** Undefined: not a manifest, or only half of one. */
export function readManifest(text: string): readonly Layer[] | undefined {
  try {
    const value = JSON.parse(text) as { layers?: unknown; config?: unknown };
    if (!Array.isArray(value.layers) || value.layers.length > layersMax) return undefined;
    const layers = [...value.layers, value.config].map(layerOf);
    return layers.every(layer => layer !== undefined) ? unique(layers) : undefined;
  } catch {
    return undefined;
  }
}

function layerOf(value: unknown): Layer | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { digest, size } = value as { digest?: unknown; size?: unknown };
  const hex = hexOf(digest);
  if (hex === undefined || typeof size !== 'number' || !(size >= 0)) return undefined;
  return { digest: hex, sizeBytes: size };
}

function unique(layers: readonly Layer[]): Layer[] {
  return [...new Map(layers.map(layer => [layer.digest, layer])).values()];
}
