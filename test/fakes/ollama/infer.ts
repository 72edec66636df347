// Running one inference request through the schedule and telling its answer piece by piece to a dialect's writer.
// Never writes bytes itself.
import { keepAliveMs } from './body.ts';
import { listOf, notFound, Refusal, textOf } from './context.ts';
import type { Call } from './context.ts';
import { hashOf } from './random.ts';
import { say, tokenCountOf } from './text.ts';
import type { Ask, Said } from './text.ts';
import type { Model } from './store.ts';

export interface Piece {
  readonly content: string;
  readonly thinking?: string;
  readonly toolCall?: {
    readonly id: string;
    readonly name: string;
    readonly arguments: Record<string, unknown>;
  };
  readonly logprobs?: readonly unknown[];
}

/** Times in nanoseconds, as every answer of Ollama tells them. */
export interface Final {
  readonly reason: 'stop' | 'length' | 'load' | 'unload';
  readonly totalNs: number;
  readonly loadNs: number;
  readonly promptTokens: number;
  readonly promptNs: number;
  readonly tokens: number;
  readonly evalNs: number;
  readonly context: readonly number[];
}

export interface Writer {
  piece(piece: Piece): void;
  /** The last word; `final` of a load or unload has no times. */
  final(final: Final): void;
  /** A failure before or after the first piece. */
  fail(status: number, message: string): void;
}

/** A chat or a prompt, after its dialect was translated. */
export interface Inference {
  readonly model: string;
  readonly kind: 'generate' | 'chat';
  /** Text of the whole prompt and the prefixes that a later turn may share. */
  readonly prompt: string;
  readonly prefixes: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly keepAlive: unknown;
  readonly format: unknown;
  readonly think: unknown;
  readonly tools: readonly unknown[];
  readonly logprobs: boolean;
  readonly topLogprobs: number;
  /** Anthropic: a model that cannot think just does not. */
  readonly relaxThinking: boolean;
}

const msToNs = 1e6;

function checkModel(call: Call, inference: Inference): Model {
  if (inference.topLogprobs < 0 || inference.topLogprobs > 20) {
    throw new Refusal(400, 'top_logprobs must be between 0 and 20', 'server');
  }
  if (inference.model === '' && inference.kind === 'chat')
    throw new Refusal(400, 'model is required', 'server');
  const model = call.fake.store.find(inference.model);
  if (model === undefined) throw new Refusal(404, notFound(inference.model), 'server');
  return model;
}

function checkCapabilities(call: Call, inference: Inference, model: Model): void {
  const capabilities = call.fake.store.capabilities(model);
  const wantsThinking =
    inference.think !== undefined && inference.think !== null && inference.think !== false;
  if (wantsThinking && !capabilities.includes('thinking') && !inference.relaxThinking) {
    throw new Refusal(400, `${JSON.stringify(inference.model)} does not support thinking`, 'server');
  }
  if (!capabilities.includes('completion')) {
    throw new Refusal(400, `${JSON.stringify(inference.model)} does not support ${inference.kind}`, 'server');
  }
  if (inference.tools.length > 0 && !capabilities.includes('tools')) {
    throw new Refusal(400, `registry.ollama.ai/library/${model.name} does not support tools`, 'server');
  }
  checkOptions(inference.options);
}

const INTEGER_OPTIONS = [
  'num_ctx',
  'num_batch',
  'num_gpu',
  'num_predict',
  'num_thread',
  'seed',
  'top_k',
  'main_gpu',
];

/** Ollama answers 500 for an option of the wrong type (api.Options.FromMap). */
export function checkOptions(options: Readonly<Record<string, unknown>>): void {
  for (const name of INTEGER_OPTIONS) {
    const value = options[name];
    if (value !== undefined && value !== null && typeof value !== 'number') {
      throw new Refusal(500, `option ${JSON.stringify(name)} must be of type integer`, 'server');
    }
  }
}

export async function infer(call: Call, inference: Inference, writer: Writer): Promise<void> {
  const model = checkModel(call, inference);
  const sessionMs = keepAliveMs(inference.keepAlive);
  if (inference.prompt === '' && sessionMs === 0) {
    await call.fake.schedule.expire(model.weights);
    writer.final(noTimes('unload'));
    return;
  }
  checkCapabilities(call, inference, model);
  const said = say(askOf(call, inference, model));
  await run(call, inference, model, { said, writer });
}

