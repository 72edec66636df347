// Makes a model from another one or from uploaded GGUF files, as /api/create does. The manifest is written last: no half model appears.
import { displayName } from '../api/names.ts';
import { parseModelName } from '../api/names.ts';
import type { Catalog } from './catalog.ts';
import type { CreateRequest } from './core/create-request.ts';
import { mergedParameters } from './core/create-request.ts';
import { EngineFailure, badRequest, modelNotFound } from './core/failure.ts';
import { ggufFacts } from './core/gguf.ts';
import type { GgufFacts } from './core/gguf.ts';
import { isObject } from './core/json.ts';
import type { JsonObject } from './core/json.ts';
import { blobsOf, layersOf, mediaTypeOf, writeManifest } from './core/manifest.ts';
import type { Layer, Part } from './core/manifest.ts';
import { STATUS, layerStatus } from './core/progress.ts';
import { newConfig } from './pulls.ts';
import type { OnProgress, Pulls } from './pulls.ts';
import type { Store } from './store.ts';
import { readHeader } from './weights.ts';

export interface Creator {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly pulls: Pulls;
}

interface Base {
  readonly layers: readonly Layer[];
  readonly config: JsonObject;
}

const TEMPLATE_WARNING = {
  status:
    'warning: the template is stored but not used: the embedded engine uses the chat template of the GGUF file',
};

export async function createModel(
  creator: Creator,
  request: CreateRequest,
  run: { onProgress: OnProgress; signal: AbortSignal },
): Promise<void> {
  const { store } = creator;
  const { onProgress } = run;
  const name = await store.existing(request.name);
  const before = await store.find(name).catch(() => undefined);
  const base = await baseOf(creator, request, run);
  const adapters = await adapterLayers(store, request, onProgress);
  if (request.template !== '') onProgress(TEMPLATE_WARNING);
  const layers = await withOwnLayers(store, request, { base: [...base.layers, ...adapters], onProgress });
  const config = { ...base.config, rootfs: { type: 'layers', diff_ids: layers.map(layer => layer.digest) } };
  const saved = await store.addLayer('config', `${JSON.stringify(config)}\n`);
  onProgress(STATUS.writing);
  await store.saveManifest(name, writeManifest(saved.layer, layers));
  if (before !== undefined) await store.prune(blobsOf(before.manifest));
  onProgress(STATUS.success);
}

async function baseOf(
  creator: Creator,
  request: CreateRequest,
  run: { onProgress: OnProgress; signal: AbortSignal },
): Promise<Base> {
  if (request.from !== '') return baseFromModel(creator, request.from, run);
  if (request.files.length === 0) throw badRequest("neither 'from' or 'files' was specified");
  return baseFromFiles(creator.store, request, run.onProgress);
}

/** An unknown base is pulled first, as Ollama does. */
async function baseFromModel(
  creator: Creator,
  from: string,
  run: { onProgress: OnProgress; signal: AbortSignal },
): Promise<Base> {
  const name = parseModelName(from);
  if (name === undefined) throw badRequest('invalid model name');
  if ((await creator.store.find(name)) === undefined) {
    const silent: OnProgress = progress => {
      if (progress.status !== STATUS.success.status) run.onProgress(progress);
    };
    await creator.pulls.pull({ model: from, insecure: false, signal: run.signal, onProgress: silent });
  }
  const entry = await creator.store.find(name);
  if (entry === undefined) throw modelNotFound(from);
  const { model } = await creator.catalog.open(from);
  const layers = entry.manifest.layers.map(layer =>
    layer.mediaType === mediaTypeOf('model') ? { ...layer, from: displayName(entry.name) } : layer,
  );
  for (const layer of layers) run.onProgress(layerStatus(layer.digest, false));
  return { layers, config: isObject(model.config) ? model.config : {} };
}

async function baseFromFiles(store: Store, request: CreateRequest, onProgress: OnProgress): Promise<Base> {
  const parsed: { layer: Layer; facts: GgufFacts }[] = [];
  for (const digest of request.files) parsed.push(await ggufLayer(store, digest, onProgress));
  const weights = parsed.find(file => file.facts.kind === 'model');
  if (weights === undefined) throw badRequest('no files provided to convert');
  const layers = parsed.map(file => file.layer);
  return { layers, config: newConfig(weights.facts, layers) };
}

async function adapterLayers(store: Store, request: CreateRequest, onProgress: OnProgress): Promise<Layer[]> {
  if (request.adapters.length > 1) throw badRequest('only one adapter is currently supported');
  const layers: Layer[] = [];
  for (const digest of request.adapters) {
    const { layer } = await ggufLayer(store, digest, onProgress);
    layers.push({ ...layer, mediaType: mediaTypeOf('adapter') });
  }
  return layers;
}

async function ggufLayer(
  store: Store,
  digest: string,
  onProgress: OnProgress,
): Promise<{ layer: Layer; facts: GgufFacts }> {
  onProgress(STATUS.parsing);
  const path = store.blobPath(digest);
  const size = await store.blobSize(digest);
  if (size === undefined)
    throw new EngineFailure(
      400,
      `blob "${digest}" not found: upload it first with POST /api/blobs/${digest}`,
    );
  const facts = await readFacts(path);
  onProgress(layerStatus(digest, false));
  return { layer: { mediaType: mediaTypeOf(facts.kind), digest, size, from: path }, facts };
}

async function readFacts(path: string): Promise<GgufFacts> {
  try {
    return ggufFacts(await readHeader(path));
  } catch {
    throw badRequest('supplied file was not in GGUF format');
  }
}

interface Own {
  readonly base: readonly Layer[];
  readonly onProgress: OnProgress;
}

/** Template, system, parameters and messages take the place of the base's; licences are added. */
async function withOwnLayers(store: Store, request: CreateRequest, own: Own): Promise<Layer[]> {
  let layers = [...own.base];
  async function put(part: Part, content: string, old: 'replaced' | 'kept'): Promise<void> {
    const { layer, created } = await store.addLayer(part, content);
    if (old === 'replaced') layers = layers.filter(other => other.mediaType !== layer.mediaType);
    layers.push(layer);
    own.onProgress(layerStatus(layer.digest, created));
  }
  if (request.template !== '') await put('template', request.template, 'replaced');
  if (request.system !== '') await put('system', request.system, 'replaced');
  for (const license of request.licenses) await put('license', license, 'kept');
  const parameters = await allParameters(store, layers, request.parameters);
  if (Object.keys(parameters).length > 0) await put('params', `${JSON.stringify(parameters)}\n`, 'replaced');
  if (request.messages.length > 0) {
    const messages = request.messages.map(({ role, content }) => ({ role, content }));
    await put('messages', `${JSON.stringify(messages)}\n`, 'replaced');
  }
  return layers;
}

async function allParameters(store: Store, layers: readonly Layer[], given: JsonObject): Promise<JsonObject> {
  const [base] = layersOf({ config: undefined, layers }, 'params');
  const known: unknown =
    base === undefined ? {} : JSON.parse((await store.readBlob(base.digest)).toString('utf8'));
  return mergedParameters(known, given);
}
