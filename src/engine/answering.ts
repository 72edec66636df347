// From a request to an answer: finds and loads the model, makes the prompt, writes text in the asked dialect. Never knows a route.
import { NO_DELTA, isEmpty, joinDeltas } from './core/answer.ts';
import type { AnswerWriter, Delta, DoneReason, Final } from './core/answer.ts';
import { badRequest } from './core/failure.ts';
import { JSON_GRAMMAR, schemaGrammar } from './core/grammar.ts';
import type { Model } from './core/model.ts';
import { resolveOptions, runnerShape } from './core/options.ts';
import type { Options } from './core/options.ts';
import type { AnswerRequest } from './core/requests.ts';
import type { EngineContext } from './context.ts';
import { failureOf, openStream, sendJson } from './exchange.ts';
import type { Exchange, OutStream } from './exchange.ts';
import type { GenerateResult } from './generate.ts';
import type { LlamaGrammar, Token } from './llama-types.ts';
import type { Lease } from './scheduler.ts';
import type { TextParser } from './text-parser.ts';

/** What is wanted of a loaded model. */
export interface Question {
  readonly tokens: readonly Token[];
  /** For `_debug_render_only`. */
  readonly text: string;
  readonly parser: TextParser;
  readonly returnContext: boolean;
}

export interface AnswerTask {
  readonly request: AnswerRequest;
  readonly model: Model;
  readonly writer: AnswerWriter;
  /** Nothing to say: the model is only loaded, or unloaded. */
  readonly empty: boolean;
  readonly ask: (lease: Lease, options: Options) => Promise<Question>;
}

export async function answer(context: EngineContext, exchange: Exchange, task: AnswerTask): Promise<void> {
  const startMs = performance.now();
  if (task.empty && task.request.keepAliveMs === 0) {
    context.scheduler.expire(task.model);
    sendWhole(exchange, task, { delta: NO_DELTA, final: bare('unload') });
    return;
  }
  const { lease, options } = await acquire(context, exchange, task);
  try {
    const loadMs = performance.now() - startMs;
    if (task.empty) sendWhole(exchange, task, { delta: NO_DELTA, final: bare('load') });
    else await speak(exchange, task, { lease, options, startMs, loadMs });
  } finally {
    lease.release();
  }
}

/** The options of engine, model and request, and a runner that fits them. */
export async function acquire(
  context: EngineContext,
  exchange: Exchange,
  wish: { model: Model; request: Pick<AnswerRequest, 'options' | 'keepAliveMs'> },
): Promise<{ lease: Lease; options: Options }> {
  const { model, request } = wish;
  const options = resolveOptions(context.options, model.params, request.options);
  const shape = runnerShape(options, model.facts.contextLength, context.threads);
  const { keepAliveMs } = request;
  const lease = await context.scheduler.acquire({ model, shape, keepAliveMs, signal: exchange.signal });
  return { lease, options };
}

interface Turn {
  readonly lease: Lease;
  readonly options: Options;
  readonly startMs: number;
  readonly loadMs: number;
}

async function speak(exchange: Exchange, task: AnswerTask, turn: Turn): Promise<void> {
  const question = await task.ask(turn.lease, turn.options);
  if (task.request.renderOnly) {
    const debug = { model: task.request.model, created_at: new Date().toISOString() };
    sendJson(exchange, 200, { ...debug, _debug_info: { rendered_template: question.text } });
    return;
  }
  const grammar = await grammarFor(turn.lease, task.request);
  if (task.request.stream) await speakStream(exchange, task, { ...turn, question, grammar });
  else await speakWhole(exchange, task, { ...turn, question, grammar });
}

interface Speech extends Turn {
  readonly question: Question;
  readonly grammar: LlamaGrammar | undefined;
}

async function grammarFor(lease: Lease, request: AnswerRequest): Promise<LlamaGrammar | undefined> {
  if (request.format === undefined) return undefined;
  const source = request.format === 'json' ? JSON_GRAMMAR : schemaGrammar(request.format);
  try {
    return await lease.runner.grammar(source);
  } catch {
    throw badRequest('invalid JSON schema in format');
  }
}

async function speakStream(exchange: Exchange, task: AnswerTask, speech: Speech): Promise<void> {
  const { writer } = task;
  const stream = openStream(exchange, writer.streamType);
  try {
    const final = await run(exchange, task, {
      ...speech,
      emit: delta => stream.write(writer.delta(delta, Date.now())),
    });
    await stream.write(writer.final(final, Date.now()));
    stream.end();
  } catch (error) {
    failStream({ stream, writer }, error);
  }
}

function failStream(open: { stream: OutStream; writer: AnswerWriter }, error: unknown): void {
  if (!open.stream.begun) throw error;
  void open.stream.write(open.writer.failure(failureOf(error).message));
  open.stream.end();
}

async function speakWhole(exchange: Exchange, task: AnswerTask, speech: Speech): Promise<void> {
  const deltas: Delta[] = [];
  const final = await run(exchange, task, {
    ...speech,
    emit: delta => {
      deltas.push(delta);
      return undefined;
    },
  });
  sendWhole(exchange, task, { delta: joinDeltas(deltas), final });
}

function sendWhole(exchange: Exchange, task: AnswerTask, said: { delta: Delta; final: Final }): void {
  sendJson(exchange, 200, task.writer.whole(said.delta, said.final, Date.now()));
}

interface Running extends Speech {
  readonly emit: (delta: Delta) => Promise<void> | undefined;
}

async function run(exchange: Exchange, task: AnswerTask, running: Running): Promise<Final> {
  const { question, options, emit } = running;
  const { parser } = question;
  const result = await running.lease.runner.generate(
    {
      tokens: question.tokens,
      options,
      shift: task.request.shift,
      grammar: running.grammar,
      topLogprobs: task.request.logprobs ? task.request.topLogprobs : undefined,
      signal: exchange.signal,
      onPrompt: () => task.writer.begin(question.tokens.length),
    },
    (text, logprobs) => emitParsed(parser.push(text, logprobs), emit),
  );
  await emitParsed(parser.flush(), emit);
  return finalOf(running, result);
}

function emitParsed(delta: Delta, emit: Running['emit']): Promise<void> | undefined {
  return isEmpty(delta) ? undefined : emit(delta);
}

function finalOf(running: Running, result: GenerateResult): Final {
  const { question, startMs, loadMs } = running;
  return {
    doneReason: result.doneReason,
    metrics: {
      totalMs: performance.now() - startMs,
      loadMs,
      promptTokens: result.promptTokens,
      promptMs: result.promptMs,
      tokens: result.tokens,
      evalMs: result.evalMs,
    },
    context: question.returnContext ? [...question.tokens, ...result.written] : undefined,
  };
}

function bare(doneReason: DoneReason): Final {
  return { doneReason, metrics: undefined, context: undefined };
}
