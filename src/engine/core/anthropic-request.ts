// Anthropic's Messages request, turned into a native chat as Ollama's anthropic package does. Never answers.
import { badRequest } from './failure.ts';
import { fieldsOf, isObject, objectList, stringList } from './json.ts';
import type { Fields, JsonObject } from './json.ts';
import type { Message, Tool, ToolCall } from './messages.ts';
import type { ChatRequest, Think } from './requests.ts';

const STRUCT = 'MessagesRequest';

export function readAnthropic(body: JsonObject): ChatRequest {
  const fields = fieldsOf(STRUCT, body);
  const model = fields.read('model', 'string') ?? '';
  const maxTokens = fields.read('max_tokens', 'number') ?? 0;
  const messages = objectList(fields, STRUCT, 'messages') ?? [];
  if (model === '') throw badRequest('model is required');
  if (maxTokens <= 0) throw badRequest('max_tokens is required and must be positive');
  if (messages.length === 0) throw badRequest('messages is required');
  return {
    model,
    stream: fields.read('stream', 'boolean') ?? false,
    messages: [...readSystem(fields.raw('system')), ...messages.flatMap(readMessage)],
    tools: (objectList(fields, STRUCT, 'tools') ?? []).map(readTool),
    format: undefined,
    keepAliveMs: undefined,
    options: readOptions(fields, maxTokens),
    think: readThink(fields),
    truncate: true,
    shift: true,
    logprobs: false,
    topLogprobs: 0,
    renderOnly: false,
  };
}

function readOptions(fields: Fields, maxTokens: number): JsonObject {
  return {
    num_predict: maxTokens,
    temperature: fields.read('temperature', 'number'),
    top_p: fields.read('top_p', 'number'),
    top_k: fields.read('top_k', 'number'),
    stop: stringList(fields, STRUCT, 'stop_sequences'),
  };
}

function readThink(fields: Fields): Think | undefined {
  const type = fields.read('thinking', 'object')?.['type'];
  if (type === 'enabled') return true;
  if (type === 'disabled') return false;
  const effort = fields.read('output_config', 'object')?.['effort'];
  if (effort === 'xhigh') return 'high';
  return effort === 'low' || effort === 'medium' || effort === 'high' || effort === 'max'
    ? effort
    : undefined;
}

function readSystem(system: unknown): Message[] {
  const content = typeof system === 'string' ? system : Array.isArray(system) ? textOf(system) : '';
  return content === '' ? [] : [{ role: 'system', content }];
}

function textOf(blocks: readonly unknown[]): string {
  return blocks
    .map(block =>
      isObject(block) && block['type'] === 'text' && typeof block['text'] === 'string' ? block['text'] : '',
    )
    .join('');
}

function readTool(raw: JsonObject): Tool {
  const fields = fieldsOf('Tool', raw);
  const description = fields.read('description', 'string');
  const parameters = fields.read('input_schema', 'object') ?? { type: 'object', properties: {} };
  const name = fields.read('name', 'string') ?? '';
  return {
    type: 'function',
    function: { name, ...(description === undefined ? {} : { description }), parameters },
  };
}

/** A user's tool results come before its own text; an assistant's after. */
function readMessage(raw: JsonObject): Message[] {
  const fields = fieldsOf('MessageParam', raw);
  const role = (fields.read('role', 'string') ?? '').toLowerCase();
  const content = fields.raw('content');
  if (typeof content === 'string') return content === '' ? [] : [{ role, content }];
  const blocks = objectList(fields, 'MessageParam', 'content') ?? [];
  const results = blocks.filter(block => block['type'] === 'tool_result').map(readToolResult);
  const own = readOwn(role, blocks);
  return role === 'user' ? [...results, ...own] : [...own, ...results];
}

function readOwn(role: string, blocks: readonly JsonObject[]): Message[] {
  const content = textOf(blocks);
  const images = blocks.filter(block => block['type'] === 'image');
  const toolCalls = blocks.filter(block => block['type'] === 'tool_use').map(readToolUse);
  const thinking = blocks.findLast(block => block['type'] === 'thinking')?.['thinking'];
  for (const image of images) checkImage(image['source']);
  if (content === '' && images.length === 0 && toolCalls.length === 0 && !thinking) return [];
  return [
    {
      role,
      content,
      ...(images.length === 0 ? {} : { images: images.length }),
      ...(toolCalls.length === 0 ? {} : { toolCalls }),
      ...(typeof thinking === 'string' && thinking !== '' ? { thinking } : {}),
    },
  ];
}

function checkImage(source: unknown): void {
  if (!isObject(source)) throw badRequest('invalid image source');
  if (source['type'] !== 'base64') {
    throw badRequest(
      `invalid image source type: ${String(source['type'])}. Only base64 images are supported.`,
    );
  }
}

function readToolUse(block: JsonObject): ToolCall {
  const fields = fieldsOf('ContentBlock', block);
  const id = fields.read('id', 'string') ?? '';
  const name = fields.read('name', 'string') ?? '';
  if (id === '') throw badRequest("tool_use block missing required 'id' field");
  if (name === '') throw badRequest("tool_use block missing required 'name' field");
  return { id, name, arguments: fields.read('input', 'object') ?? {} };
}

function readToolResult(block: JsonObject): Message {
  const content = block['content'];
  const images = Array.isArray(content)
    ? content.filter(part => isObject(part) && part['type'] === 'image').length
    : 0;
  return {
    role: 'tool',
    content: typeof content === 'string' ? content : Array.isArray(content) ? textOf(content) : '',
    toolCallId: fieldsOf('ContentBlock', block).read('tool_use_id', 'string') ?? '',
    ...(images === 0 ? {} : { images }),
  };
}
