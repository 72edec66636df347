// The progress lines of pull and create (ollama api/types.go ProgressResponse). Clients compare these words; never change them.
import type { JsonObject } from './json.ts';

export interface Progress {
  readonly status: string;
  readonly digest?: string;
  readonly total?: number;
  readonly completed?: number;
}

/** Zero counts are left out, as Go's omitempty does. */
export function progressLine(progress: Progress): JsonObject {
  const { total, completed, ...rest } = progress;
  return { ...rest, ...(total ? { total } : {}), ...(completed ? { completed } : {}) };
}

export function pulling(digest: string, total: number, completed: number): Progress {
  return {
    status: `pulling ${digest.slice('sha256:'.length, 'sha256:'.length + 12)}`,
    digest,
    total,
    completed,
  };
}

export const STATUS = {
  manifest: { status: 'pulling manifest' },
  verifying: { status: 'verifying sha256 digest' },
  writing: { status: 'writing manifest' },
  removing: { status: 'removing unused layers' },
  parsing: { status: 'parsing GGUF' },
  success: { status: 'success' },
} as const satisfies Record<string, Progress>;

export function layerStatus(digest: string, created: boolean): Progress {
  return { status: `${created ? 'creating new layer' : 'using existing layer'} ${digest}` };
}

/** Where a model's registry is, by its name (ollama types/model/name.go BaseURL). */
export function registryUrl(
  name: { host: string; namespace: string; model: string },
  insecure: boolean,
): string {
  return `${insecure ? 'http' : 'https'}://${name.host}/v2/${name.namespace}/${name.model}`;
}

/** 206 with this start of bytes continues a partial file; anything else starts anew. */
export function continuesAt(contentRange: string | null, offset: number): boolean {
  return new RegExp(`^bytes ${offset}-`).test(contentRange ?? '');
}
