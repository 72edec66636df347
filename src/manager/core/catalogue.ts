// A short list of models worth a try, kept by hand, and what a registry says of them. Never asks it itself.

export interface CuratedModel {
  readonly name: string;
  readonly sizeBytes: number;
  readonly about: string;
}

/** registry: looked up just now or within the hour · cache: it was, and cannot be now · file: it never could */
export type CatalogueSource = 'registry' | 'cache' | 'file';

export interface CatalogueView {
  readonly success: true;
  readonly source: CatalogueSource;
  readonly note: string;
  readonly models: readonly CuratedModel[];
}

export const CURATED: readonly CuratedModel[] = [
  { name: 'smollm2:135m', sizeBytes: 271e6, about: 'tiny; to try things out on any machine' },
  { name: 'gemma3:270m', sizeBytes: 292e6, about: 'tiny, many languages' },
  { name: 'qwen3:0.6b', sizeBytes: 523e6, about: 'small, thinks before it answers' },
  { name: 'llama3.2:1b', sizeBytes: 1.3e9, about: 'small and fast, good for short tasks' },
  { name: 'qwen2.5-coder:1.5b', sizeBytes: 986e6, about: 'completes code on small machines' },
  { name: 'qwen2.5:3b', sizeBytes: 1.9e9, about: 'general use on a CPU' },
  { name: 'phi4-mini', sizeBytes: 2.5e9, about: 'general use, good at reasoning for its size' },
  { name: 'qwen3:8b', sizeBytes: 5.2e9, about: 'general use with a GPU of 8 GB' },
  { name: 'qwen2.5-coder:7b', sizeBytes: 4.7e9, about: 'code with a GPU of 8 GB' },
  { name: 'nomic-embed-text', sizeBytes: 274e6, about: 'embeddings' },
];

const notes: Readonly<Record<CatalogueSource, string>> = {
  registry:
    'Kept with BigO; each was found in the registry. Any other name of the Ollama library can be pulled, too.',
  cache: 'Kept with BigO; the registry, where each was found before, does not answer now.',
  file: 'Kept with BigO and not looked up, because the registry does not answer; sizes are about right.',
};

/** `gone`: names that the registry does not know any more. */
export function catalogueView(source: CatalogueSource, gone: ReadonlySet<string>): CatalogueView {
  const models = CURATED.filter(model => !gone.has(model.name));
  return { success: true, source, note: notes[source], models };
}

/** Of a curated name, as the registry's API has it. */
export function manifestPath(name: string): string {
  const [model = '', tag = 'latest'] = name.split(':');
  return `/v2/library/${model}/manifests/${tag}`;
}
