// The part of node-llama-cpp 3.22 and of @huggingface/jinja that the engine uses. Types only: the packages are installed at first need.

export type Token = number;

export interface NodeLlamaCpp {
  readonly LlamaGrammarEvaluationState: LlamaGrammarEvaluationStateClass;
  getLlama(options: {
    gpu: false;
    build: 'never';
    skipDownload: true;
    maxThreads: number;
    progressLogs: false;
    logLevel: 'error' | 'warn';
    logger: (level: string, message: string) => void;
  }): Promise<Llama>;
}

export interface Llama {
  readonly cpuMathCores: number;
  loadModel(options: { modelPath: string; useMmap: boolean; loadSignal?: AbortSignal }): Promise<LlamaModel>;
  createGrammar(options: { grammar: string }): Promise<LlamaGrammar>;
  createGrammarForJsonSchema(schema: unknown): Promise<LlamaGrammar>;
  dispose(): Promise<void>;
}

export interface LlamaGrammar {
  readonly grammar: string;
}

export interface InfillTokens {
  readonly prefix: Token | null;
  readonly suffix: Token | null;
  readonly middle: Token | null;
}

export interface LlamaModel {
  readonly trainContextSize: number;
  readonly size: number;
  readonly tokens: {
    readonly bos: Token | null;
    readonly bosString: string | null;
    readonly eosString: string | null;
    readonly shouldPrependBosToken: boolean;
    readonly infill: InfillTokens;
  };
  tokenize(text: string, specialTokens: boolean): Token[];
  detokenize(tokens: readonly Token[], specialTokens: boolean, lastTokens?: readonly Token[]): string;
  isEogToken(token: Token): boolean;
  createContext(options: {
    contextSize: number;
    batchSize: number;
    sequences: number;
    threads: number;
    lora?: { adapters: readonly { filePath: string }[] };
    createSignal?: AbortSignal;
    failedCreationRemedy: false;
  }): Promise<LlamaContext>;
  createEmbeddingContext(options: {
    contextSize: number;
    batchSize: number;
    threads: number;
    createSignal?: AbortSignal;
  }): Promise<LlamaEmbeddingContext>;
  dispose(): Promise<void>;
}

export interface LlamaContext {
  readonly contextSize: number;
  readonly memoryUsage: { readonly ram: number; readonly vram: number };
  getSequence(): LlamaSequence;
  dispose(): Promise<void>;
}

export interface LlamaEmbeddingContext {
  calculateInputLength(input: readonly Token[]): number;
  getEmbeddingFor(input: readonly Token[]): Promise<{ readonly vector: readonly number[] }>;
  dispose(): Promise<void>;
}

export interface EvaluateOptions {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  seed: number;
  repeatPenalty?: {
    punishTokens: () => Token[];
    maxPunishTokens: number;
    penalty: number;
    frequencyPenalty: number;
    presencePenalty: number;
  };
  grammarEvaluationState?: object;
  contextShift: {
    size: number;
    strategy: (shift: { sequence: LlamaSequence; size: number }) => { start: number; end: number }[];
  };
  yieldEogToken: true;
}

export interface EvaluatedToken {
  readonly token: Token;
  readonly probabilities?: Map<Token, number>;
}

export interface LlamaSequence {
  readonly contextTokens: Token[];
  readonly nextTokenIndex: number;
  evaluateWithMetadata(
    tokens: readonly Token[],
    metadata: { probabilities?: boolean },
    options: EvaluateOptions,
  ): AsyncGenerator<EvaluatedToken, void, undefined>;
  evaluateWithoutGeneratingNewTokens(tokens: readonly Token[]): Promise<void>;
  adaptStateToTokens(tokens: readonly Token[], allowShift: boolean): Promise<void>;
  clearHistory(): Promise<void>;
}

export interface LlamaGrammarEvaluationStateClass {
  new (options: { model: LlamaModel; grammar: LlamaGrammar }): object;
}

export interface Jinja {
  Template: new (source: string) => { render(values: Record<string, unknown>): string };
}