function askOf(call: Call, inference: Inference, model: Model): Ask {
  const { options } = call.fake;
  const all: Record<string, unknown> = { ...model.seed.parameters, ...inference.options };
  const fixed = all['temperature'] === 0 || typeof all['seed'] === 'number';
  const seed =
    all['temperature'] === 0 ? 'cold' : fixed ? String(all['seed']) : `untold ${call.fake.counters.untold++}`;
  const thinks = call.fake.store.capabilities(model).includes('thinking') && inference.think !== false;
  return {
    key: `${options.seed}|${model.weights}|${seed}`,
    prompt: inference.prompt,
    tokensMax: typeof all['num_predict'] === 'number' ? all['num_predict'] : -1,
    stops: typeof all['stop'] === 'string' ? [all['stop']] : listOf(all['stop']).map(textOf),
    format: inference.format === null || inference.format === '' ? undefined : inference.format,
    thinks,
    tools: inference.tools,
    tokensMedian: options.tokensMedian,
    tokensSigma: options.tokensSigma,
  };
}

/** One request that only wants the runner, or runs for as long as given. */
export interface Work {
  readonly promptBytes: number;
  readonly prefixes: readonly string[];
  readonly tokensMs: number;
  readonly keepAlive: unknown;
  readonly options: Readonly<Record<string, unknown>>;
  readonly promptless: boolean;
}

export interface Steps {
  scheduled(atMs: number): void;
  firstToken(promptMs: number): void;
  done(): void;
  failed(status: number, message: string): void;
}

/** Hands work to the schedule; a client that leaves takes it out. Resolves when it is over. */
export async function perform(call: Call, model: Model, work: Work, steps: Steps): Promise<void> {
  const { schedule, store, options, counters } = call.fake;
  const id = `q${counters.requests++}`;
  const sessionMs = keepAliveMs(work.keepAlive);
  const embedOnly = !store.capabilities(model).includes('completion');
  await new Promise<void>(resolve => {
    call.res.once('close', () => {
      schedule.cancel(id);
      resolve();
    });
    schedule.submit(
      {
        id,
        model: model.name,
        weights: model.weights,
        adapters: model.adapters,
        options: store.reloadOptions(model, work.options),
        kind: work.promptless ? 'load' : 'generate',
        promptMs: (work.promptBytes / 1024) * options.promptMsPerKib,
        promptBytes: work.promptBytes,
        prefix: work.prefixes.map(text => ({ hash: `${hashOf(text)}:${text.length}`, bytes: text.length })),
        tokensMs: work.tokensMs,
        loadMs: model.loadMs,
        sizeBytes: model.sizeBytes,
        ...(sessionMs === undefined ? {} : { keepAliveMs: sessionMs }),
        ...(embedOnly ? { placesMax: 1 } : {}),
        ...(model.seed.loadError === undefined ? {} : { loadError: model.seed.loadError }),
      },
      {
        scheduled: () => steps.scheduled(schedule.nowMs()),
        firstToken: promptMs => steps.firstToken(promptMs),
        done: () => {
          steps.done();
          resolve();
        },
        failed: (status, message) => {
          steps.failed(status, message);
          resolve();
        },
      },
    );
  });
}

async function run(
  call: Call,
  inference: Inference,
  model: Model,
  answer: { said: Said; writer: Writer },
): Promise<void> {
  const { said, writer } = answer;
  const { schedule, options } = call.fake;
  const startedMs = schedule.nowMs();
  const pieces = padded(piecesOf(said, inference), model.seed.padBytes ?? 0);
  const teller = new Teller(pieces, options.tokenMs, { call, writer });
  let scheduledMs = startedMs;
  let promptMs = 0;
  let firstMs = startedMs;
  const work: Work = {
    promptBytes: inference.prompt.length,
    prefixes: inference.prefixes,
    tokensMs: pieces.length * options.tokenMs,
    keepAlive: inference.keepAlive,
    options: inference.options,
    promptless: inference.prompt === '',
  };
  await perform(call, model, work, {
    scheduled: atMs => (scheduledMs = atMs),
    firstToken: ms => {
      promptMs = ms;
      firstMs = schedule.nowMs();
      teller.start();
    },
    done: () => {
      if (work.promptless) {
        writer.final(noTimes('load'));
        return;
      }
      const endMs = schedule.nowMs();
      const loadMs = scheduledMs - startedMs;
      teller.finish(
        finalOf(inference, said, { totalMs: endMs - startedMs, loadMs, promptMs, evalMs: endMs - firstMs }),
      );
    },
    failed: (status, message) => writer.fail(status, message),
  });
  teller.stop();
}

