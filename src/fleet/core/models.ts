// Reads what /api/tags, /api/ps and /api/show say, whatever the backend. Never trusts a type, never throws.
import {
  RELOAD_OPTION_NAMES,
  type LoadedModel,
  type ModelOnDisk,
  type ReloadOptions,
} from '../../api/fleet.ts';
import { modelKey } from '../../api/names.ts';

/** What only /api/show tells about a model; the same for every name of one manifest. */
export interface ModelFacts {
  /** FROM blob + adapters + projectors; undefined = the backend does not name its blobs. */
  readonly weights: string | undefined;
  /** undefined = the backend does not tell what the model is made of. */
  readonly content: string | undefined;
  readonly reloadDefaults: ReloadOptions;
  readonly capabilities: readonly string[];
  readonly remoteHost: string | undefined;
}

type Json = Readonly<Record<string, unknown>>;

/** One entry of /api/tags; undefined for one that names no model. */
export function modelFromTag(
  entry: unknown,
  factsOf: (digest: string) => ModelFacts | undefined,
): ModelOnDisk | undefined {
  if (!isObject(entry)) return undefined;
  const name = nameOf(entry);
  const key = name === undefined ? undefined : modelKey(name);
  if (name === undefined || key === undefined) return undefined;
  const digest = bareDigest(entry['digest']);
  const plain: ModelOnDisk = {
    name,
    key,
    digest,
    sizeBytes: numberOf(entry['size']),
    modifiedAt: textOf(entry['modified_at']),
    details: isObject(entry['details']) ? entry['details'] : {},
    capabilities: textsOf(entry['capabilities']),
    weights: digest,
    reloadDefaults: {},
    ...(textOf(entry['remote_host']) === '' ? {} : { remoteHost: textOf(entry['remote_host']) }),
    raw: entry,
  };
  const facts = factsOf(digest);
  return facts === undefined ? plain : enrich(plain, facts);
}

/** Names fold to one key; the first of a list is the newest and wins. */
export function indexModels(models: Iterable<ModelOnDisk>): Map<string, ModelOnDisk> {
  const index = new Map<string, ModelOnDisk>();
  for (const model of models) if (!index.has(model.key)) index.set(model.key, model);
  return index;
}

export function withFacts(
  models: ReadonlyMap<string, ModelOnDisk>,
  byDigest: ReadonlyMap<string, ModelFacts>,
): ReadonlyMap<string, ModelOnDisk> {
  const next = new Map<string, ModelOnDisk>();
  let changed = false;
  for (const [key, model] of models) {
    const facts = byDigest.get(model.digest);
    changed ||= facts !== undefined;
    next.set(key, facts === undefined ? model : enrich(model, facts));
  }
  return changed ? next : models;
}

function enrich(model: ModelOnDisk, facts: ModelFacts): ModelOnDisk {
  const remoteHost = model.remoteHost ?? facts.remoteHost;
  return {
    ...model,
    weights: facts.weights ?? model.digest,
    ...(facts.content === undefined ? {} : { content: facts.content }),
    reloadDefaults: facts.reloadDefaults,
    capabilities: model.capabilities.length > 0 ? model.capabilities : facts.capabilities,
    ...(remoteHost === undefined ? {} : { remoteHost }),
  };
}

/** undefined = not an answer of /api/ps. */
export function loadedFromPs(answer: unknown): LoadedModel[] | undefined {
  if (!isObject(answer)) return undefined;
  const entries = answer['models'] ?? [];
  if (!Array.isArray(entries)) return undefined;
  return entries.map(loadedFrom).filter(loaded => loaded !== undefined);
}

function loadedFrom(entry: unknown): LoadedModel | undefined {
  if (!isObject(entry)) return undefined;
  const name = nameOf(entry);
  const key = name === undefined ? undefined : modelKey(name);
  if (name === undefined || key === undefined) return undefined;
  const context = entry['context_length'];
  return {
    name,
    key,
    digest: bareDigest(entry['digest']),
    sizeBytes: numberOf(entry['size']),
    sizeVramBytes: numberOf(entry['size_vram']),
    contextLength: typeof context === 'number' && context > 0 ? context : undefined,
    expiresAt: textOf(entry['expires_at']),
    raw: entry,
  };
}

/** undefined = not an answer of /api/show. */
export function factsFromShow(answer: unknown, digestOf: (text: string) => string): ModelFacts | undefined {
  if (!isObject(answer)) return undefined;
  const remoteHost = textOf(answer['remote_host']);
  const modelfile = textOf(answer['modelfile']);
  return {
    weights: weightsOf(modelfile),
    content: modelfile === '' ? undefined : digestOf(contentOf(modelfile)),
    reloadDefaults: reloadDefaultsOf(textOf(answer['parameters'])),
    capabilities: textsOf(answer['capabilities']),
    remoteHost: remoteHost === '' ? undefined : remoteHost,
  };
}

// Manifests name the file a model was made of, so the same model has another manifest in another folder. Comments hold
// its name, and the parameters come in any order (server/images.go, Model.String).
function contentOf(modelfile: string): string {
  const lines = modelfile.split('\n');
  const begin = lines.findIndex(line => line.trim() !== '' && !line.startsWith('#'));
  const told = lines
    .slice(Math.max(0, begin))
    .map(line => line.replace(/^(FROM|ADAPTER) .*sha256[-:]([0-9a-f]{64})\s*$/i, '$1 $2'));
  const parameters = told.filter(line => line.startsWith('PARAMETER ')).sort();
  return [...told.filter(line => !line.startsWith('PARAMETER ')), ...parameters].join('\n');
}

// Ollama writes FROM, ADAPTER and projector FROM lines first (server/images.go, Model.String): a template that follows
// may hold any text, also lines that look like them.
function weightsOf(modelfile: string): string | undefined {
  const parts: string[] = [];
  for (const line of modelfile.split('\n', 64)) {
    if (line.startsWith('#') || line.trim() === '') continue;
    const blob = /^(FROM|ADAPTER) .*sha256[-:]([0-9a-f]{64})\s*$/i.exec(line);
    if (blob === null) break;
    const [, word = '', hex = ''] = blob;
    const role = word.toUpperCase() === 'ADAPTER' ? 'adapter' : 'projector';
    parts.push(parts.length === 0 ? hex.toLowerCase() : `${role}:${hex.toLowerCase()}`);
  }
  return parts.length === 0 ? undefined : parts.join('+');
}

// One "name   value" a line, values as Go prints them.
function reloadDefaultsOf(parameters: string): ReloadOptions {
  const found: Record<string, number | boolean> = {};
  for (const line of parameters.split('\n', 256)) {
    const [, name = '', value = ''] = /^(\w+)\s+(\S+)\s*$/.exec(line) ?? [];
    if (!(RELOAD_OPTION_NAMES as readonly string[]).includes(name)) continue;
    if (name === 'use_mmap') found[name] = value === 'true';
    else if (Number.isFinite(Number(value))) found[name] = Number(value);
  }
  return found;
}

function nameOf(entry: Json): string | undefined {
  const name = textOf(entry['model']) || textOf(entry['name']);
  return name === '' ? undefined : name;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const numberOf = (value: unknown): number => (typeof value === 'number' && value >= 0 ? value : 0);
const bareDigest = (value: unknown): string =>
  textOf(value)
    .replace(/^sha256:/, '')
    .toLowerCase();
const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter(text => typeof text === 'string') : [];
