// The implementations that the contract suite runs against, and how each is started. Never decides which cases run.
import { find } from '../tools/parts.ts';
import { startOllama } from '../tools/real-ollama.ts';
import { openAsBlob } from 'node:fs';
import { sha256File } from '../../scripts/fetch/cache.ts';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import { startEngineProcess } from './gateway-process.ts';
import type { Kind } from './target.ts';

export const MODEL = 'smollm2:135m';
/** Thinks and calls tools; only the fake has one. */
export const THINKER = 'thinker:1b';

export interface Started {
  readonly url: string;
  stop(): Promise<void>;
}

/** A text instead of a server says why it cannot run here. */
export const START: Readonly<Record<Kind, () => Promise<Started | string>>> = {
  fake: startFake,
  ollama: startReal,
  engine: startEngine,
};

async function startFake(): Promise<Started> {
  return startFakeOllama({
    models: [
      { name: MODEL, sizeBytes: 98_363_007, family: 'llama', parameterSize: '134.52M', quantization: 'Q4_1' },
      { name: THINKER, family: 'qwen3', capabilities: ['completion', 'tools', 'thinking'] },
    ],
    registry: [{ name: 'registered:1b', sizeBytes: 1_000_000 }],
    tokenMs: 2,
    loadMsPerGib: 100,
  });
}

async function startReal(): Promise<Started | string> {
  const [binary, gguf] = [await find('ollama'), await find('smollm2')];
  if (binary === undefined || gguf === undefined)
    return 'needs ollama and smollm2: npm run tools -- ollama smollm2';
  const ollama = await startOllama();
  try {
    await ollama.createModel(MODEL, { gguf, parameters: { num_ctx: 2048 } });
  } catch (error) {
    await ollama.stop();
    throw error;
  }
  return ollama;
}

async function startEngine(): Promise<Started | string> {
  const [gguf, llama] = [await find('smollm2'), await find('llama')];
  if (gguf === undefined || llama === undefined)
    return 'needs smollm2 and llama: npm run tools -- smollm2 llama';
  const engine = await startEngineProcess();
  try {
    await addModel(engine.url, gguf);
  } catch (error) {
    await engine.stop();
    throw error;
  }
  return engine;
}

async function addModel(url: string, gguf: string): Promise<void> {
  const digest = `sha256:${await sha256File(gguf)}`;
  const create = {
    model: MODEL,
    files: { 'model.gguf': digest },
    parameters: { num_ctx: 2048 },
    stream: false,
  };
  const steps = [
    [`/api/blobs/${digest}`, await openAsBlob(gguf)],
    ['/api/create', JSON.stringify(create)],
  ] as const;
  for (const [route, body] of steps) {
    const answer = await fetch(url + route, { method: 'POST', body });
    if (!answer.ok) throw new Error(`${route} answered ${answer.status}: ${await answer.text()}`);
  }
}
