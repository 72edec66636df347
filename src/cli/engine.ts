// `bigo engine`: the embedded engine as a child process of `bigo up`. Prints one ready line; ends with its parent. Never started by people.
import { BigoError } from '../api/errors.ts';

export interface EngineProcessOptions {
  /** HOST:PORT; port 0 takes a free one. */
  readonly listen: string;
  /** An Ollama models folder. */
  readonly store: string;
  readonly parentPid?: number;
  readonly numParallel?: number;
  /** How many engines share this machine; divides the default of threads. */
  readonly engines?: number;
  readonly threads?: number;
  readonly maxLoadedModels?: number;
  readonly contextLength?: number;
}

/** What main.ts takes from src/engine/process.ts: commands know no component. */
export interface EngineProcess {
  readonly url: string;
  /** Settles when the engine should end: a signal came or the parent is gone. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

export type StartEngine = (
  options: Omit<EngineProcessOptions, 'listen'> & { readonly host: string; readonly port: number },
) => Promise<EngineProcess>;

/** Returns the exit code once the engine has ended. */
export async function runEngine(options: EngineProcessOptions, start: StartEngine): Promise<number> {
  const engine = await start({ ...options, ...parseListen(options.listen) });
  process.stdout.write(`${JSON.stringify({ event: 'ready', url: engine.url })}\n`);
  await engine.ended;
  await engine.close();
  return 0;
}

function parseListen(listen: string): { host: string; port: number } {
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(listen.slice(colon + 1));
  if (colon > 0 && host !== '' && Number.isInteger(port) && port >= 0 && port <= 65_535)
    return { host, port };
  throw new BigoError('bad_request', `--listen ${listen} is not HOST:PORT, such as 127.0.0.1:0.`);
}
