// Real Ollama processes that hold one model each, asked for four: BigO beside round robin, with the same requests for both.
// Never more than one thread per model, and never the models of the Ollama that a person runs here.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { zipfWorkload } from '../src/sim/workloads.ts';
import { find } from '../test/tools/parts.ts';
import { startOllama } from '../test/tools/real-ollama.ts';
import type { RealOllama } from '../test/tools/real-ollama.ts';
import { renamedGguf } from '../test/tools/tiny-gguf.ts';
import { optionsFrom } from './lib/load.ts';
import type { BenchOptions } from './lib/load.ts';
import { play } from './lib/race-client.ts';
import type { TraceRequest } from './lib/race-client.ts';
import { saveResult } from './lib/results.ts';
import { mean, medians, quantile } from './lib/stats.ts';
import { routers } from './peers/routers.ts';

const serverCount = 3;
const modelCount = 4;
/** About half of what two cores can serve when nothing is loaded twice: else all that is measured is the queue. */
const perSecond = 0.4;
const tokensMax = 40;

export interface RealRun extends Record<string, number> {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly loads: number;
  readonly failed: number;
  readonly requests: number;
}

export interface RealData {
  readonly servers: number;
  readonly models: number;
  readonly perSecond: number;
  readonly runs: Readonly<Record<string, readonly RealRun[]>>;
  readonly medians: Readonly<Record<string, RealRun>>;
}

function nameOf(gguf: Buffer): string {
  const key = Buffer.from('general.name');
  const at = gguf.indexOf(key) + key.length + 4;
  const length = Number(gguf.readBigUInt64LE(at));
  return gguf.toString('utf8', at + 8, at + 8 + length);
}

/** The same weights under other names: other digests, so other runners. */
async function fillStore(store: string): Promise<void> {
  const file = await find('smollm2');
  if (file === undefined) throw new Error('SmolLM2 is missing: npm run tools -- smollm2');
  const gguf = await readFile(file);
  const name = nameOf(gguf);
  const ollama = await startOllama({ store });
  try {
    for (let index = 0; index < modelCount; index++) {
      await ollama.createModel(`m${index}`, { gguf: renamedGguf(gguf, `${name.slice(0, -1)}${index}`) });
    }
  } finally {
    await ollama.stop();
  }
}

function traceOf(seed: number, requests: number): TraceRequest[] {
  return zipfWorkload(modelCount, perSecond)
    .plan(seed, requests)
    .requests.map((request, index) => ({
      index,
      atMs: request.atMs,
      model: request.model,
      tokens: Math.min(tokensMax, Math.max(1, Math.round(request.tokensMs / 10))),
      promptBytes: 200,
    }));
}

async function loadsOf(servers: readonly RealOllama[]): Promise<number> {
  const logs = await Promise.all(servers.map(server => server.log()));
  return logs.reduce((sum, log) => sum + log.split('msg="loading model"').length - 1, 0);
}

async function run(name: string, store: string, trace: readonly TraceRequest[]): Promise<RealRun> {
  const kind = routers[name];
  if (kind === undefined) throw new Error(`there is no router ${name}`);
  const servers: RealOllama[] = [];
  try {
    for (let index = 0; index < serverCount; index++) {
      servers.push(await startOllama({ store, settings: { MAX_LOADED_MODELS: '1' } }));
    }
    const router = await kind.start(
      servers.map(server => server.url),
      modelCount,
    );
    try {
      const outcomes = await play({ url: router.url, whole: 'with-last-line' }, trace);
      const good = outcomes.filter(outcome => outcome.failed === undefined);
      for (const outcome of outcomes) if (outcome.failed !== undefined) console.log(name, outcome.failed);
      const firsts = good.map(outcome => outcome.firstMs ?? NaN);
      return {
        meanMs: Math.round(mean(firsts)),
        p50Ms: Math.round(quantile(firsts, 0.5)),
        p99Ms: Math.round(quantile(firsts, 0.99)),
        loads: await loadsOf(servers),
        failed: outcomes.length - good.length,
        requests: outcomes.length,
      };
    } finally {
      await router.stop();
    }
  } finally {
    for (const server of servers) await server.stop();
  }
}

export async function realOllama(options: BenchOptions): Promise<void> {
  const names = ['bigo', 'nginx'];
  const { seeds, requests } = options.quick
    ? { seeds: [1], requests: 20 }
    : { seeds: [1, 2, 3], requests: 60 };
  const store = await mkdtemp(path.join(tmpdir(), 'bigo-bench-store-'));
  const runs: Record<string, RealRun[]> = {};
  try {
    await fillStore(store);
    for (const seed of seeds) {
      for (const name of seed % 2 === 0 ? names.toReversed() : names) {
        const row = await run(name, store, traceOf(seed, requests));
        (runs[name] ??= []).push(row);
        console.log(`real ${name.padEnd(6)} ${JSON.stringify(row)}`);
      }
    }
  } finally {
    await rm(store, { recursive: true, force: true });
  }
  const middle = Object.entries(runs).map(([name, rows]) => [name, medians(rows)] as const);
  const data: RealData = {
    servers: serverCount,
    models: modelCount,
    perSecond,
    runs,
    medians: Object.fromEntries(middle),
  };
  await saveResult('real-ollama', { quick: options.quick, what: 'real Ollama', leftOut: {}, data });
}

if (import.meta.main) await realOllama(optionsFrom(process.argv.slice(2)));
