// The OpenAI routes of the fake: chat, completions, embeddings, models. Each is translated to the native request and back.
import { hashOf } from './random.ts';
import { listOf, notFound, recordOf, Refusal, textOf } from './context.ts';
import type { Call } from './context.ts';
import { goJson } from './outlet.ts';
import { infer } from './infer.ts';
import type { Final, Inference, Piece, Writer } from './infer.ts';
import { chatOf, embedTexts } from './native.ts';
import type { Model } from './store.ts';

export function openAiError(status: number, message: string): Record<string, unknown> {
  const type = status === 400 ? 'invalid_request_error' : status === 404 ? 'not_found_error' : 'api_error';
  return { error: { message, type, param: null, code: null } };
}

const EFFORTS = ['high', 'medium', 'low', 'max', 'none'];

/** OpenAI body → native chat body. */
export function nativeChatBody(body: Record<string, unknown>): Record<string, unknown> {
  const options: Record<string, unknown> = {
    temperature: body['temperature'] ?? 1,
    top_p: body['top_p'] ?? 1,
  };
  if (body['max_tokens'] !== undefined) options['num_predict'] = body['max_tokens'];
  if (typeof body['seed'] === 'number') options['seed'] = body['seed'];
  if (body['stop'] !== undefined && body['stop'] !== null) options['stop'] = body['stop'];
  return {
    model: body['model'],
    messages: listOf(body['messages']).map(flatMessage),
    tools: body['tools'],
    options,
    format: formatOf(recordOf(body['response_format'])),
    think: thinkOf(textOf(recordOf(body['reasoning'])['effort']) || textOf(body['reasoning_effort'])),
    logprobs: body['logprobs'],
    top_logprobs: body['top_logprobs'],
  };
}

function flatMessage(message: unknown): unknown {
  const { role, content, tool_calls: calls } = recordOf(message);
  if (typeof content === 'string') return { role, content };
  if (Array.isArray(content)) {
    const parts = content.map(part => {
      const { type, text } = recordOf(part);
      if (type === 'text' && typeof text === 'string') return text;
      if (type === 'image_url') return '';
      throw new Refusal(400, 'invalid message format');
    });
    return { role, content: parts.join('') };
  }
  if (calls === undefined) throw new Refusal(400, 'invalid message content type: <nil>');
  return { role, content: '' };
}

function formatOf(format: Record<string, unknown>): unknown {
  if (format['type'] === 'json_object') return 'json';
  return format['type'] === 'json_schema' ? recordOf(format['json_schema'])['schema'] : undefined;
}

function thinkOf(effort: string): unknown {
  if (effort === '') return undefined;
  if (!EFFORTS.includes(effort)) {
    throw new Refusal(
      400,
      `invalid reasoning value: '${effort}' (must be "high", "medium", "low", "max", or "none")`,
    );
  }
  return effort === 'none' ? false : effort;
}

export async function chatCompletions(call: Call): Promise<void> {
  const { body } = call;
  if (listOf(body['messages']).length === 0) throw new Refusal(400, "[] is too short - 'messages'");
  await infer(call, chatOf(nativeChatBody(body)), new OpenAiWriter(call, chatShape));
}

export async function completions(call: Call): Promise<void> {
  const { body } = call;
  const native = nativeChatBody({ ...body, messages: [] });
  const prompt = textOf(body['prompt']);
  const inference: Inference = { ...chatOf(native), kind: 'generate', prompt, prefixes: [prompt] };
  await infer(call, inference, new OpenAiWriter(call, textShape));
}

/** The two kinds of completions differ in names only. */
interface Shape {
  readonly idPrefix: string;
  readonly object: string;
  readonly chunkObject: string;
  readonly zeroUsageOnChunks: boolean;
  choice(told: Told, reason: string | null): Record<string, unknown>;
  chunkChoice(told: Told, reason: string | null): Record<string, unknown>;
}

interface Told {
  readonly content: string;
  readonly thinking: string;
  readonly calls: readonly unknown[];
  readonly logprobs: readonly unknown[];
}

const chatShape: Shape = {
  idPrefix: 'chatcmpl',
  object: 'chat.completion',
  chunkObject: 'chat.completion.chunk',
  zeroUsageOnChunks: false,
  choice: (told, reason) => ({
    index: 0,
    message: messageOf(told),
    finish_reason: reason,
    ...probableOf(told),
  }),
  chunkChoice: (told, reason) => ({
    index: 0,
    delta: messageOf(told),
    finish_reason: reason,
    ...probableOf(told),
  }),
};

const textShape: Shape = {
  idPrefix: 'cmpl',
  object: 'text_completion',
  chunkObject: 'text_completion',
  zeroUsageOnChunks: true,
  choice: (told, reason) => ({ text: told.content, index: 0, finish_reason: reason }),
  chunkChoice: (told, reason) => ({ text: told.content, index: 0, finish_reason: reason }),
};

function messageOf(told: Told): Record<string, unknown> {
  const reasoning = told.thinking === '' ? {} : { reasoning: told.thinking };
  const calls = told.calls.length === 0 ? {} : { tool_calls: told.calls };
  return { role: 'assistant', content: told.content, ...reasoning, ...calls };
}

function probableOf(told: Told): Record<string, unknown> {
  return told.logprobs.length === 0 ? {} : { logprobs: { content: told.logprobs } };
}

const nothing: Told = { content: '', thinking: '', calls: [], logprobs: [] };

