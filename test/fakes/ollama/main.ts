// The fake Ollama as a program: `node test/fakes/ollama/main.ts --listen 127.0.0.1:0 …`. Prints one JSON line when it serves.
// Never touches a disk but to read the file that --models names.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startFakeOllama } from './server.ts';
import type { FakeOptions, ModelSeed } from './options.ts';

const HELP = `usage: node test/fakes/ollama/main.ts [options]
  --listen HOST:PORT     default 127.0.0.1:0 (a free port)
  --models FILE|JSON     a list of names or of objects (options.ts, ModelSeed)
  --registry FILE|JSON   what pull finds, as --models
  --num-parallel N  --max-loaded N  --max-queue N  --keep-alive-ms N  --load-timeout-ms N
  --device gpu|cpu  --unload-ms N   --memory-bytes N
  --load-ms N | --load-ms-per-gib N  --token-ms N  --prompt-ms-per-kib N
  --tokens-median N  --tokens-sigma N  --seed N  --pull-ms N  --context-length N
  --version TEXT  --origins A,B  --backlog N
`;

const NUMBERS: Readonly<Record<string, keyof FakeOptions>> = {
  'num-parallel': 'numParallel',
  'max-loaded': 'maxLoaded',
  'max-queue': 'maxQueue',
  'keep-alive-ms': 'keepAliveMs',
  'load-timeout-ms': 'loadTimeoutMs',
  'unload-ms': 'unloadMs',
  'memory-bytes': 'memoryBytes',
  'load-ms': 'loadMs',
  'load-ms-per-gib': 'loadMsPerGib',
  'token-ms': 'tokenMs',
  'prompt-ms-per-kib': 'promptMsPerKib',
  'tokens-median': 'tokensMedian',
  'tokens-sigma': 'tokensSigma',
  seed: 'seed',
  'pull-ms': 'pullMs',
  'context-length': 'contextLength',
  backlog: 'backlog',
};
const TEXTS = ['listen', 'models', 'registry', 'device', 'version', 'origins'];

function optionsFrom(argv: readonly string[]): Partial<FakeOptions> {
  const names = [...Object.keys(NUMBERS), ...TEXTS];
  const { values } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(names.map(name => [name, { type: 'string' as const }])),
  });
  const given = values as Record<string, string | undefined>;
  const options: Record<string, unknown> = {};
  for (const [flag, name] of Object.entries(NUMBERS))
    if (given[flag] !== undefined) options[name] = numberOf(flag, given[flag]);
  const listen = /^(.*):(\d+)$/.exec(given['listen'] ?? '127.0.0.1:0');
  if (listen === null) throw new Error('--listen wants HOST:PORT');
  options['host'] = listen[1];
  options['port'] = Number(listen[2]);
  if (given['models'] !== undefined) options['models'] = seedsOf(given['models']);
  if (given['registry'] !== undefined) options['registry'] = seedsOf(given['registry']);
  if (given['device'] !== undefined) options['device'] = given['device'] === 'cpu' ? 'cpu' : 'gpu';
  if (given['version'] !== undefined) options['version'] = given['version'];
  if (given['origins'] !== undefined) options['origins'] = given['origins'].split(',');
  return options;
}

function numberOf(flag: string, text: string): number {
  const value = text === 'Infinity' ? Infinity : Number(text);
  if (Number.isNaN(value)) throw new Error(`--${flag} wants a number, not "${text}"`);
  return value;
}

function seedsOf(text: string): ModelSeed[] {
  const json = /^\s*\[/.test(text) ? text : readFileSync(text, 'utf8');
  return (JSON.parse(json) as (string | ModelSeed)[]).map(each =>
    typeof each === 'string' ? { name: each } : each,
  );
}

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(HELP);
    return;
  }
  const fake = await startFakeOllama(optionsFrom(process.argv.slice(2)));
  process.stdout.write(`${JSON.stringify({ event: 'ready', url: fake.url })}\n`);
  const end = (): void => void fake.stop().then(() => process.exit(0));
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${HELP}`);
  process.exitCode = 64;
}
