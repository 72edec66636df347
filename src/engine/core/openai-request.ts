// OpenAI's chat, completions and embeddings requests, turned into the native ones as Ollama's openai package does. Never answers.
import { badRequest } from './failure.ts';
import { fieldsOf, isObject, objectList, stringList } from './json.ts';
import type { Fields, JsonObject } from './json.ts';
import { readTools } from './messages.ts';
import type { Message, ToolCall } from './messages.ts';
import type { AnswerRequest, ChatRequest, EmbedRequest, GenerateRequest, Think } from './requests.ts';

export interface OpenAiStreaming {
  readonly includeUsage: boolean;
}

const CHAT = 'ChatCompletionRequest';

export function readOpenAiChat(body: JsonObject): ChatRequest & OpenAiStreaming {
  const fields = fieldsOf(CHAT, body);
  const messages = objectList(fields, CHAT, 'messages') ?? [];
  if (messages.length === 0) throw badRequest("[] is too short - 'messages'");
  return {
    ...answerDefaults(fields),
    messages: messages.flatMap(message => readMessage(message, messages)),
    tools: readTools(fields.read('tools', 'array')),
    format: readResponseFormat(fields.read('response_format', 'object')),
    think: readEffort(
      fields.read('reasoning', 'object')?.['effort'] ?? fields.read('reasoning_effort', 'string'),
    ),
    options: samplingOptions(fields, readStops(fields.raw('stop'))),
    logprobs: fields.read('logprobs', 'boolean') ?? false,
    topLogprobs: topLogprobs(fields),
    includeUsage: includeUsage(fields),
  };
}

function topLogprobs(fields: Fields): number {
  const count = fields.read('top_logprobs', 'number') ?? 0;
  if (count < 0 || count > 20) throw badRequest('top_logprobs must be between 0 and 20');
  return count;
}

function answerDefaults(fields: Fields): AnswerRequest {
  return {
    model: fields.read('model', 'string') ?? '',
    stream: fields.read('stream', 'boolean') ?? false,
    format: undefined,
    keepAliveMs: undefined,
    options: {},
    think: undefined,
    truncate: true,
    shift: true,
    logprobs: false,
    topLogprobs: 0,
    renderOnly: false,
  };
}

function includeUsage(fields: Fields): boolean {
  return fields.read('stream_options', 'object')?.['include_usage'] === true;
}

function samplingOptions(fields: Fields, stop: readonly string[] | undefined): JsonObject {
  const options: Record<string, unknown> = {
    temperature: fields.read('temperature', 'number') ?? 1,
    top_p: fields.read('top_p', 'number') ?? 1,
    num_predict: fields.read('max_completion_tokens', 'number') ?? fields.read('max_tokens', 'number'),
    seed: fields.read('seed', 'number'),
    frequency_penalty: fields.read('frequency_penalty', 'number'),
    presence_penalty: fields.read('presence_penalty', 'number'),
    stop,
  };
  return options;
}

function readStops(stop: unknown): readonly string[] | undefined {
  if (typeof stop === 'string') return [stop];
  return Array.isArray(stop) ? stop.filter(item => typeof item === 'string') : undefined;
}

function readResponseFormat(format: JsonObject | undefined): 'json' | JsonObject | undefined {
  if (format === undefined) return undefined;
  if (format['type'] === 'json_object') return 'json';
  if (format['type'] !== 'json_schema') return undefined;
  const holder = format['json_schema'];
  return isObject(holder) && isObject(holder['schema']) ? holder['schema'] : undefined;
}

export function readEffort(effort: unknown): Think | undefined {
  if (effort === undefined || effort === null || effort === '') return undefined;
  if (effort === 'none') return false;
  if (effort === 'low' || effort === 'medium' || effort === 'high' || effort === 'max') return effort;
  throw badRequest(
    `invalid reasoning value: '${typeof effort === 'string' ? effort : typeof effort}' (must be "high", "medium", "low", "max", or "none")`,
  );
}

/** One OpenAI message may become several native ones: one per content part. */
function readMessage(raw: JsonObject, all: readonly JsonObject[]): Message[] {
  const fields = fieldsOf('Message', raw);
  const role = (fields.read('role', 'string') ?? '').toLowerCase();
  const extra = messageExtra(fields, role, all);
  const content = raw['content'];
  if (typeof content === 'string') return [{ role, content, ...extra }];
  if (Array.isArray(content)) {
    const parts: Message[] = content.map(part => ({ role, ...readPart(part) }));
    const last = parts.pop();
    return last === undefined ? [] : [...parts, { ...last, ...extra }];
  }
  if (extra.toolCalls === undefined) throw badRequest('invalid message content type: <nil>');
  return [{ role, content: '', ...extra }];
}

