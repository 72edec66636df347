// One model loaded in memory: writes answers and embeddings. Never decides when it is loaded or unloaded (scheduler.ts does).
import { EngineFailure } from './core/failure.ts';
import type { RunnerShape } from './core/options.ts';
import { disposeWithin } from './dispose.ts';
import { createEmbedder } from './embedder.ts';
import type { Embedder } from './embedder.ts';
import { generate } from './generate.ts';
import type { GenerateJob, GenerateResult, PieceSink } from './generate.ts';
import type { LlamaLibrary } from './llama-install.ts';
import type { Llama, LlamaGrammar, LlamaModel, Token } from './llama-types.ts';
import { createPieceTable } from './pieces.ts';
import type { PieceTable } from './pieces.ts';
import { createSlots } from './slots.ts';
import { checkWhole } from './weights.ts';

export interface RunnerSpec {
  readonly weightsPath: string;
  readonly adapterPaths: readonly string[];
  readonly shape: RunnerShape;
  readonly slots: number;
  readonly purpose: 'completion' | 'embedding';
}

export interface Runner {
  readonly spec: RunnerSpec;
  readonly sizeBytes: number;
  readonly model: LlamaModel;
  readonly pieces: PieceTable;
  readonly embedder: Embedder;
  /** The prompt with the tokeniser's own first token, if it wants one. */
  tokenize(text: string): Token[];
  generate(job: GenerateJob, sink: PieceSink): Promise<GenerateResult>;
  grammar(source: string): Promise<LlamaGrammar>;
  dispose(): Promise<void>;
}

export interface RunnerHost {
  readonly library: LlamaLibrary;
  readonly llama: Llama;
}

const grammarsKeptMax = 32;
/** Freeing tens of gigabytes takes seconds; past this the next load goes on without it. */
const disposeMsMax = 30_000;

export async function loadRunner(host: RunnerHost, spec: RunnerSpec, signal: AbortSignal): Promise<Runner> {
  const model = await load(host.llama, spec, signal);
  try {
    return spec.purpose === 'embedding'
      ? embeddingRunner(host, spec, model)
      : await completionRunner(host, spec, { model, signal });
  } catch (error) {
    await disposeWithin(model, disposeMsMax).catch(() => undefined);
    throw loadFailure(error);
  }
}

async function load(llama: Llama, spec: RunnerSpec, signal: AbortSignal): Promise<LlamaModel> {
  try {
    for (const path of [spec.weightsPath, ...spec.adapterPaths]) await checkWhole(path);
    return await llama.loadModel({
      modelPath: spec.weightsPath,
      useMmap: spec.shape.useMmap,
      loadSignal: signal,
    });
  } catch (error) {
    throw signal.aborted ? error : loadFailure(error);
  }
}

function loadFailure(error: unknown): EngineFailure {
  if (error instanceof EngineFailure) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new EngineFailure(500, `unable to load model: ${reason}`);
}

async function completionRunner(
  host: RunnerHost,
  spec: RunnerSpec,
  loaded: { model: LlamaModel; signal: AbortSignal },
): Promise<Runner> {
  const { model } = loaded;
  const context = await model.createContext({
    contextSize: spec.shape.contextLength,
    batchSize: spec.shape.batchSize,
    sequences: spec.slots,
    threads: spec.shape.threads,
    createSignal: loaded.signal,
    failedCreationRemedy: false,
    ...(spec.adapterPaths.length === 0
      ? {}
      : { lora: { adapters: spec.adapterPaths.map(filePath => ({ filePath })) } }),
  });
  const slots = createSlots(Array.from({ length: spec.slots }, () => context.getSequence()));
  const pieces = createPieceTable(model);
  return {
    ...common(host, spec, model),
    pieces,
    sizeBytes: model.size + context.memoryUsage.ram,
    generate: (job, sink) => generate({ slots, pieces, model, host, shape: spec.shape }, job, sink),
  };
}

function embeddingRunner(host: RunnerHost, spec: RunnerSpec, model: LlamaModel): Runner {
  return {
    ...common(host, spec, model),
    pieces: createPieceTable(model),
    sizeBytes: model.size,
    generate: () => Promise.reject(new EngineFailure(400, 'this model does not support generate')),
  };
}

function common(
  host: RunnerHost,
  spec: RunnerSpec,
  model: LlamaModel,
): Pick<Runner, 'spec' | 'model' | 'embedder' | 'tokenize' | 'grammar' | 'dispose'> {
  const embedder = createEmbedder(model, spec.shape);
  const grammars = new Map<string, Promise<LlamaGrammar>>();
  return {
    spec,
    model,
    embedder,
    tokenize: text => withFirstToken(model, model.tokenize(text, true)),
    grammar(source) {
      const known = grammars.get(source) ?? host.llama.createGrammar({ grammar: source });
      if (grammars.size >= grammarsKeptMax) grammars.clear();
      grammars.set(source, known);
      return known;
    },
    async dispose() {
      await embedder.dispose();
      await disposeWithin(model, disposeMsMax);
    },
  };
}

/** Chat templates often write it themselves; it must stand there once. */
function withFirstToken(model: LlamaModel, tokens: Token[]): Token[] {
  const { bos, shouldPrependBosToken } = model.tokens;
  return shouldPrependBosToken && bos !== null && tokens[0] !== bos ? [bos, ...tokens] : tokens;
}
