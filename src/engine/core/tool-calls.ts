// Finds tool calls in a model's text, in the form that its chat template teaches. Never calls a tool.
import { endsInside } from './stop.ts';
import { isObject } from './json.ts';
import type { JsonObject } from './json.ts';
import type { ToolCall } from './messages.ts';

/** What stands in front of the JSON of a call; '{' means the answer is the bare object itself. */
export type ToolTag = '<tool_call>' | '[TOOL_CALLS]' | '<|python_tag|>' | '{';

export function toolTagOf(chatTemplate: string): ToolTag {
  for (const tag of ['<tool_call>', '[TOOL_CALLS]', '<|python_tag|>'] as const) {
    if (chatTemplate.includes(tag)) return tag;
  }
  return '{';
}

export interface ToolSplit {
  readonly content: string;
  readonly calls: readonly ToolCall[];
}

export interface ToolParser {
  push(piece: string): ToolSplit;
  /** At the end: text that looked like a call and was none. */
  flush(): string;
}

export interface ToolParserInput {
  readonly tag: ToolTag;
  readonly names: ReadonlySet<string>;
  readonly newId: () => string;
}

const NOTHING: ToolSplit = { content: '', calls: [] };
const heldCharsMax = 1_000_000;

export function toolParser(input: ToolParserInput): ToolParser {
  let held = '';
  let state: 'looking' | 'collecting' | 'plain' = 'looking';

  function look(): ToolSplit {
    const at = held.indexOf(input.tag);
    if (input.tag === '{') return lookBare();
    if (at >= 0) {
      const content = held.slice(0, at).trimEnd();
      held = held.slice(at + input.tag.length);
      state = 'collecting';
      return { content, calls: collect() };
    }
    if (endsInside(held, [input.tag])) return NOTHING;
    return release();
  }
  function lookBare(): ToolSplit {
    const text = held.trimStart();
    if (text === '') return NOTHING;
    state = text.startsWith('{') || text.startsWith('[') ? 'collecting' : 'plain';
    return state === 'plain' ? release() : { content: '', calls: collect() };
  }
  function collect(): readonly ToolCall[] {
    const calls: ToolCall[] = [];
    for (let next = nextObject(held); next !== undefined; next = nextObject(held)) {
      const found = callsIn(next.value, input);
      if (found.length === 0 && input.tag === '{') break;
      calls.push(...found);
      held = held.slice(next.end);
    }
    return calls;
  }
  function release(): ToolSplit {
    const content = held;
    held = '';
    return { content, calls: [] };
  }
  return {
    push(piece) {
      held += piece;
      if (held.length > heldCharsMax) state = 'plain';
      if (state === 'plain') return release();
      return state === 'looking' ? look() : { content: '', calls: collect() };
    },
    flush() {
      const rest = state === 'collecting' && input.tag !== '{' ? leftover(held) : held;
      held = '';
      return rest;
    },
  };
}

/** After a tagged call only closing tags and brackets are expected; they are no content. */
function leftover(text: string): string {
  return text.replace(/<\/tool_call>|[\][,\s]/g, '') === '' ? '' : text;
}

/** The first complete JSON object in the text. */
function nextObject(text: string): { value: JsonObject; end: number } | undefined {
  const start = text.indexOf('{');
  if (start < 0) return undefined;
  let depth = 0;
  let quoted = false;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (quoted) {
      if (char === '\\') at++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === '{') depth++;
    else if (char === '}' && --depth === 0) return parsed(text.slice(start, at + 1), at + 1);
  }
  return undefined;
}

function parsed(text: string, end: number): { value: JsonObject; end: number } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? { value, end } : undefined;
  } catch {
    return undefined;
  }
}

function callsIn(value: JsonObject, input: ToolParserInput): ToolCall[] {
  const inner = isObject(value['function']) ? value['function'] : value;
  const name = inner['name'];
  if (typeof name !== 'string' || !input.names.has(name)) return [];
  const given = inner['arguments'] ?? inner['parameters'] ?? {};
  return [{ id: input.newId(), name, arguments: isObject(given) ? given : {} }];
}
