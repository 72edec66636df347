// Ollama's own inference routes: generate, chat, embed, embeddings, with their lines and bodies.
import { listOf, modelOf, notFoundTryPull, recordOf, Refusal, textOf } from './context.ts';
import type { Call } from './context.ts';
import { goJson } from './outlet.ts';
import { checkOptions, infer, perform } from './infer.ts';
import type { Final, Inference, Piece, Writer } from './infer.ts';
import { embeddingOf, normalised, tokenCountOf } from './text.ts';

export async function generate(call: Call): Promise<void> {
  const { body } = call;
  const raw = body['raw'] === true;
  if (
    raw &&
    (textOf(body['template']) !== '' || textOf(body['system']) !== '' || listOf(body['context']).length > 0)
  ) {
    throw new Refusal(400, 'raw mode does not support template, system, or context');
  }
  const prompt = textOf(body['prompt']);
  const system = prompt === '' ? '' : textOf(body['system']);
  await infer(
    call,
    { ...commonOf(body, 'generate'), prompt: system + prompt, prefixes: [system + prompt] },
    new NativeWriter(call, 'generate', body),
  );
}

export async function chat(call: Call): Promise<void> {
  const { body } = call;
  await infer(call, chatOf(body), new NativeWriter(call, 'chat', body));
}

/** A native chat body; the other dialects translate theirs into one first. */
export function chatOf(body: Record<string, unknown>): Inference {
  const texts = listOf(body['messages']).map(message => {
    const { role, content } = recordOf(message);
    return `<|im_start|>${textOf(role)}\n${textOf(content)}<|im_end|>\n`;
  });
  const prefixes = texts.map((_, at) => texts.slice(0, at + 1).join(''));
  return { ...commonOf(body, 'chat'), prompt: texts.join(''), prefixes: prefixes.slice(-32) };
}

function commonOf(
  body: Record<string, unknown>,
  kind: 'generate' | 'chat',
): Omit<Inference, 'prompt' | 'prefixes'> {
  return {
    model: textOf(body['model']),
    kind,
    options: recordOf(body['options']),
    keepAlive: body['keep_alive'],
    format: body['format'],
    think: body['think'],
    tools: listOf(body['tools']),
    logprobs: body['logprobs'] === true,
    topLogprobs: typeof body['top_logprobs'] === 'number' ? body['top_logprobs'] : 0,
    relaxThinking: false,
  };
}

class NativeWriter implements Writer {
  readonly #call: Call;
  readonly #kind: 'generate' | 'chat';
  readonly #stream: boolean;
  readonly #model: string;
  #content = '';
  #thinking = '';
  #toolCalls: unknown[] = [];
  #logprobs: unknown[] = [];

  constructor(call: Call, kind: 'generate' | 'chat', body: Record<string, unknown>) {
    this.#call = call;
    this.#kind = kind;
    this.#stream = body['stream'] !== false;
    this.#model = textOf(body['model']);
  }

