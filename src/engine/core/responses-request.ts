// OpenAI's Responses request: the stateless subset that Ollama takes (ollama openai/responses.go). Never keeps a conversation.
import { badRequest } from './failure.ts';
import { fieldsOf, isObject, objectList, textOf } from './json.ts';
import type { Fields, JsonObject } from './json.ts';
import type { Message, Tool, ToolCall } from './messages.ts';
import { parseArguments, readEffort, refuseImageUrl } from './openai-request.ts';
import type { ChatRequest } from './requests.ts';

/** What the answer echoes. */
export interface ResponsesEcho {
  readonly instructions: string;
  readonly truncation: string;
  readonly tools: readonly JsonObject[];
  readonly textFormat: JsonObject;
  readonly topP: number;
  readonly temperature: number;
  readonly reasoning: JsonObject | null;
  readonly maxOutputTokens: number | null;
  readonly background: boolean;
}

const STRUCT = 'ResponsesRequest';

export function readResponses(body: JsonObject): { chat: ChatRequest; echo: ResponsesEcho } {
  const fields = fieldsOf(STRUCT, body);
  const echo = readEcho(fields);
  const system: Message[] = echo.instructions === '' ? [] : [{ role: 'system', content: echo.instructions }];
  const chat: ChatRequest = {
    model: fields.read('model', 'string') ?? '',
    stream: fields.read('stream', 'boolean') ?? false,
    messages: [...system, ...readInput(fields.raw('input'))],
    tools: echo.tools.map(nativeTool),
    format: isObject(echo.textFormat['schema']) ? echo.textFormat['schema'] : undefined,
    keepAliveMs: undefined,
    options: {
      temperature: echo.temperature,
      top_p: fields.read('top_p', 'number'),
      num_predict: fields.read('max_output_tokens', 'number'),
    },
    think: readEffort(fields.read('reasoning', 'object')?.['effort']),
    truncate: true,
    shift: true,
    logprobs: false,
    topLogprobs: 0,
    renderOnly: false,
  };
  return { chat, echo };
}

function readEcho(fields: Fields): ResponsesEcho {
  const format = fields.read('text', 'object')?.['format'];
  const reasoning = fields.read('reasoning', 'object');
  return {
    instructions: fields.read('instructions', 'string') ?? '',
    truncation: fields.read('truncation', 'string') ?? 'disabled',
    tools: objectList(fields, STRUCT, 'tools') ?? [],
    textFormat: isObject(format) ? format : { type: 'text' },
    topP: fields.read('top_p', 'number') ?? 1,
    temperature: fields.read('temperature', 'number') ?? 1,
    reasoning:
      reasoning?.['effort'] || reasoning?.['summary']
        ? { effort: reasoning['effort'] ?? null, summary: reasoning['summary'] ?? null }
        : null,
    maxOutputTokens: fields.read('max_output_tokens', 'number') ?? null,
    background: fields.read('background', 'boolean') ?? false,
  };
}

function nativeTool(tool: JsonObject): Tool {
  const fields = fieldsOf('ResponsesTool', tool);
  return {
    type: fields.read('type', 'string') ?? 'function',
    function: {
      name: fields.read('name', 'string') ?? '',
      description: fields.read('description', 'string') ?? '',
      parameters: fields.read('parameters', 'object') ?? { type: 'object', properties: {} },
    },
  };
}

function readInput(input: unknown): Message[] {
  if (input === undefined || input === null) return [];
  if (typeof input === 'string') return input === '' ? [] : [{ role: 'user', content: input }];
  if (!Array.isArray(input)) throw badRequest('input must be a string or array');
  return input.reduce<Message[]>((messages, item, at) => addItem(messages, item, at), []);
}

function addItem(messages: Message[], item: unknown, at: number): Message[] {
  if (!isObject(item)) throw badRequest(`input[${at}]: input must be a string or array`);
  const type = item['type'] ?? (item['role'] === undefined ? '' : 'message');
  switch (type) {
    case 'message':
      return [...messages, readMessage(item, at)];
    case 'function_call':
      return addCall(messages, item);
    case 'function_call_output':
      return [...messages, readOutput(item, at)];
    case 'reasoning':
      return [...messages, { role: 'assistant', content: '', thinking: textOf(item['encrypted_content']) }];
    case '':
      throw badRequest(`input[${at}]: input item missing required 'type' field`);
    default:
      throw badRequest(`input[${at}]: unknown input item type: ${JSON.stringify(type)}`);
  }
}

function readMessage(item: JsonObject, at: number): Message {
  const role = fieldsOf('ResponsesInputMessage', item).read('role', 'string') ?? '';
  const found = readContent(item['content'], `input[${at}]: content`);
  return { role: role === 'developer' ? 'system' : role, ...found };
}

function readContent(content: unknown, where: string): { content: string; images?: number } {
  if (content === undefined || content === null) return { content: '' };
  if (typeof content === 'string') return { content };
  if (!Array.isArray(content)) throw badRequest(`${where} must be a string or array`);
  const parts = content.map((part, at) => readPart(part, `${where}[${at}]`));
  const images = parts.filter(part => part === undefined).length;
  return { content: parts.join(''), ...(images === 0 ? {} : { images }) };
}

/** undefined = an image. */
function readPart(part: unknown, where: string): string | undefined {
  const type = isObject(part) ? part['type'] : undefined;
  if (!isObject(part)) throw badRequest(`${where}: unknown content type: `);
  if (type === 'input_text' || type === 'output_text') return textOf(part['text']);
  if (type === 'input_image') {
    refuseImageUrl(part['image_url'] ?? '');
    return undefined;
  }
  if (type === 'input_file') throw badRequest('file inputs are not currently supported');
  throw badRequest(`${where}: unknown content type: ${textOf(type)}`);
}

function addCall(messages: Message[], item: JsonObject): Message[] {
  const fields = fieldsOf('ResponsesFunctionCall', item);
  const call: ToolCall = {
    id: fields.read('call_id', 'string') ?? '',
    name: fields.read('name', 'string') ?? '',
    arguments: parseArguments(fields.read('arguments', 'string') ?? ''),
  };
  const last = messages.at(-1);
  if (last?.role !== 'assistant') return [...messages, { role: 'assistant', content: '', toolCalls: [call] }];
  return [...messages.slice(0, -1), { ...last, toolCalls: [...(last.toolCalls ?? []), call] }];
}

function readOutput(item: JsonObject, at: number): Message {
  const toolCallId = fieldsOf('ResponsesFunctionCallOutput', item).read('call_id', 'string') ?? '';
  return { role: 'tool', toolCallId, ...readContent(item['output'], `input[${at}]: output`) };
}
