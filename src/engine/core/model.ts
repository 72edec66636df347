// One model of the store, put together from its layers, and what /api/show, /api/tags and /api/ps say of it. Never reads a file.
import { displayName } from '../../api/names.ts';
import type { ModelName } from '../../api/names.ts';
import { badRequest } from './failure.ts';
import type { GgufFacts, GgufHeader, GgufValue } from './gguf.ts';
import { isObject } from './json.ts';
import type { JsonObject } from './json.ts';
import type { Manifest } from './manifest.ts';
import { sizeOf } from './manifest.ts';
import type { Message } from './messages.ts';

/** The config blob: Ollama's ConfigV2, kept whole so that unknown fields survive. */
export type ModelConfig = JsonObject;

export interface StoredModel {
  readonly name: ModelName;
  readonly digest: string;
  readonly modifiedAt: string;
  readonly manifest: Manifest;
  readonly config: ModelConfig;
}

/** A stored model with its small layers read and its weights' header parsed. */
export interface Model extends StoredModel {
  readonly weightsPath: string;
  readonly adapterPaths: readonly string[];
  readonly projectorPaths: readonly string[];
  readonly parent: string;
  readonly facts: GgufFacts;
  readonly template: string | undefined;
  readonly system: string;
  readonly licenses: readonly string[];
  readonly params: JsonObject;
  readonly messages: readonly Message[];
}

export type Capability = 'completion' | 'embedding' | 'tools' | 'insert' | 'thinking';

/** By what this engine does: the GGUF's own chat template decides, not the store's Go template. */
export function capabilitiesOf(facts: GgufFacts): Capability[] {
  const template = facts.chatTemplate ?? '';
  return [
    facts.embedding ? 'embedding' : 'completion',
    ...(/\btools\b/.test(template) ? (['tools'] as const) : []),
    ...(facts.insert ? (['insert'] as const) : []),
    ...(template.includes('</think>') ? (['thinking'] as const) : []),
  ];
}

/** The sentences of ollama server/routes.go for what a model cannot do. */
export function requireCapabilities(model: Model, asked: string, wanted: readonly Capability[]): void {
  const has = capabilitiesOf(model.facts);
  const missing = wanted.filter(capability => !has.includes(capability));
  if (missing.includes('completion')) throw badRequest(`"${asked}" does not support generate`);
  if (missing.includes('thinking')) throw badRequest(`"${asked}" does not support thinking`);
  if (missing.length > 0) throw badRequest(`${fullName(model.name)} does not support ${missing.join('\n')}`);
}

export function fullName(name: ModelName): string {
  return `${name.host}/${name.namespace}/${name.model}:${name.tag}`;
}

function detailsOf(config: ModelConfig, parent: string): JsonObject {
  return {
    parent_model: parent,
    format: config['model_format'] ?? '',
    family: config['model_family'] ?? '',
    families: config['model_families'] ?? null,
    parameter_size: config['model_type'] ?? '',
    quantization_level: config['file_type'] ?? '',
  };
}

function tagsEntry(model: StoredModel): JsonObject {
  const name = displayName(model.name);
  const remote = { remote_model: model.config['remote_model'], remote_host: model.config['remote_host'] };
  return {
    name,
    model: name,
    ...(remote.remote_host ? remote : {}),
    modified_at: model.modifiedAt,
    size: sizeOf(model.manifest),
    digest: model.digest,
    details: detailsOf(model.config, ''),
  };
}

/** Newest first, by whole seconds; equal ones keep their order. */
export function tagsOf(models: readonly StoredModel[]): JsonObject {
  const second = (model: StoredModel): number => Math.floor(Date.parse(model.modifiedAt) / 1000);
  return { models: [...models].sort((a, b) => second(b) - second(a)).map(tagsEntry) };
}

export interface LoadedEntry {
  readonly model: StoredModel;
  readonly sizeBytes: number;
  readonly contextLength: number;
  readonly expiresAtMs: number;
}

