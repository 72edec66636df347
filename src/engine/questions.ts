// Makes the prompt of a chat or a generate request and the parser of its answer. Never runs a model.
import { randomBytes } from 'node:crypto';
import { badRequest } from './core/failure.ts';
import { refuseImages, toolNames, withoutOldest } from './core/messages.ts';
import type { Message } from './core/messages.ts';
import { capabilitiesOf, requireCapabilities } from './core/model.ts';
import type { Capability, Model } from './core/model.ts';
import type { Options } from './core/options.ts';
import { fitTokens, middleOf, narrowed } from './core/prompt-fit.ts';
import type { ChatRequest, GenerateRequest, Think } from './core/requests.ts';
import { OPENING_TAG } from './core/thinking.ts';
import { toolParser, toolTagOf } from './core/tool-calls.ts';
import type { Question } from './answering.ts';
import type { EngineContext } from './context.ts';
import type { Token } from './llama-types.ts';
import type { Runner } from './runner.ts';
import type { Lease } from './scheduler.ts';
import type { ChatInput } from './templates.ts';
import { createTextParser } from './text-parser.ts';
import type { TextParser } from './text-parser.ts';

export interface AskedModel {
  readonly model: Model;
  /** As the caller wrote it. */
  readonly asked: string;
}

/** Refuses what the model cannot do, before it is loaded. */
export function checkChat({ model, asked }: AskedModel, request: ChatRequest): void {
  if (model.facts.embedding) throw badRequest(`"${asked}" does not support chat`);
  const wanted: Capability[] = [
    ...(request.tools.length > 0 ? (['tools'] as const) : []),
    ...(request.think !== undefined && request.think !== false ? (['thinking'] as const) : []),
  ];
  requireCapabilities(model, asked, wanted);
  refuseImages(asked, request.messages);
  if (request.messages.length > 0) requireTemplate(model, asked);
}

function requireTemplate(model: Model, asked: string): void {
  if (model.facts.chatTemplate !== undefined) return;
  throw badRequest(
    `"${asked}" does not support chat: its GGUF file has no chat template. Use /api/generate with "raw": true.`,
  );
}

export function checkGenerate({ model, asked }: AskedModel, request: GenerateRequest): void {
  const wanted: Capability[] = [
    'completion',
    ...(request.suffix === '' ? [] : (['insert'] as const)),
    ...(request.think !== undefined && request.think !== false ? (['thinking'] as const) : []),
  ];
  requireCapabilities(model, asked, wanted);
  if (request.images > 0) refuseImages(asked, [{ role: 'user', content: '', images: request.images }]);
  if (request.template !== '') {
    throw badRequest(
      'a template in the request is not supported by the embedded engine: it uses the one in the GGUF file',
    );
  }
}

export interface AskInput extends AskedModel {
  readonly context: EngineContext;
  readonly lease: Lease;
  readonly options: Options;
}

export async function askChat(input: AskInput, request: ChatRequest): Promise<Question> {
  const { model } = input;
  const own = request.messages[0]?.role !== 'system' && model.system !== '';
  const system: Message[] = own ? [{ role: 'system', content: model.system }] : [];
  const messages = [...system, ...model.messages, ...request.messages];
  const chat: ChatInput = { messages, tools: request.tools, think: thinkOf(model, request) };
  const rendered = await renderToFit(input, chat, request.truncate);
  const limits = { ...contextLimit(input), truncate: request.truncate };
  return {
    ...rendered,
    tokens: fitTokens(rendered.tokens, limits),
    parser: parserFor(input, { ...chat, prompt: rendered.text }),
    returnContext: false,
  };
}

export async function askGenerate(input: AskInput, request: GenerateRequest): Promise<Question> {
  const { runner } = input.lease;
  const limits = { ...contextLimit(input), truncate: request.truncate };
  if (request.suffix !== '') {
    return { ...plain(fitTokens(infillTokens(runner, request), limits)), returnContext: false };
  }
  if (request.raw || input.model.facts.chatTemplate === undefined) {
    const text = request.raw ? request.prompt : [request.system, request.prompt].filter(Boolean).join('\n\n');
    const tokens = [...request.context, ...runner.tokenize(cutText(text, input))];
    return { ...plain(fitTokens(tokens, limits)), text, returnContext: !request.raw };
  }
  const think = thinkOf(input.model, request);
  const chat: ChatInput = { messages: generateMessages(input.model, request), tools: [], think };
  const rendered = await renderToFit(input, chat, request.truncate);
  return {
    ...rendered,
    tokens: fitTokens([...request.context, ...rendered.tokens], limits),
    parser: parserFor(input, { ...chat, prompt: rendered.text }),
    returnContext: true,
  };
}