  piece(piece: Piece): void {
    if (this.#stream) {
      this.#line({
        ...this.#body(piece.content, piece.thinking ?? '', callsOf(piece)),
        done: false,
        ...logprobsOf(piece.logprobs),
      });
      return;
    }
    this.#content += piece.content;
    this.#thinking += piece.thinking ?? '';
    this.#toolCalls.push(...callsOf(piece));
    this.#logprobs.push(...(piece.logprobs ?? []));
  }

  final(final: Final): void {
    if (final.reason === 'load' || final.reason === 'unload') {
      this.#call.out.json(200, { ...this.#body('', '', []), done: true, done_reason: final.reason });
      return;
    }
    if (this.#stream) {
      this.#line({ ...this.#body('', '', []), ...this.#ending(final) });
      this.#call.out.end();
      return;
    }
    const body = this.#body(this.#content, this.#thinking, this.#toolCalls);
    this.#call.out.json(200, { ...body, ...this.#ending(final) });
  }

  fail(status: number, message: string): void {
    const { out } = this.#call;
    if (out.started) {
      out.write(`${goJson({ error: message })}\n`);
      out.end();
    } else if (this.#stream) {
      out.full(status, goJson({ error: message }), 'application/json');
    } else {
      out.json(status, { error: message });
    }
  }

  #line(value: unknown): void {
    this.#call.out.head(200, { 'Content-Type': 'application/x-ndjson' });
    this.#call.out.write(`${goJson(value)}\n`);
  }

  #body(content: string, thinking: string, toolCalls: readonly unknown[]): Record<string, unknown> {
    const head = { model: this.#model, created_at: new Date().toISOString() };
    const thought = thinking === '' ? {} : { thinking };
    const calls = toolCalls.length === 0 ? {} : { tool_calls: toolCalls };
    if (this.#kind === 'generate') return { ...head, response: content, ...thought, ...calls };
    return { ...head, message: { role: 'assistant', content, ...thought, ...calls } };
  }

  #ending(final: Final): Record<string, unknown> {
    return {
      done: true,
      done_reason: final.reason,
      ...(this.#kind === 'generate' ? { context: final.context } : {}),
      ...logprobsOf(this.#logprobs),
      total_duration: final.totalNs,
      load_duration: final.loadNs,
      prompt_eval_count: final.promptTokens,
      prompt_eval_duration: final.promptNs,
      eval_count: final.tokens,
      eval_duration: final.evalNs,
    };
  }
}

function callsOf(piece: Piece): unknown[] {
  if (piece.toolCall === undefined) return [];
  const { id, name, arguments: args } = piece.toolCall;
  return [{ id, function: { index: 0, name, arguments: args } }];
}

function logprobsOf(logprobs: readonly unknown[] | undefined): Record<string, unknown> {
  return logprobs === undefined || logprobs.length === 0 ? {} : { logprobs };
}

export interface Embedded {
  readonly vectors: readonly number[][];
  readonly tokens: number;
  readonly totalNs: number;
  readonly loadNs: number;
}

/** Resolves to undefined when the client left. */
export async function embedTexts(
  call: Call,
  body: Record<string, unknown>,
  missing = notFoundTryPull,
): Promise<Embedded | undefined> {
  const inputs = inputsOf(body['input']);
  const model = modelOf(call.fake, textOf(body['model']), missing);
  const options = recordOf(body['options']);
  checkOptions(options);
  const { schedule } = call.fake;
  const startedMs = schedule.nowMs();
  let scheduledMs = startedMs;
  let result: Embedded | undefined;
  let failure: Refusal | undefined;
  await perform(
    call,
    model,
    {
      promptBytes: inputs.join('').length,
      prefixes: [],
      tokensMs: 0,
      keepAlive: body['keep_alive'],
      options,
      promptless: inputs.length === 0,
    },
    {
      scheduled: atMs => (scheduledMs = atMs),
      firstToken: () => undefined,
      done: () => {
        const length = model.seed.embeddingLength ?? 16;
        const wanted =
          typeof body['dimensions'] === 'number' && body['dimensions'] > 0 ? body['dimensions'] : length;
        const vectors = inputs.map(text => normalised(embeddingOf(text, length).slice(0, wanted)));
        const totalNs = Math.round((schedule.nowMs() - startedMs) * 1e6);
        const tokens = inputs.reduce((sum, text) => sum + tokenCountOf(text), 0);
        result = { vectors, tokens, totalNs, loadNs: Math.round((scheduledMs - startedMs) * 1e6) };
      },
      failed: (status, message) => (failure = new Refusal(status, message)),
    },
  );
  if (failure !== undefined) throw failure;
  return result;
}

function inputsOf(input: unknown): string[] {
  if (input === undefined || input === null || input === '') return [];
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input) || input.some(text => typeof text !== 'string'))
    throw new Refusal(400, 'invalid input type');
  return input as string[];
}

export async function embed(call: Call): Promise<void> {
  const done = await embedTexts(call, call.body);
  if (done === undefined) return;
  const { vectors, tokens, totalNs, loadNs } = done;
  const times =
    vectors.length === 0 ? {} : { total_duration: totalNs, load_duration: loadNs, prompt_eval_count: tokens };
  call.out.json(200, { model: call.body['model'], embeddings: vectors, ...times });
}

export async function embeddings(call: Call): Promise<void> {
  if (textOf(call.body['model']) === '') throw new Refusal(400, 'model is required');
  const done = await embedTexts(call, { ...call.body, input: call.body['prompt'] });
  if (done !== undefined) call.out.json(200, { embedding: done.vectors[0] ?? [] });
}
