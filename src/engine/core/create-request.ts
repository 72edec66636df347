// The body of /api/create, checked, with Ollama's sentences. Never touches the store.
import { parseModelName } from '../../api/names.ts';
import type { ModelName } from '../../api/names.ts';
import { badRequest } from './failure.ts';
import { fieldsOf, isObject, objectList } from './json.ts';
import type { Fields, JsonObject } from './json.ts';
import { checkDigest } from './manifest.ts';
import { readMessages } from './messages.ts';
import type { Message } from './messages.ts';
import { kindOfOption } from './options.ts';

export interface CreateRequest {
  readonly name: ModelName;
  readonly stream: boolean;
  readonly from: string;
  readonly files: readonly string[];
  readonly adapters: readonly string[];
  readonly template: string;
  readonly system: string;
  readonly licenses: readonly string[];
  readonly parameters: JsonObject;
  readonly messages: readonly Message[];
}

const STRUCT = 'CreateRequest';

export function readCreate(body: JsonObject): CreateRequest {
  const fields = fieldsOf(STRUCT, body);
  const files = readFiles(fields, 'files');
  const adapters = readFiles(fields, 'adapters');
  const name = parseModelName(fields.read('model', 'string') || fields.read('name', 'string') || '');
  if (name === undefined) throw badRequest('invalid model name');
  const quantize = fields.read('quantize', 'string') || fields.read('quantization', 'string');
  if (quantize) throw badRequest(`quantization to ${quantize} is not supported by the embedded engine`);
  return {
    name,
    stream: fields.read('stream', 'boolean') ?? true,
    from: fields.read('from', 'string') ?? '',
    files,
    adapters,
    template: fields.read('template', 'string') ?? '',
    system: fields.read('system', 'string') ?? '',
    licenses: readLicenses(fields.raw('license')),
    parameters: readParameters(fields.read('parameters', 'object') ?? {}),
    messages: readMessages(objectList(fields, STRUCT, 'messages')),
  };
}

/** Digests of uploaded blobs; the names are only looked at for what kind of file they are. */
function readFiles(fields: Fields, key: string): string[] {
  return Object.entries(fields.read(key, 'object') ?? {}).map(([path, digest]) => {
    if (path === '' || path.startsWith('/') || path.split('/').includes('..'))
      throw badRequest('file path must be relative');
    if (typeof digest !== 'string') throw badRequest('invalid digest format');
    if (/\.safetensors$/i.test(path))
      throw badRequest('only GGUF files are supported by the embedded engine');
    return checkDigest(digest);
  });
}

function readLicenses(license: unknown): string[] {
  if (license === undefined || license === null || license === '') return [];
  if (typeof license === 'string') return [license];
  if (Array.isArray(license) && license.every(text => typeof text === 'string')) return license;
  throw badRequest(`unknown license type: ${typeof license}`);
}

/** A single stop text is accepted, as Modelfiles write it. */
function readParameters(parameters: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [
      name,
      kindOfOption(name) === 'array' && typeof value === 'string' ? [value] : value,
    ]),
  );
}

/** New values win; what the base said stays. */
export function mergedParameters(base: unknown, given: JsonObject): JsonObject {
  return { ...(isObject(base) ? base : {}), ...given };
}
