// Puts the engine together and serves until it is told to stop. The only file here that makes all parts.
import { createCatalog } from './catalog.ts';
import type { EngineContext } from './context.ts';
import { DEFAULT_OPTIONS } from './core/options.ts';
import { disposeWithin } from './dispose.ts';
import { ensureLlama } from './llama-install.ts';
import type { LlamaLibrary } from './llama-install.ts';
import type { Llama } from './llama-types.ts';
import { Pulls } from './pulls.ts';
import { DEFAULT_REGISTRY, createRegistry } from './registry.ts';
import { loadRunner } from './runner.ts';
import { DEFAULT_SCHEDULER, Scheduler } from './scheduler.ts';
import { listen } from './server.ts';
import type { Listening } from './server.ts';
import { openStore } from './store.ts';
import { createTemplates } from './templates.ts';

export interface EngineOptions {
  readonly host: string;
  readonly port: number;
  /** An Ollama models folder. */
  readonly store: string;
  readonly slots: number;
  readonly threads: number;
  readonly loadedMax?: number;
  readonly keepAliveMs?: number;
  readonly contextLength?: number;
  readonly log: (message: string) => void;
}

/** The version of the Ollama whose API this is: gateways choose routes by it. */
const apiVersion = '0.24.0';

export async function serveEngine(options: EngineOptions): Promise<Listening> {
  const store = await openStore(options.store);
  const lazy = lazyLibrary(options);
  const library = lazy.get;
  const scheduler = new Scheduler({
    ...DEFAULT_SCHEDULER,
    loadedMax: options.loadedMax ?? DEFAULT_SCHEDULER.loadedMax,
    keepAliveMs: options.keepAliveMs ?? DEFAULT_SCHEDULER.keepAliveMs,
    slots: options.slots,
    load: async (spec, signal) => loadRunner(await library(), spec, signal),
    log: options.log,
  });
  const pulls = new Pulls(store, createRegistry(DEFAULT_REGISTRY));
  const context: EngineContext = {
    store,
    catalog: createCatalog(store),
    scheduler,
    pulls,
    library,
    options: { ...DEFAULT_OPTIONS, num_ctx: options.contextLength ?? DEFAULT_OPTIONS.num_ctx },
    threads: options.threads,
    version: apiVersion,
    log: options.log,
  };
  const listening = await listen(context, options);
  return {
    url: listening.url,
    async close() {
      await listening.close();
      await pulls.close();
      await scheduler.close();
      await lazy.dispose();
    },
  };
}

interface Loaded {
  readonly library: LlamaLibrary;
  readonly llama: Llama;
  readonly templates: ReturnType<typeof createTemplates>;
}

interface LazyLibrary {
  readonly get: () => Promise<Loaded>;
  dispose(): Promise<void>;
}

/** Below the time that process.ts gives to an end as a whole. */
const closeMsMax = 1_000;

/** llama.cpp is started with the first model; a failed start may be tried again. */
function lazyLibrary(options: EngineOptions): LazyLibrary {
  let loading: Promise<Loaded> | undefined;
  return {
    get() {
      loading ??= start(options).catch((error: unknown) => {
        loading = undefined;
        throw error;
      });
      return loading;
    },
    async dispose() {
      const loaded = await loading?.catch(() => undefined);
      if (loaded === undefined) return;
      await disposeWithin(loaded.llama, closeMsMax).catch((error: unknown) => options.log(String(error)));
    },
  };
}

async function start(options: EngineOptions): Promise<Loaded> {
  const library = await ensureLlama({ log: options.log });
  const llama = await library.llama.getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    maxThreads: options.threads,
    progressLogs: false,
    logLevel: 'error',
    logger: (level, message) => options.log(`llama.cpp ${level}: ${message.trim()}`),
  });
  return { library, llama, templates: createTemplates(library.jinja) };
}
