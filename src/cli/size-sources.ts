// Where `bigo size` learns about a model: an Ollama or gateway that has it, else the model's registry. Never downloads weights.
import { displayName, modelKey, type ModelName } from '../api/names.ts';
import { layersOf, parseManifest, sizeOf } from '../engine/core/manifest.ts';
import type { Client, JsonObject } from './client.ts';
import { type ShapeResult, shapeOf, type ModelShape } from './core/size-shape.ts';
import { CliError } from './exit.ts';
import { registryReader } from './size-registry.ts';

export interface SizeSource {
  readonly source: string;
  readonly diskBytes: number;
  readonly weightsBytes: number;
  readonly projectorBytes: number;
  readonly shape: ModelShape;
  /** As /api/show prints them; empty where nobody told. */
  readonly parameters: string;
}

/** Undefined: this server does not have the model. */
export async function sizeFromServer(client: Client, name: ModelName): Promise<SizeSource | undefined> {
  const model = displayName(name);
  const tags = await client.json({ path: '/api/tags' });
  const list = Array.isArray(tags.models) ? (tags.models as JsonObject[]) : [];
  const found = list.find(entry => modelKey(String(entry.name)) === modelKey(model));
  if (found === undefined) return undefined;
  const ask = (verbose: boolean) => client.json({ path: '/api/show', body: { model, verbose } });
  let shown = await ask(false);
  let result = shapeFrom(shown);
  if ('missing' in result) {
    shown = await ask(true);
    result = shapeFrom(shown);
  }
  const bytes = typeof found.size === 'number' ? found.size : 0;
  return {
    source: `as ${client.target.url} has it`,
    diskBytes: bytes,
    // What is not weights is some kilobytes.
    weightsBytes: bytes,
    projectorBytes: 0,
    shape: whole(result, model),
    parameters: typeof shown.parameters === 'string' ? shown.parameters : '',
  };
}

function shapeFrom(shown: JsonObject): ShapeResult {
  const tensors = Array.isArray(shown.tensors) ? (shown.tensors as JsonObject[]) : [];
  const embedding = tensors.find(tensor => tensor.name === 'token_embd.weight')?.shape;
  const tokens = Array.isArray(embedding) ? Number(embedding[1]) : undefined;
  return shapeOf((shown.model_info ?? {}) as JsonObject, Number.isFinite(tokens) ? tokens : undefined);
}

function whole(result: ShapeResult, model: string): ModelShape {
  if ('shape' in result) return result.shape;
  throw new CliError(`the size of ${model} cannot be computed: ${result.missing.join(', ')} missing`, {
    next: 'It may be a model of another server (a cloud model), or one whose form is not known here.',
  });
}

export async function sizeFromRegistry(name: ModelName, signal: AbortSignal): Promise<SizeSource> {
  const reader = registryReader(name, signal);
  try {
    const manifest = parseManifest(await reader.manifest());
    const [weights] = layersOf(manifest, 'model');
    if (weights === undefined) {
      throw new CliError(`${displayName(name)} has no weights of its own in ${name.host}`, {
        next: 'Cloud models run elsewhere: they need no memory here.',
      });
    }
    const info = await reader.header(weights.digest);
    const projectors = layersOf(manifest, 'projector');
    return {
      source: `as ${name.host} has it`,
      diskBytes: sizeOf(manifest),
      weightsBytes: weights.size,
      projectorBytes: projectors.reduce((total, layer) => total + layer.size, 0),
      shape: whole(shapeOf(info.values, info.tokens), displayName(name)),
      parameters: '',
    };
  } finally {
    await reader.close();
  }
}
