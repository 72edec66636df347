// Puts a model together: manifest, small layers, header of the weights. Keeps what it read for as long as the manifest is the same.
import { parseModelName } from '../api/names.ts';
import type { ModelName } from '../api/names.ts';
import { EngineFailure, badRequest, modelNotFound } from './core/failure.ts';
import { ggufFacts } from './core/gguf.ts';
import type { GgufHeader } from './core/gguf.ts';
import { isObject } from './core/json.ts';
import { layersOf } from './core/manifest.ts';
import type { Part } from './core/manifest.ts';
import { readMessages } from './core/messages.ts';
import type { Model, StoredModel } from './core/model.ts';
import { paramsFrom } from './core/model.ts';
import type { ManifestEntry, Store } from './store.ts';
import { readHeader } from './weights.ts';

export interface OpenModel {
  readonly model: Model;
  readonly header: GgufHeader;
}

export interface Catalog {
  /** Throws what the caller should answer: 400 for a bad name, 404 for an unknown model. */
  open(name: string): Promise<OpenModel>;
  list(): Promise<readonly StoredModel[]>;
}

const keptModelsMax = 64;

export function createCatalog(store: Store): Catalog {
  const kept = new Map<string, OpenModel>();
  return {
    async open(text) {
      const entry = await findEntry(store, text);
      const key = `${entry.digest} ${entry.modifiedAt} ${Object.values(entry.name).join('/')}`;
      const known = kept.get(key);
      if (known !== undefined) return known;
      const opened = await readModel(store, entry);
      if (kept.size >= keptModelsMax) kept.clear();
      kept.set(key, opened);
      return opened;
    },
    async list() {
      const stored = (await store.list()).map(entry => readStored(store, entry).catch(() => undefined));
      return (await Promise.all(stored)).filter(model => model !== undefined);
    },
  };
}

async function findEntry(store: Store, text: string): Promise<ManifestEntry> {
  const name: ModelName | undefined = parseModelName(text);
  if (name === undefined) throw badRequest('invalid model name');
  const entry = await store.find(name);
  if (entry === undefined) throw modelNotFound(text);
  return entry;
}

async function readStored(store: Store, entry: ManifestEntry): Promise<StoredModel> {
  const config =
    entry.manifest.config === undefined ? {} : parse(await store.readBlob(entry.manifest.config.digest));
  return { ...entry, config: isObject(config) ? config : {} };
}

function parse(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString('utf8'));
}

async function readModel(store: Store, entry: ManifestEntry): Promise<OpenModel> {
  const stored = await readStored(store, entry);
  if (stored.config['remote_host']) throw badRequest('this server cannot run this remote model');
  const paths = (part: Part): string[] =>
    layersOf(entry.manifest, part).map(layer => store.blobPath(layer.digest));
  const texts = async (part: Part): Promise<string[]> =>
    Promise.all(
      layersOf(entry.manifest, part).map(async layer =>
        (await store.readBlob(layer.digest)).toString('utf8'),
      ),
    );
  const weights = layersOf(entry.manifest, 'model')[0];
  if (weights === undefined) {
    throw new EngineFailure(500, 'this model has no GGUF weights: the embedded engine runs GGUF models only');
  }
  const weightsPath = store.blobPath(weights.digest);
  const header = await readHeader(weightsPath);
  const [params] = await texts('params');
  const [messages] = await texts('messages');
  const model: Model = {
    ...stored,
    weightsPath,
    adapterPaths: paths('adapter'),
    projectorPaths: paths('projector'),
    parent: weights.from ?? '',
    facts: ggufFacts(header),
    template: (await texts('template')).at(-1) ?? (await texts('prompt')).at(-1),
    system: (await texts('system')).at(-1) ?? '',
    licenses: await texts('license'),
    params: paramsFrom(params === undefined ? undefined : JSON.parse(params)),
    messages: readMessages(messages === undefined ? [] : JSON.parse(messages)),
  };
  return { model, header };
}