function messageExtra(fields: Fields, role: string, all: readonly JsonObject[]): Partial<Message> {
  const toolCalls = objectList(fields, 'Message', 'tool_calls')?.map(readToolCall);
  const toolCallId = fields.read('tool_call_id', 'string');
  const named = fields.read('name', 'string');
  const toolName = role === 'tool' ? (named ?? nameOfCall(all, toolCallId)) : undefined;
  const thinking = fields.read('reasoning', 'string');
  return {
    ...(toolCalls === undefined ? {} : { toolCalls }),
    ...(toolCallId === undefined ? {} : { toolCallId }),
    ...(toolName === undefined ? {} : { toolName }),
    ...(thinking === undefined ? {} : { thinking }),
  };
}

/** The last call with this id wins: clients repeat ids. */
function nameOfCall(all: readonly JsonObject[], id: string | undefined): string | undefined {
  const calls = all.flatMap(message => (Array.isArray(message['tool_calls']) ? message['tool_calls'] : []));
  const call: unknown = calls.findLast(item => isObject(item) && item['id'] === id);
  return isObject(call)
    ? fieldsOf('ToolCall', call).read('function', 'object')?.['name']?.toString()
    : undefined;
}

function readToolCall(raw: JsonObject): ToolCall {
  const call = fieldsOf('ToolCall', raw).read('function', 'object') ?? {};
  return {
    id: fieldsOf('ToolCall', raw).read('id', 'string') ?? '',
    name: fieldsOf('Function', call).read('name', 'string') ?? '',
    arguments: parseArguments(fieldsOf('Function', call).read('arguments', 'string') ?? ''),
  };
}

export function parseArguments(text: string): JsonObject {
  try {
    const value: unknown = text === '' ? {} : JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // The same answer as for JSON that is no object.
  }
  throw badRequest('invalid tool call arguments');
}

function readPart(part: unknown): { content: string; images?: number } {
  if (!isObject(part)) throw badRequest('invalid message format');
  if (part['type'] === 'text' && typeof part['text'] === 'string') return { content: part['text'] };
  if (part['type'] === 'image_url') {
    refuseImageUrl(part['image_url']);
    return { content: '', images: 1 };
  }
  if (part['type'] === 'input_audio') return { content: '', images: 1 };
  throw badRequest('invalid message format');
}

export function refuseImageUrl(value: unknown): void {
  const url = isObject(value) ? value['url'] : value;
  if (typeof url !== 'string') throw badRequest('invalid message format');
  if (/^https?:/.test(url)) {
    throw badRequest('image URLs are not currently supported, please use base64 encoded data instead');
  }
  if (!/^data:(image\/(jpeg|jpg|png|webp))?;base64,/.test(url)) throw badRequest('invalid image input');
}

export function readOpenAiCompletion(body: JsonObject): GenerateRequest & OpenAiStreaming {
  const fields = fieldsOf('CompletionRequest', body);
  const logprobs = fields.read('logprobs', 'number') ?? 0;
  return {
    ...answerDefaults(fields),
    prompt: fields.read('prompt', 'string') ?? '',
    suffix: fields.read('suffix', 'string') ?? '',
    system: '',
    template: '',
    context: [],
    raw: false,
    images: 0,
    options: samplingOptions(fields, readStrictStops(fields)),
    logprobs: logprobs > 0,
    topLogprobs: Math.max(0, logprobs),
    includeUsage: includeUsage(fields),
  };
}

function readStrictStops(fields: Fields): readonly string[] | undefined {
  if (typeof fields.raw('stop') === 'string') return [fields.raw('stop') as string];
  return stringList(fields, 'CompletionRequest', 'stop');
}

export interface OpenAiEmbedRequest extends EmbedRequest {
  readonly encoding: 'float' | 'base64';
}

export function readOpenAiEmbed(body: JsonObject): OpenAiEmbedRequest {
  const fields = fieldsOf('EmbedRequest', body);
  const encoding = (fields.read('encoding_format', 'string') ?? 'float').toLowerCase();
  if (encoding !== 'float' && encoding !== 'base64') {
    throw badRequest(
      `Invalid value for 'encoding_format' = ${encoding}. Supported values: ['float', 'base64'].`,
    );
  }
  return {
    model: fields.read('model', 'string') ?? '',
    input: readEmbedInput(fields.raw('input')),
    truncate: true,
    dimensions: fields.read('dimensions', 'number') ?? 0,
    keepAliveMs: undefined,
    options: {},
    encoding,
  };
}

function readEmbedInput(input: unknown): readonly string[] {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input) || input.length === 0) throw badRequest('invalid input');
  if (!input.every(item => typeof item === 'string')) throw badRequest('invalid input type');
  return input;
}
