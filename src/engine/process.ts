// The engine as a process of its own: signals, the parent's life, a limit on how long ending may take. Never prints to stdout.
import { engineThreads } from './threads.ts';
import { watchParent } from './parent-watch.ts';
import { serveEngine } from './serve.ts';

export interface EngineProcessInput {
  readonly host: string;
  readonly port: number;
  readonly store: string;
  readonly parentPid?: number;
  readonly numParallel?: number;
  readonly engines?: number;
  readonly threads?: number;
  readonly maxLoadedModels?: number;
  readonly contextLength?: number;
}

/** llama.cpp may be inside a long load: past this the process is killed, nothing is left to save. */
const closeMsMax = 1_500;

export async function startEngineProcess(
  input: EngineProcessInput,
): Promise<{ url: string; ended: Promise<void>; close: () => Promise<void> }> {
  const ended = whenToEnd(input.parentPid);
  // A request that fails in an unforeseen way must not take the others with it.
  process.on('unhandledRejection', error => process.stderr.write(`unforeseen: ${String(error)}\n`));
  const listening = await serveEngine({
    host: input.host,
    port: input.port,
    store: input.store,
    slots: Math.max(1, input.numParallel ?? 1),
    threads: engineThreads(input.threads, input.engines ?? 1),
    ...(input.maxLoadedModels === undefined ? {} : { loadedMax: Math.max(1, input.maxLoadedModels) }),
    ...(input.contextLength === undefined ? {} : { contextLength: input.contextLength }),
    log: message => process.stderr.write(`${message}\n`),
  });
  return { url: listening.url, ended, close: () => closeSoon(() => listening.close()) };
}

function whenToEnd(parentPid: number | undefined): Promise<void> {
  return new Promise(resolve => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
    if (parentPid !== undefined) watchParent(parentPid, () => process.kill(process.pid, 'SIGKILL'));
  });
}

async function closeSoon(close: () => Promise<void>): Promise<void> {
  const late = setTimeout(() => process.kill(process.pid, 'SIGKILL'), closeMsMax);
  late.unref();
  await close().catch(() => undefined);
  clearTimeout(late);
}
