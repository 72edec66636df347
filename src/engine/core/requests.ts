// The native inference requests (generate, chat, embed, embeddings), checked. Never looks at a model.
import { badRequest } from './failure.ts';
import { fieldsOf, isObject, mismatch, objectList } from './json.ts';
import type { Fields, JsonObject } from './json.ts';
import { parseKeepAlive } from './keep-alive.ts';
import { readMessages, readTools } from './messages.ts';
import type { Message, Tool } from './messages.ts';

export type Think = boolean | 'low' | 'medium' | 'high' | 'max';

/** What generate and chat have in common. */
export interface AnswerRequest {
  readonly model: string;
  readonly stream: boolean;
  /** undefined = free text, 'json', or a JSON schema. */
  readonly format: 'json' | JsonObject | undefined;
  readonly keepAliveMs: number | undefined;
  readonly options: JsonObject;
  readonly think: Think | undefined;
  readonly truncate: boolean;
  readonly shift: boolean;
  readonly logprobs: boolean;
  readonly topLogprobs: number;
  readonly renderOnly: boolean;
}

export interface ChatRequest extends AnswerRequest {
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
}

export interface GenerateRequest extends AnswerRequest {
  readonly prompt: string;
  readonly suffix: string;
  readonly system: string;
  readonly template: string;
  readonly context: readonly number[];
  readonly raw: boolean;
  readonly images: number;
}

export interface EmbedRequest {
  readonly model: string;
  readonly input: readonly string[];
  readonly truncate: boolean;
  readonly dimensions: number;
  readonly keepAliveMs: number | undefined;
  readonly options: JsonObject;
}

export function readChat(body: JsonObject): ChatRequest {
  const fields = fieldsOf('ChatRequest', body);
  return {
    ...readAnswer(fields, 'ChatRequest'),
    messages: readMessages(objectList(fields, 'ChatRequest', 'messages')),
    tools: readTools(fields.read('tools', 'array')),
  };
}

export function readGenerate(body: JsonObject): GenerateRequest {
  const fields = fieldsOf('GenerateRequest', body);
  const request = {
    ...readAnswer(fields, 'GenerateRequest'),
    prompt: fields.read('prompt', 'string') ?? '',
    suffix: fields.read('suffix', 'string') ?? '',
    system: fields.read('system', 'string') ?? '',
    template: fields.read('template', 'string') ?? '',
    context: readTokens(fields),
    raw: fields.read('raw', 'boolean') ?? false,
    images: fields.read('images', 'array')?.length ?? 0,
  };
  if (request.raw && (request.template !== '' || request.system !== '' || request.context.length > 0)) {
    throw badRequest('raw mode does not support template, system, or context');
  }
  return request;
}

function readTokens(fields: Fields): readonly number[] {
  const tokens = fields.read('context', 'array') ?? [];
  const wrong = tokens.find(token => typeof token !== 'number' || !Number.isInteger(token) || token < 0);
  if (wrong !== undefined) throw mismatch('GenerateRequest', 'context', { value: wrong, goType: 'int' });
  return tokens as readonly number[];
}

function readAnswer(fields: Fields, struct: string): AnswerRequest {
  const topLogprobs = fields.read('top_logprobs', 'number') ?? 0;
  if (topLogprobs < 0 || topLogprobs > 20) throw badRequest('top_logprobs must be between 0 and 20');
  return {
    model: fields.read('model', 'string') ?? '',
    stream: fields.read('stream', 'boolean') ?? true,
    format: readFormat(fields.raw('format')),
    keepAliveMs: parseKeepAlive(fields.raw('keep_alive')),
    options: readOptions(fields, struct),
    think: readThink(fields.raw('think')),
    truncate: fields.read('truncate', 'boolean') ?? true,
    shift: fields.read('shift', 'boolean') ?? true,
    logprobs: fields.read('logprobs', 'boolean') ?? false,
    topLogprobs,
    renderOnly: fields.read('_debug_render_only', 'boolean') ?? false,
  };
}

function readOptions(fields: Fields, struct: string): JsonObject {
  const options = fields.raw('options');
  if (options === undefined || options === null) return {};
  if (!isObject(options))
    throw mismatch(struct, 'options', { value: options, goType: 'map[string]interface {}' });
  return options;
}

function readFormat(value: unknown): 'json' | JsonObject | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (value === 'json') return 'json';
  if (isObject(value)) return value;
  throw badRequest(`invalid format: ${JSON.stringify(value)}; expected "json" or a valid JSON Schema object`);
}

const THINK_WORDS: readonly unknown[] = [true, false, 'low', 'medium', 'high', 'max'];

function readThink(value: unknown): Think | undefined {
  if (value === undefined || value === null) return undefined;
  if (THINK_WORDS.includes(value)) return value as Think;
  const allowed = '"high", "medium", "low", "max", true, or false';
  if (typeof value === 'string') throw badRequest(`invalid think value: "${value}" (must be ${allowed})`);
  throw badRequest(`think must be a boolean or string (${allowed})`);
}

export function readEmbed(body: JsonObject): EmbedRequest {
  const fields = fieldsOf('EmbedRequest', body);
  return {
    model: fields.read('model', 'string') ?? '',
    input: readInput(fields.raw('input')),
    truncate: fields.read('truncate', 'boolean') ?? true,
    dimensions: fields.read('dimensions', 'number') ?? 0,
    keepAliveMs: parseKeepAlive(fields.raw('keep_alive')),
    options: readOptions(fields, 'EmbedRequest'),
  };
}

function readInput(value: unknown): readonly string[] {
  if (value === undefined || value === null || value === '') return [];
  if (typeof value === 'string') return [value];
  if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value;
  throw badRequest('invalid input type');
}

/** The old /api/embeddings: one prompt, one vector, not normalised. */
export function readEmbeddings(body: JsonObject): EmbedRequest {
  const fields = fieldsOf('EmbeddingRequest', body);
  const prompt = fields.read('prompt', 'string') ?? '';
  return {
    model: fields.read('model', 'string') ?? '',
    input: prompt === '' ? [] : [prompt],
    truncate: true,
    dimensions: 0,
    keepAliveMs: parseKeepAlive(fields.raw('keep_alive')),
    options: readOptions(fields, 'EmbeddingRequest'),
  };
}
