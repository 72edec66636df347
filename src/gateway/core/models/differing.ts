// Which models are not the same on every backend that has them. Never says so of one that only lies in another folder.
import type { BackendView, ModelOnDisk } from '../../../api/fleet.ts';

export interface DifferingModel {
  readonly model: string;
  readonly digests: readonly { readonly digest: string; readonly backends: readonly string[] }[];
}

interface Variant {
  readonly digest: string;
  readonly backends: string[];
  /** Manifest digests and contents; a model with any of them is this one. */
  readonly marks: Set<string>;
}

export function differingModels(backends: readonly Pick<BackendView, 'spec' | 'models'>[]): DifferingModel[] {
  const byKey = new Map<string, Variant[]>();
  for (const { spec, models } of backends) {
    for (const [key, model] of models) {
      const variants = byKey.get(key) ?? [];
      byKey.set(key, variants);
      addTo(variants, spec.name, model);
    }
  }
  return [...byKey]
    .filter(([, variants]) => variants.length > 1)
    .map(([model, variants]) => ({
      model,
      digests: variants.map(({ digest, backends }) => ({ digest, backends })),
    }));
}

// Versions of Ollama tell the content of one manifest in different words, so either is enough.
function addTo(variants: Variant[], backend: string, { digest, content }: ModelOnDisk): void {
  const same = variants.find(
    ({ marks }) => marks.has(digest) || (content !== undefined && marks.has(content)),
  );
  const variant = same ?? { digest, backends: [], marks: new Set<string>() };
  if (same === undefined) variants.push(variant);
  variant.backends.push(backend);
  variant.marks.add(digest);
  if (content !== undefined) variant.marks.add(content);
}