/** Longest remaining first. */
export function psOf(loaded: readonly LoadedEntry[]): JsonObject {
  const sorted = [...loaded].sort((a, b) => b.expiresAtMs - a.expiresAtMs);
  return { models: sorted.map(psEntry) };
}

function psEntry(loaded: LoadedEntry): JsonObject {
  const name = displayName(loaded.model.name);
  return {
    name,
    model: name,
    size: loaded.sizeBytes,
    digest: loaded.model.digest,
    details: detailsOf(loaded.model.config, ''),
    expires_at: new Date(loaded.expiresAtMs).toISOString(),
    size_vram: 0,
    context_length: loaded.contextLength,
  };
}

export interface ShowInput {
  readonly model: Model;
  readonly header: GgufHeader;
  readonly verbose: boolean;
  readonly system: string;
}

export function showOf(input: ShowInput): JsonObject {
  const { model, header } = input;
  const system = input.system === '' ? model.system : input.system;
  return withoutEmpty({
    license: model.licenses.join('\n'),
    modelfile: modelfileOf({ ...model, system }),
    parameters: parametersOf(model.params),
    template: model.template ?? DEFAULT_TEMPLATE,
    system,
    details: detailsOf(model.config, model.parent),
    messages: model.messages.map(({ role, content }) => ({ role, content })),
    model_info: infoOf(header, model.facts.parameterCount, input.verbose),
    tensors: header.tensors,
    capabilities: capabilitiesOf(model.facts),
    modified_at: model.modifiedAt,
  });
}

/** What Ollama shows for a model that has no template layer. */
const DEFAULT_TEMPLATE = '{{ .Prompt }}';

function withoutEmpty(fields: JsonObject): JsonObject {
  const kept = Object.entries(fields).filter(
    ([, value]) => value !== '' && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(kept);
}

const HIDDEN = new Set(['general.name', 'tokenizer.chat_template']);

function infoOf(header: GgufHeader, parameterCount: number, verbose: boolean): JsonObject {
  const entries = [...header.metadata].filter(([key]) => !HIDDEN.has(key));
  const counted: [string, GgufValue] = ['general.parameter_count', parameterCount];
  const sorted = [...entries, counted].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([key, value]) => [key, plain(value, verbose)]));
}

/** Arrays are shown only when asked for, and long ones never: their items are not kept. */
function plain(value: GgufValue, verbose: boolean): unknown {
  if (typeof value !== 'object') return value;
  return verbose ? (value.items ?? null) : null;
}

const nameColumn = 30;

function parametersOf(params: JsonObject): string {
  return Object.entries(params)
    .flatMap(([name, value]) => (Array.isArray(value) ? value.map(item => [name, item]) : [[name, value]]))
    .map(([name, value]) => `${String(name).padEnd(nameColumn)} ${JSON.stringify(value)}`)
    .join('\n');
}

function modelfileOf(model: Model & { system: string }): string {
  const lines = [
    '# Modelfile generated by "ollama show"',
    '# To build a new Modelfile based on this, replace FROM with:',
    `# FROM ${displayName(model.name)}\n`,
    `FROM ${model.weightsPath}`,
    ...model.adapterPaths.map(path => `ADAPTER ${path}`),
    ...model.projectorPaths.map(path => `FROM ${path}`),
    `TEMPLATE ${quote(model.template ?? DEFAULT_TEMPLATE)}`,
    ...(model.system === '' ? [] : [`SYSTEM ${quote(model.system)}`]),
    ...Object.entries(model.params).flatMap(([name, value]) => parameterLines(name, value)),
    ...model.licenses.map(license => `LICENSE ${quote(license)}`),
    ...model.messages.map(message => `MESSAGE ${message.role} ${quote(message.content)}`),
  ];
  return `${lines.join('\n')}\n`;
}

function parameterLines(name: string, value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).map(item => `PARAMETER ${name} ${quote(String(item))}`);
}

function quote(text: string): string {
  if (!text.includes('\n') && !text.startsWith(' ') && !text.endsWith(' ')) return text;
  return text.includes('"') ? `"""${text}"""` : `"${text}"`;
}

export function paramsFrom(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}
