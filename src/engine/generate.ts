// Writes one answer on a free slot: prompt in, pieces of text out. The loop runs once per token, so it does as little as it can.
import { randomInt } from 'node:crypto';
import type { Logprob, TokenLogprob } from './core/answer.ts';
import { EngineFailure, requestCanceled } from './core/failure.ts';
import type { Options, RunnerShape } from './core/options.ts';
import { commonPrefix, keptTokens, predictLimit } from './core/prompt-fit.ts';
import { sampleToken, seededUniform } from './core/sampling.ts';
import type { Candidate } from './core/sampling.ts';
import { stopScanner } from './core/stop.ts';
import type {
  EvaluatedToken,
  EvaluateOptions,
  LlamaGrammar,
  LlamaModel,
  LlamaSequence,
  Token,
} from './llama-types.ts';
import type { PieceTable } from './pieces.ts';
import type { RunnerHost } from './runner.ts';
import type { Slots } from './slots.ts';

export interface GenerateJob {
  /** Fits the context already. */
  readonly tokens: readonly Token[];
  readonly options: Options;
  readonly shift: boolean;
  readonly grammar: LlamaGrammar | undefined;
  /** undefined = not wanted; else how many alternatives. */
  readonly topLogprobs: number | undefined;
  readonly signal: AbortSignal;
  /** The prompt is read; the first token is on its way. */
  readonly onPrompt: () => void;
}

/** May return a promise while the client cannot take more. */
export type PieceSink = (text: string, logprobs: readonly Logprob[]) => Promise<void> | undefined;

export interface GenerateResult {
  readonly doneReason: 'stop' | 'length';
  readonly promptTokens: number;
  readonly promptMs: number;
  readonly tokens: number;
  readonly evalMs: number;
  readonly written: readonly Token[];
}

export interface GenerateSetting {
  readonly slots: Slots;
  readonly pieces: PieceTable;
  readonly model: LlamaModel;
  readonly host: RunnerHost;
  readonly shape: RunnerShape;
}

export async function generate(
  setting: GenerateSetting,
  job: GenerateJob,
  sink: PieceSink,
): Promise<GenerateResult> {
  const sequence = await setting.slots.take(job.tokens, job.signal);
  try {
    return await write(setting, job, { sequence, sink });
  } finally {
    setting.slots.give(sequence);
  }
}

interface Run {
  readonly sequence: LlamaSequence;
  readonly sink: PieceSink;
}

async function write(setting: GenerateSetting, job: GenerateJob, run: Run): Promise<GenerateResult> {
  const startMs = performance.now();
  const recent = recentTokens(setting, job);
  const rest = await readPrompt(setting, job, run.sequence);
  job.onPrompt();
  const iterator = run.sequence.evaluateWithMetadata(
    rest,
    { ...(job.topLogprobs === undefined ? {} : { probabilities: true }) },
    evaluateOptions(setting, job, recent),
  );
  try {
    return await writeTokens(setting, job, { ...run, iterator, recent, startMs });
  } finally {
    await iterator.return();
  }
}

/** Reads all but the last token, a batch at a time so that a client who leaves is noticed; what the slot knows already is kept. */
async function readPrompt(
  setting: GenerateSetting,
  job: GenerateJob,
  sequence: LlamaSequence,
): Promise<Token[]> {
  const { tokens, signal } = job;
  const known = Math.min(commonPrefix(sequence.contextTokens, tokens), tokens.length - 1);
  if (known === 0) await sequence.clearHistory();
  else await sequence.adaptStateToTokens(tokens.slice(0, known), false);
  let at = sequence.nextTokenIndex;
  for (const size = setting.shape.batchSize; at + size < tokens.length; at += size) {
    if (signal.aborted) throw requestCanceled();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(at, at + size));
  }
  if (signal.aborted) throw requestCanceled();
  return tokens.slice(at);
}

interface Writing extends Run {
  readonly iterator: AsyncGenerator<EvaluatedToken, void, Token | undefined>;
  readonly recent: Recent;
  readonly startMs: number;
}

async function writeTokens(
  setting: GenerateSetting,
  job: GenerateJob,
  run: Writing,
): Promise<GenerateResult> {
  const { model } = setting;
  const reader = setting.pieces.reader();
  const stop = stopScanner(job.options.stop);
  const limit = predictLimit(job.options.num_predict, setting.shape.contextLength);
  const room = job.shift ? Infinity : setting.shape.contextLength - job.tokens.length;
  const choose = chooser(setting, job, run.recent);
  const written: Token[] = [];
  let logprobs: Logprob[] = [];
  let count = 0;
  let firstMs = run.startMs;
  let replacement: Token | undefined;
  let doneReason: 'stop' | 'length' = 'length';
  while (count < limit && written.length < room) {
    const { value } = await run.iterator.next(replacement);
    if (value === undefined) throw new EngineFailure(500, 'the model stopped without an end token');
    if (count++ === 0) firstMs = performance.now();
    if (job.signal.aborted) throw requestCanceled();
    const token = choose === undefined ? value.token : (replacement = choose.token(value));
    if (model.isEogToken(token)) {
      doneReason = 'stop';
      break;
    }
    written.push(token);
    remember(run.recent, token);
    if (choose !== undefined) logprobs.push(choose.logprob(value, token));
    const text = stop.push(reader.push(token));
    if (text !== '' || (logprobs.length > 0 && !stop.stopped)) {
      const wait = run.sink(text, logprobs);
      logprobs = [];
      if (wait !== undefined) await wait;
    }
    if (stop.stopped) {
      doneReason = 'stop';
      break;
    }
  }
  if (!stop.stopped) await run.sink(stop.push(reader.flush()) + stop.flush(), []);
  return {
    doneReason,
    promptTokens: job.tokens.length,
    promptMs: firstMs - run.startMs,
    tokens: count,
    evalMs: performance.now() - firstMs,
    written,
  };
}

