// `bigo size`: disk and memory that a model needs, and which GPUs hold it. Never loads or pulls it.
import { type Command, Option } from 'commander';
import { displayName, type ModelName, parseModelName } from '../api/names.ts';
import type { App } from './app.ts';
import { addJsonOption } from './client-flags.ts';
import { Client } from './client.ts';
import {
  contextOf,
  estimate,
  isServedOneAtOnce,
  KV_CACHE_TYPES,
  type KvCacheType,
  type SizeWish,
} from './core/size.ts';
import { gpuFits } from './core/size-gpus.ts';
import { type SizeReport, sizeLines } from './core/size-text.ts';
import { CliError, usageError } from './exit.ts';
import { sizeFromRegistry, sizeFromServer, type SizeSource } from './size-sources.ts';
import { checkedUrl, gatewayTarget } from './target.ts';

interface SizeFlags {
  readonly context?: string;
  readonly parallel: string;
  readonly kvCacheType: KvCacheType;
  readonly endpoint?: string;
  readonly registry?: boolean;
  readonly key?: string;
  readonly json?: boolean;
}

export function define(command: Command, app: App): void {
  command
    .argument('<model>', 'the model')
    .option('--context <tokens>', 'tokens of each request (default: num_ctx of the model, else 4096)')
    .option('--parallel <n>', 'requests at once, OLLAMA_NUM_PARALLEL', '1')
    .addOption(
      new Option('--kv-cache-type <type>', 'OLLAMA_KV_CACHE_TYPE').choices(KV_CACHE_TYPES).default('f16'),
    )
    .option('--endpoint <url>', 'Ollama or gateway to ask first (default: as for `bigo show`)')
    .option('--registry', 'ask only the registry of the model')
    .option('--key <key>', 'API key (default: BIGO_KEY)');
  addJsonOption(command)
    .addHelpText('after', HELP)
    .action((model: string, flags: SizeFlags) => size(app, model, flags));
}

const HELP = `
A server that has the model is asked first, then the registry that the name leads to; of the weights only the header is read.
docs/guides/sizing.md explains the numbers.

Examples:
  $ bigo size llama3.2:1b
  $ bigo size qwen3:8b --context 16384 --parallel 4 --kv-cache-type q8_0`;

const contextTokensMax = 16_777_216;
const parallelMax = 1024;

async function size(app: App, model: string, flags: SizeFlags): Promise<void> {
  const name = parseModelName(model);
  if (name === undefined) throw usageError(`"${model}" is no name of a model`);
  const parallel = wholeNumber('--parallel', flags.parallel, parallelMax);
  const asked =
    flags.context === undefined ? undefined : wholeNumber('--context', flags.context, contextTokensMax);
  const found = await find(app, name, flags);
  const wish: SizeWish = {
    contextTokens: contextOf(asked, found.parameters, found.shape),
    parallel: isServedOneAtOnce(found.shape) ? 1 : parallel,
    kvCacheType: flags.kvCacheType,
  };
  const report: SizeReport = {
    model: displayName(name),
    source: found.source,
    diskBytes: found.diskBytes,
    shape: found.shape,
    wish,
    size: estimate(found, wish),
    gpus: gpuFits(found, wish),
  };
  if (flags.json === true) return app.terminal.print(JSON.stringify({ ...report, shape: undefined }));
  for (const line of sizeLines(report, app.terminal.paint)) app.terminal.print(line);
  for (const note of notes({ asked, parallel }, wish)) app.terminal.tell(note);
}

function notes(asked: { asked: number | undefined; parallel: number }, wish: SizeWish): string[] {
  const isCut = asked.asked !== undefined && asked.asked > wish.contextTokens;
  return [
    ...(isCut ? [`note: the model knows no more than ${wish.contextTokens} tokens`] : []),
    ...(asked.parallel > wish.parallel ? ['note: Ollama gives this model one request at a time'] : []),
  ];
}

function wholeNumber(flag: string, text: string, max: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= max) return number;
  throw usageError(`${flag} must be a whole number from 1 to ${max}, not "${text}"`);
}

async function find(app: App, name: ModelName, flags: SizeFlags): Promise<SizeSource> {
  const asked = flags.registry === true ? { why: undefined } : await askServer(app, name, flags);
  if ('found' in asked) return asked.found;
  try {
    return await sizeFromRegistry(name, app.interrupted());
  } catch (error) {
    if (!(error instanceof CliError) || asked.why === undefined) throw error;
    throw new CliError(`${displayName(name)} cannot be sized:\n  ${asked.why}\n  ${error.message}`, {
      ...(error.next === undefined ? {} : { next: error.next }),
    });
  }
}

/** A server that does not answer is no failure yet: the registry may. */
async function askServer(
  app: App,
  name: ModelName,
  flags: SizeFlags,
): Promise<{ found: SizeSource } | { why: string }> {
  const usual = gatewayTarget(flags.key === undefined ? {} : { key: flags.key }, app.env);
  const target =
    flags.endpoint === undefined
      ? usual
      : { ...usual, url: checkedUrl(flags.endpoint, '--endpoint'), origin: '--endpoint' };
  const client = new Client(app, target);
  try {
    const found = await sizeFromServer(client, name);
    if (found !== undefined) return { found };
    return { why: `${target.url} (${target.origin}) does not have it` };
  } catch (error) {
    if (!(error instanceof CliError) || app.interrupted().aborted) throw error;
    return { why: error.message };
  } finally {
    await client.close();
  }
}