function plain(tokens: readonly Token[]): Question {
  return {
    tokens,
    text: '',
    parser: createTextParser({ thinking: undefined, tools: undefined }),
    returnContext: false,
  };
}

function generateMessages(model: Model, request: GenerateRequest): Message[] {
  const system = request.system === '' ? model.system : request.system;
  return [
    ...(system === '' ? [] : [{ role: 'system', content: system }]),
    ...(request.context.length === 0 ? model.messages : []),
    { role: 'user', content: request.prompt },
  ];
}

/** Models that can think do so unless told otherwise; a grammar leaves no room for it. */
function thinkOf(model: Model, request: ChatRequest | GenerateRequest): Think | undefined {
  if (!capabilitiesOf(model.facts).includes('thinking')) return undefined;
  return request.format === undefined ? (request.think ?? true) : false;
}

function contextLimit(input: AskInput): { contextLength: number; keep: number } {
  return { contextLength: input.lease.runner.spec.shape.contextLength, keep: input.options.num_keep };
}

/** More characters than this per token of context cannot fit, so they need not be tokenised to know it. */
const charsPerTokenMax = 16;

function cutText(text: string, input: AskInput): string {
  const most = contextLimit(input).contextLength * charsPerTokenMax;
  return text.length <= most ? text : text.slice(-most);
}

/** Drops the oldest messages until the rest fits, as Ollama does; the last one and system texts stay. */
async function renderToFit(
  input: AskInput,
  chat: ChatInput,
  truncate: boolean,
): Promise<{ text: string; tokens: Token[] }> {
  const { templates } = await input.context.library();
  const { runner } = input.lease;
  const template = input.model.facts.chatTemplate ?? '';
  const { contextLength } = contextLimit(input);
  const render = (dropped: number): string =>
    templates.render(template, runner.model, { ...chat, messages: withoutOldest(chat.messages, dropped) });
  const fits = (dropped: number): boolean => {
    const text = tryRender(() => render(dropped));
    if (text === undefined || text.length > contextLength * charsPerTokenMax) return false;
    return runner.tokenize(text).length <= contextLength;
  };
  const dropped = truncate ? await fewestDropped(chat.messages.length - 1, fits) : 0;
  const text = render(dropped);
  return { text, tokens: runner.tokenize(truncate ? cutText(text, input) : text) };
}

/** Each try renders and tokenises, so other requests get their turn in between. */
async function fewestDropped(most: number, fits: (dropped: number) => boolean): Promise<number> {
  if (most <= 0 || fits(0)) return 0;
  let search = { low: 1, high: most };
  while (search.low < search.high) {
    await new Promise(resolve => setImmediate(resolve));
    search = narrowed(search, fits(middleOf(search)));
  }
  return search.low;
}

/** Some templates insist on an order of roles that a shortened chat breaks. */
function tryRender(render: () => string): string | undefined {
  try {
    return render();
  } catch {
    return undefined;
  }
}

function parserFor(input: AskInput, chat: ChatInput & { prompt: string }): TextParser {
  const template = input.model.facts.chatTemplate ?? '';
  const thinks = capabilitiesOf(input.model.facts).includes('thinking');
  const opened = chat.prompt.trimEnd().endsWith(OPENING_TAG);
  return createTextParser({
    thinking: thinks ? { start: opened ? 'opened' : 'closed', shown: chat.think !== false } : undefined,
    tools:
      chat.tools.length === 0
        ? undefined
        : toolParser({ tag: toolTagOf(template), names: toolNames(chat.tools), newId: newCallId }),
  });
}

function newCallId(): string {
  return `call_${randomBytes(4).toString('hex')}`;
}

function infillTokens(runner: Runner, request: GenerateRequest): Token[] {
  const { prefix, suffix, middle } = runner.model.tokens.infill;
  if (prefix === null || suffix === null || middle === null)
    throw badRequest('this model does not support insert');
  const plainTokens = (text: string): Token[] => runner.model.tokenize(text, false);
  return [prefix, ...plainTokens(request.prompt), suffix, ...plainTokens(request.suffix), middle];
}
