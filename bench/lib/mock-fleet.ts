// Mock Ollama processes that schedule as the real one does: one loader each, unload and load take time, /api/ps shows loading runners.
// Never shared between two runs: every run begins with nothing loaded.
import path from 'node:path';
import type { SimModel } from '../../src/sim/types.ts';
import { makeHome, start, whenPrinted } from './process.ts';
import type { Running } from './process.ts';

const program = path.resolve(import.meta.dirname, '../../test/fakes/ollama/main.ts');

export interface MockOllama extends Running {
  readonly url: string;
}

export interface Counts {
  readonly loads: number;
  readonly unloads: number;
  readonly refused: number;
  readonly done: number;
  readonly cancelled: number;
}

export interface MockSettings {
  readonly models: readonly SimModel[];
  readonly runners: number;
  readonly places: number;
  readonly unloadMs: number;
  readonly tokenMs: number;
  readonly promptMsPerKib: number;
  /** As many as any request asks for: its num_predict alone says how long an answer is. */
  readonly tokensMax: number;
}

async function startOne(name: string, settings: MockSettings): Promise<MockOllama> {
  const home = await makeHome(name);
  const models = settings.models.map(({ name: model, weights, sizeBytes, loadMs }) => {
    return { name: model, weights, sizeBytes, loadMs };
  });
  const args = [program, '--listen', '127.0.0.1:0', '--models', JSON.stringify(models)];
  const numbers = {
    'max-loaded': settings.runners,
    'num-parallel': settings.places,
    'unload-ms': settings.unloadMs,
    'token-ms': settings.tokenMs,
    'prompt-ms-per-kib': settings.promptMsPerKib,
    'tokens-median': settings.tokensMax,
    'tokens-sigma': 0,
  };
  for (const [flag, value] of Object.entries(numbers)) args.push(`--${flag}`, String(value));
  const running = await start({ name, program: process.execPath, args, home }, whenPrinted);
  return Object.assign(running, { url: running.ready.url });
}

export async function startMockFleet(count: number, settings: MockSettings): Promise<MockOllama[]> {
  const started: MockOllama[] = [];
  try {
    for (let index = 0; index < count; index++) started.push(await startOne(`ollama${index}`, settings));
    return started;
  } catch (error) {
    for (const mock of started) await mock.stop();
    throw error;
  }
}

export async function countsOf(fleet: readonly MockOllama[]): Promise<Counts[]> {
  const states = fleet.map(async mock => {
    const answer = await fetch(`${mock.url}/__control`);
    return ((await answer.json()) as { counts: Counts }).counts;
  });
  return Promise.all(states);
}