function toldOf(piece: Piece): Told {
  const call = piece.toolCall;
  const args = call === undefined ? '' : goJson(call.arguments);
  const calls =
    call === undefined
      ? []
      : [{ id: call.id, index: 0, type: 'function', function: { name: call.name, arguments: args } }];
  return { content: piece.content, thinking: piece.thinking ?? '', calls, logprobs: piece.logprobs ?? [] };
}

function usageOf(final: Final): Record<string, number> {
  return {
    prompt_tokens: final.promptTokens,
    completion_tokens: final.tokens,
    total_tokens: final.promptTokens + final.tokens,
  };
}

class OpenAiWriter implements Writer {
  readonly #call: Call;
  readonly #shape: Shape;
  readonly #stream: boolean;
  readonly #includeUsage: boolean;
  readonly #id: string;
  #all = nothing;
  #toolCallTold = false;

  constructor(call: Call, shape: Shape) {
    this.#call = call;
    this.#shape = shape;
    this.#stream = call.body['stream'] === true;
    this.#includeUsage = recordOf(call.body['stream_options'])['include_usage'] === true;
    this.#id = `${shape.idPrefix}-${hashOf(String(Math.random())) % 999}`;
  }

  piece(piece: Piece): void {
    const told = toldOf(piece);
    this.#toolCallTold ||= told.calls.length > 0;
    if (this.#stream) this.#chunk([this.#shape.chunkChoice(told, null)], this.#zeroUsage());
    else this.#all = joined(this.#all, told);
  }

  final(final: Final): void {
    const reason = this.#toolCallTold ? 'tool_calls' : final.reason;
    if (!this.#stream) {
      this.#call.out.full(200, goJson(this.#whole(final, reason)), 'application/json');
      return;
    }
    this.#chunk([this.#shape.chunkChoice(nothing, reason)], this.#zeroUsage());
    if (this.#includeUsage) this.#chunk([], { usage: usageOf(final) });
    this.#call.out.write('data: [DONE]\n\n');
    this.#call.out.end();
  }

  fail(status: number, message: string): void {
    const { out } = this.#call;
    if (!out.started) {
      out.full(status, goJson(openAiError(status, message)), 'application/json');
      return;
    }
    // Ollama parses its own error line into an empty answer: the client sees an empty chunk and never [DONE].
    this.#chunk([this.#shape.chunkChoice(nothing, null)], this.#zeroUsage());
    out.end();
  }

  #zeroUsage(): Record<string, unknown> {
    const zero = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
    return this.#shape.zeroUsageOnChunks && this.#includeUsage ? { usage: zero } : {};
  }

  #head(object: string): Record<string, unknown> {
    const created = Math.floor(Date.now() / 1000);
    return {
      id: this.#id,
      object,
      created,
      model: this.#call.body['model'],
      system_fingerprint: 'fp_ollama',
    };
  }

  #chunk(choices: readonly unknown[], usage: Record<string, unknown>): void {
    this.#call.out.head(200, { 'Content-Type': 'text/event-stream' });
    this.#call.out.write(
      `data: ${goJson({ ...this.#head(this.#shape.chunkObject), choices, ...usage })}\n\n`,
    );
  }

  #whole(final: Final, reason: string): Record<string, unknown> {
    return {
      ...this.#head(this.#shape.object),
      choices: [this.#shape.choice(this.#all, reason)],
      usage: usageOf(final),
    };
  }
}

function joined(a: Told, b: Told): Told {
  return {
    content: a.content + b.content,
    thinking: a.thinking + b.thinking,
    calls: [...a.calls, ...b.calls],
    logprobs: [...a.logprobs, ...b.logprobs],
  };
}

export async function embeddingsV1(call: Call): Promise<void> {
  const { body } = call;
  const format = textOf(body['encoding_format']).toLowerCase();
  if (!['', 'float', 'base64'].includes(format)) {
    throw new Refusal(
      400,
      `Invalid value for 'encoding_format' = ${textOf(body['encoding_format'])}. Supported values: ['float', 'base64'].`,
    );
  }
  if (body['input'] === undefined || (Array.isArray(body['input']) && body['input'].length === 0)) {
    throw new Refusal(400, 'invalid input');
  }
  const done = await embedTexts(call, { ...body, input: body['input'] === '' ? [''] : body['input'] });
  if (done === undefined) return;
  const data = done.vectors.map((vector, index) => ({
    object: 'embedding',
    embedding: format === 'base64' ? Buffer.from(new Float32Array(vector).buffer).toString('base64') : vector,
    index,
  }));
  const usage = { prompt_tokens: done.tokens, total_tokens: done.tokens };
  call.out.full(200, goJson({ object: 'list', data, model: body['model'], usage }), 'application/json');
}

function entryOf(model: Model, id: string): Record<string, unknown> {
  const namespace = /^(?:[^/]+\/)?([^/]+)\/[^/]+$/.exec(model.name)?.[1] ?? 'library';
  return {
    id,
    object: 'model',
    created: Math.floor(Date.parse(model.modifiedAt) / 1000),
    owned_by: namespace,
  };
}

export function modelsV1(call: Call): void {
  const data = call.fake.store.list().map(model => entryOf(model, model.name));
  call.out.full(200, goJson({ object: 'list', data }), 'application/json');
}

export function modelV1(call: Call): void {
  const name = call.params['model'] ?? '';
  const model = call.fake.store.find(name);
  if (model === undefined) throw new Refusal(404, notFound(name), 'server');
  call.out.full(200, goJson(entryOf(model, name)), 'application/json');
}
