// The hidden command `bigo engine`: reads its flags for engine.ts. People use `bigo up`, which starts engines.
import type { Command } from 'commander';
import type { App } from './app.ts';
import { runEngine } from './engine.ts';
import { usageError } from './exit.ts';

interface EngineFlags {
  readonly listen: string;
  readonly store: string;
  readonly parentPid?: string;
  readonly numParallel?: string;
  readonly engines?: string;
  readonly threads?: string;
  readonly maxLoadedModels?: string;
  readonly contextLength?: string;
}

export function define(command: Command, app: App): void {
  command
    .option('--listen <host:port>', 'address of this engine', '127.0.0.1:0')
    .requiredOption('--store <folder>', 'models folder, as Ollama keeps it')
    .option('--parent-pid <n>', 'end with this process')
    .option('--num-parallel <n>', 'requests at once for each model')
    .option('--engines <n>', 'engines that share this machine')
    .option('--threads <n>', 'threads of one model')
    .option('--max-loaded-models <n>', 'models in memory at once')
    .option('--context-length <n>', 'context of a model that names none')
    .addHelpText('after', '\nExample:\n  $ bigo engine --store ~/.ollama/models --listen 127.0.0.1:0')
    .action(async (flags: EngineFlags) => {
      process.exitCode = await runEngine(optionsOf(flags), input => app.components.startEngine(input));
    });
}

function optionsOf(flags: EngineFlags) {
  const numbers = {
    parentPid: flags.parentPid,
    numParallel: flags.numParallel,
    engines: flags.engines,
    threads: flags.threads,
    maxLoadedModels: flags.maxLoadedModels,
    contextLength: flags.contextLength,
  };
  const given = Object.entries(numbers).filter(([, text]) => text !== undefined);
  const read = Object.fromEntries(given.map(([name, text]) => [name, whole(name, text ?? '')]));
  return { listen: flags.listen, store: flags.store, ...read };
}

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
  throw usageError(`${name} must be a whole number above 0, not "${text}"`);
}
