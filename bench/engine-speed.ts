// How fast the embedded engine writes, beside a real Ollama with the same weights and one thread each, in turn. Prints the median ratio.
// Usage: node bench/engine-speed.ts MODEL.gguf [OLLAMA-BINARY]
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveEngine } from '../src/engine/serve.ts';

const rounds = 5;
const tokens = 200;
const startMsMax = 30_000;
const MODEL = 'bench:latest';

interface Server {
  readonly name: string;
  readonly url: string;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise(resolve => probe.close(resolve));
  return port;
}

async function startOllama(binary: string, store: string): Promise<Server> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const env = { ...process.env, OLLAMA_HOST: url, OLLAMA_MODELS: store, OLLAMA_NUM_PARALLEL: '1' };
  const child = spawn(binary, ['serve'], { env, stdio: 'ignore' });
  await untilUp(url, child);
  return {
    name: 'ollama',
    url,
    stop: async () => {
      child.kill();
      await new Promise(resolve => child.once('exit', resolve));
    },
  };
}

async function untilUp(url: string, child: ChildProcess): Promise<void> {
  const deadlineMs = performance.now() + startMsMax;
  while (performance.now() < deadlineMs && child.exitCode === null) {
    const isUp = await fetch(`${url}/api/version`).then(
      answer => answer.ok,
      () => false,
    );
    if (isUp) return;
    await sleep(100);
  }
  throw new Error('Ollama did not start');
}

async function startEngine(store: string): Promise<Server> {
  const listening = await serveEngine({
    host: '127.0.0.1',
    port: 0,
    store,
    slots: 1,
    threads: 1,
    log: () => {},
  });
  return { name: 'engine', url: listening.url, stop: () => listening.close() };
}

async function addModel(server: Server, gguf: string): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(gguf)) hash.update(chunk as Buffer);
  const digest = `sha256:${hash.digest('hex')}`;
  await checked(fetch(`${server.url}/api/blobs/${digest}`, { method: 'POST', body: await readFile(gguf) }));
  const body = JSON.stringify({ model: MODEL, files: { 'model.gguf': digest }, stream: false });
  await checked(fetch(`${server.url}/api/create`, { method: 'POST', body }));
}

async function checked(answer: Promise<Response>): Promise<void> {
  const response = await answer;
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${text}`);
}

/** Tokens per second as a client sees them: from the first line to the last. */
async function measure(server: Server): Promise<number> {
  const options = { num_thread: 1, num_predict: tokens, temperature: 0.8, seed: 7, num_ctx: 2048, stop: [] };
  const prompt = 'Once upon a time, in a land far away, there lived';
  const body = JSON.stringify({ model: MODEL, prompt, raw: true, options });
  const response = await fetch(`${server.url}/api/generate`, { method: 'POST', body });
  let firstMs = 0;
  let last = '';
  for await (const chunk of response.body ?? []) {
    firstMs ||= performance.now();
    last = Buffer.from(chunk).toString('utf8').trim().split('\n').at(-1) ?? last;
  }
  const { eval_count: count } = JSON.parse(last) as { eval_count: number };
  return (count - 1) / ((performance.now() - firstMs) / 1000);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

const [gguf, binary = 'ollama'] = process.argv.slice(2);
if (gguf === undefined) throw new Error('usage: node bench/engine-speed.ts MODEL.gguf [OLLAMA-BINARY]');
const folder = await mkdtemp(join(tmpdir(), 'bigo-bench-'));
const started: Server[] = [];
try {
  const ollama = await startOllama(binary, join(folder, 'ollama'));
  const engine = await startEngine(join(folder, 'engine'));
  started.push(ollama, engine);
  for (const server of started) {
    await addModel(server, gguf);
    await measure(server);
  }
  const ratios: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const speeds = { ollama: await measure(ollama), engine: await measure(engine) };
    const ratio = speeds.engine / speeds.ollama;
    ratios.push(ratio);
    const shown = `ollama ${speeds.ollama.toFixed(1)}, engine ${speeds.engine.toFixed(1)} tokens/s`;
    console.log(`round ${round}: ${shown}, ratio ${ratio.toFixed(3)}`);
  }
  console.log(`median ratio engine / ollama: ${median(ratios).toFixed(3)} (target 0.85)`);
} finally {
  for (const server of started) await server.stop();
  await rm(folder, { recursive: true, force: true });
}
process.exit(0);