/** The tokens that penalties look at: a window over prompt and answer. */
interface Recent {
  readonly tokens: Token[];
  readonly most: number;
}

const recentMax = 2048;

function recentTokens(setting: GenerateSetting, job: GenerateJob): Recent {
  const wanted = job.options.repeat_last_n;
  const most = Math.min(wanted < 0 ? setting.shape.contextLength : wanted, recentMax);
  return { tokens: most === 0 ? [] : job.tokens.slice(-most), most };
}

function remember(recent: Recent, token: Token): void {
  if (recent.most === 0) return;
  recent.tokens.push(token);
  if (recent.tokens.length > recent.most) recent.tokens.shift();
}

const seedMax = 2 ** 31 - 1;

function evaluateOptions(setting: GenerateSetting, job: GenerateJob, recent: Recent): EvaluateOptions {
  const { options } = job;
  const plain = job.topLogprobs === undefined || job.grammar !== undefined;
  const seed = options.seed < 0 ? randomInt(seedMax) : options.seed;
  const keep = keptTokens(options.num_keep, job.tokens.length, setting.shape.contextLength);
  return {
    ...(plain ? samplerOptions(options) : WHOLE_DISTRIBUTION),
    seed,
    ...(plain && recent.most > 0 && penalises(options) ? { repeatPenalty: penalties(options, recent) } : {}),
    ...(job.grammar === undefined
      ? {}
      : {
          grammarEvaluationState: new setting.host.library.llama.LlamaGrammarEvaluationState({
            model: setting.model,
            grammar: job.grammar,
          }),
        }),
    contextShift: {
      size: Math.max(1, Math.floor((setting.shape.contextLength - keep) / 2)),
      strategy: ({ size }) => [{ start: keep, end: keep + size }],
    },
    yieldEogToken: true,
  };
}

type Sampler = Pick<EvaluateOptions, 'temperature' | 'topK' | 'topP' | 'minP'>;

/** Probabilities come after the library's cuts, so for logprobs it cuts nothing but the far tail, and we choose. */
const WHOLE_DISTRIBUTION: Sampler = { temperature: 1, topK: 4096, topP: 1, minP: 0 };

function samplerOptions(options: Options): Sampler {
  return {
    temperature: Math.max(0, options.temperature),
    topK: Math.max(0, options.top_k),
    topP: options.top_p,
    minP: options.min_p,
  };
}

function penalises(options: Options): boolean {
  return options.repeat_penalty !== 1 || options.frequency_penalty !== 0 || options.presence_penalty !== 0;
}

function penalties(options: Options, recent: Recent): NonNullable<EvaluateOptions['repeatPenalty']> {
  return {
    punishTokens: () => recent.tokens,
    maxPunishTokens: recent.most,
    penalty: options.repeat_penalty,
    frequencyPenalty: options.frequency_penalty,
    presencePenalty: options.presence_penalty,
  };
}

interface Chooser {
  token(evaluated: EvaluatedToken): Token;
  logprob(evaluated: EvaluatedToken, token: Token): Logprob;
}

/** Only for answers with logprobs. Under a grammar the library's own choice stands: its state has taken that token. */
function chooser(setting: GenerateSetting, job: GenerateJob, recent: Recent): Chooser | undefined {
  if (job.topLogprobs === undefined) return undefined;
  const { options } = job;
  const uniform = seededUniform(options.seed < 0 ? randomInt(seedMax) : options.seed);
  const named = (candidate: Candidate): TokenLogprob => describe(setting.pieces, candidate);
  return {
    token: value =>
      job.grammar === undefined
        ? sampleToken(candidatesOf(value), options, recent.tokens, uniform())
        : value.token,
    logprob(value, token) {
      const candidates = candidatesOf(value);
      const chosen = candidates.find(candidate => candidate.token === token) ?? { token, logprob: -Infinity };
      const top = candidates.slice(0, job.topLogprobs).map(named);
      return { ...named(chosen), ...(top.length === 0 ? {} : { top_logprobs: top }) };
    },
  };
}

function candidatesOf(value: EvaluatedToken): Candidate[] {
  return [...(value.probabilities ?? [])].map(([token, probability]) => ({
    token,
    logprob: Math.log(probability),
  }));
}

const encoder = new TextEncoder();

function describe(pieces: PieceTable, candidate: Candidate): TokenLogprob {
  const token = pieces.textOf([candidate.token]);
  return { token, logprob: candidate.logprob, bytes: [...encoder.encode(token)] };
}