function finalOf(
  inference: Inference,
  said: Said,
  times: { totalMs: number; loadMs: number; promptMs: number; evalMs: number },
): Final {
  const tokens = Math.max(1, said.thinking.length + said.content.length);
  return {
    reason: said.doneReason,
    totalNs: Math.round(times.totalMs * msToNs),
    loadNs: Math.round(times.loadMs * msToNs),
    promptTokens: tokenCountOf(inference.prompt),
    promptNs: Math.round(times.promptMs * msToNs),
    tokens,
    evalNs: Math.round(times.evalMs * msToNs),
    context: Array.from(
      { length: Math.min(64, tokens) },
      (_, at) => (at * 7919 + inference.prompt.length) % 49152,
    ),
  };
}

function noTimes(reason: 'load' | 'unload'): Final {
  return { reason, totalNs: 0, loadNs: 0, promptTokens: 0, promptNs: 0, tokens: 0, evalNs: 0, context: [] };
}

function piecesOf(said: Said, inference: Inference): Piece[] {
  const probable = (text: string): Pick<Piece, 'logprobs'> =>
    inference.logprobs ? { logprobs: [logprobOf(text, inference.topLogprobs)] } : {};
  const pieces: Piece[] = said.thinking.map(text => ({ content: '', thinking: text, ...probable(text) }));
  for (const text of said.content) pieces.push({ content: text, ...probable(text) });
  if (said.toolCall !== undefined) {
    const id = `call_${hashOf(inference.prompt).toString(36).padStart(8, '0').slice(0, 8)}`;
    pieces.push({ content: '', toolCall: { id, ...said.toolCall } });
  }
  return pieces;
}

function padded(pieces: readonly Piece[], padBytes: number): Piece[] {
  const pad = 'x'.repeat(padBytes);
  return pieces.map(piece => (padBytes === 0 ? piece : { ...piece, content: piece.content + pad }));
}

function logprobOf(token: string, top: number): unknown {
  const entry = { token, logprob: -0.1 - (hashOf(token) % 100) / 50, bytes: [...Buffer.from(token)] };
  if (top < 1) return entry;
  const others = Array.from({ length: top - 1 }, (_, at) => ({
    token: `o${at}`,
    logprob: -3 - at,
    bytes: [111, 48 + (at % 10)],
  }));
  return { ...entry, top_logprobs: [entry, ...others] };
}

/** Tells pieces at the pace of tokens; what is late comes at once. */
class Teller {
  readonly #pieces: readonly Piece[];
  readonly #tokenMs: number;
  readonly #to: { call: Call; writer: Writer };
  #told = 0;
  #startMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(pieces: readonly Piece[], tokenMs: number, to: { call: Call; writer: Writer }) {
    this.#pieces = pieces;
    this.#tokenMs = tokenMs;
    this.#to = to;
  }

  start(): void {
    this.#startMs = this.#to.call.fake.schedule.nowMs();
    this.#tell(1);
    this.#wait();
  }

  finish(final: Final): void {
    this.#tell(this.#pieces.length);
    if (!this.#over) this.#to.writer.final(final);
    this.stop();
  }

  stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  #wait(): void {
    if (this.#over || this.#told >= this.#pieces.length || this.#tokenMs <= 0) return;
    const { schedule } = this.#to.call.fake;
    const nextMs = this.#startMs + this.#told * this.#tokenMs - schedule.nowMs();
    this.#timer = setTimeout(
      () => {
        this.#tell(1 + Math.floor((schedule.nowMs() - this.#startMs) / this.#tokenMs));
        this.#wait();
      },
      Math.max(0, nextMs),
    );
  }

  #tell(count: number): void {
    const { call, writer } = this.#to;
    while (!this.#over && this.#told < Math.min(count, this.#pieces.length)) {
      if (call.out.fault?.kind === 'error_after_tokens' && this.#told >= (call.out.fault.after ?? 1)) {
        writer.fail(500, call.out.fault.message ?? 'an error was encountered while running the model');
        this.#over = true;
        return;
      }
      const piece = this.#pieces[this.#told++];
      if (piece !== undefined) writer.piece(piece);
    }
  }
}
