// Chat messages as the native API writes them, checked, and as a GGUF's Jinja template reads them. Never renders a template.
import { badRequest } from './failure.ts';
import { fieldsOf, isObject, mismatch, objectList } from './json.ts';
import type { JsonObject } from './json.ts';

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: JsonObject;
}

export interface Message {
  readonly role: string;
  readonly content: string;
  readonly thinking?: string;
  readonly images?: number;
  readonly toolCalls?: readonly ToolCall[];
  readonly toolName?: string;
  readonly toolCallId?: string;
}

/** A tool as it came; the template prints it, so nothing of it is dropped. */
export type Tool = JsonObject;

export function readMessages(list: readonly JsonObject[] | undefined): Message[] {
  return (list ?? []).map(readMessage);
}

function readMessage(raw: JsonObject): Message {
  const fields = fieldsOf('Message', raw);
  const toolCalls = objectList(fields, 'Message', 'tool_calls')?.map(readToolCall);
  const images = fields.read('images', 'array')?.length ?? 0;
  const thinking = fields.read('thinking', 'string');
  const toolName = fields.read('tool_name', 'string');
  const toolCallId = fields.read('tool_call_id', 'string');
  return {
    role: (fields.read('role', 'string') ?? '').toLowerCase(),
    content: fields.read('content', 'string') ?? '',
    ...(thinking ? { thinking } : {}),
    ...(images > 0 ? { images } : {}),
    ...(toolCalls?.length ? { toolCalls } : {}),
    ...(toolName ? { toolName } : {}),
    ...(toolCallId ? { toolCallId } : {}),
  };
}

function readToolCall(raw: JsonObject): ToolCall {
  const call = fieldsOf('ToolCallFunction', fieldsOf('ToolCall', raw).read('function', 'object') ?? {});
  return {
    id: fieldsOf('ToolCall', raw).read('id', 'string') ?? '',
    name: call.read('name', 'string') ?? '',
    arguments: call.read('arguments', 'object') ?? {},
  };
}

export function readTools(list: readonly unknown[] | undefined): readonly Tool[] {
  for (const tool of list ?? []) {
    if (!isObject(tool)) throw mismatch('ChatRequest', 'tools', { value: tool, goType: 'api.Tool' });
    fieldsOf('Tool', tool).read('function', 'object');
  }
  return (list ?? []) as readonly Tool[];
}

export function toolNames(tools: readonly Tool[]): ReadonlySet<string> {
  const names = tools.map(tool => (isObject(tool['function']) ? tool['function']['name'] : undefined));
  return new Set(names.filter(name => typeof name === 'string'));
}

/** Images are refused by name: this engine has no projector. */
export function refuseImages(model: string, messages: readonly Message[]): void {
  if (messages.some(message => (message.images ?? 0) > 0)) {
    throw badRequest(`"${model}" does not support images: the embedded engine runs text models only`);
  }
}

/** What Hugging Face chat templates expect of a message. */
export function templateMessages(messages: readonly Message[]): JsonObject[] {
  return messages.map(message => ({
    role: message.role,
    content: message.content,
    ...(message.thinking === undefined ? {} : { reasoning_content: message.thinking }),
    ...(message.toolCalls === undefined ? {} : { tool_calls: message.toolCalls.map(templateToolCall) }),
    ...(message.toolName === undefined ? {} : { name: message.toolName }),
    ...(message.toolCallId === undefined ? {} : { tool_call_id: message.toolCallId }),
  }));
}

function templateToolCall(call: ToolCall): JsonObject {
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } };
}

/** For templates that know no system role: the system texts go in front of the first user message. */
export function foldSystem(messages: readonly Message[]): Message[] {
  const system = messages.filter(message => message.role === 'system').map(message => message.content);
  const rest = messages.filter(message => message.role !== 'system');
  const first = rest.findIndex(message => message.role === 'user');
  if (system.length === 0 || first < 0) return rest;
  return rest.map((message, index) =>
    index === first ? { ...message, content: [...system, message.content].join('\n\n') } : message,
  );
}

/** Which messages stay when the oldest `dropped` are left out: system texts always do (ollama server/prompt.go). */
export function withoutOldest(messages: readonly Message[], dropped: number): Message[] {
  const kept = messages.slice(0, dropped).filter(message => message.role === 'system');
  return [...kept, ...messages.slice(dropped)];
}
