// Usage over two gateways and a manager, all real processes, some of them killed with -9: the counters are what the clients saw.
// BIGO_TEST_USAGE_REQUESTS asks for another number of requests than the few that every run sends.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { aHome, type Home, type Running } from '../cli/bigo.ts';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import { freePort } from '../tools/free-port.ts';

const requestsTotal = Number(process.env['BIGO_TEST_USAGE_REQUESTS'] ?? 600);
const rounds = 4;
const clients = 8;
const longStreams = 6;
const leavers = 5;
const untilMsMax = 60_000;
const processMsMax = 590_000;
const model = 'm:1';

/** What the clients saw. */
class Seen {
  finals = 0;
  failed = 0;
  left = 0;
  promptTokens = 0;
  tokens = 0;
}

interface LastLine {
  readonly done?: boolean;
  readonly error?: string;
  readonly prompt_eval_count?: number;
  readonly eval_count?: number;
}

/** `onFirst` may leave by the signal; a request is served when its last line says so. */
async function ask(
  url: string,
  seen: Seen,
  wish: { readonly tokens: number; readonly onFirst?: () => void; readonly signal?: AbortSignal },
): Promise<void> {
  const body = JSON.stringify({ model, prompt: 'x', options: { num_predict: wish.tokens } });
  const { signal = null } = wish;
  try {
    const response = await fetch(`${url}/api/generate`, { method: 'POST', body, signal });
    let text = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      if (text === '') wish.onFirst?.();
      text += Buffer.from(chunk).toString();
    }
    const last = JSON.parse(text.trimEnd().split('\n').at(-1) ?? '{}') as LastLine;
    if (last.done !== true) throw new Error(last.error ?? 'no last line');
    seen.finals += 1;
    seen.promptTokens += last.prompt_eval_count ?? 0;
    seen.tokens += last.eval_count ?? 0;
  } catch {
    if (signal?.aborted === true) seen.left += 1;
    else seen.failed += 1;
  }
}

async function many(urls: readonly string[], count: number, seen: Seen): Promise<void> {
  let begun = 0;
  const client = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      await ask(urls[begun % urls.length] ?? '', seen, { tokens: 3 });
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
}

/** Streams that never end by themselves; resolves when each is under way. */
async function begin(
  url: string,
  seen: Seen,
  count: number,
): Promise<{ leave: () => void; ended: Promise<void> }> {
  const stop = new AbortController();
  const first: Promise<void>[] = [];
  const all = Array.from({ length: count }, () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    first.push(promise);
    return ask(url, seen, { tokens: 1_000_000, onFirst: resolve, signal: stop.signal });
  });
  await Promise.all(first);
  return { leave: () => stop.abort(), ended: Promise.all(all).then(() => undefined) };
}

class KilledGateway {
  readonly url: string;
  readonly adminUrl: string;
  private readonly home: Home;
  private readonly flags: readonly string[];
  private readonly env: Readonly<Record<string, string>>;
  private running: Running | undefined;

  constructor(home: Home, input: { backend: string; port: number; adminPort: number }) {
    this.home = home;
    this.url = `http://127.0.0.1:${input.port}`;
    this.adminUrl = `http://127.0.0.1:${input.adminPort}`;
    const at = ['--listen', `127.0.0.1:${input.port}`, '--admin', `127.0.0.1:${input.adminPort}`];
    this.flags = ['gateway', '--backend', input.backend, ...at];
    this.env = { BIGO_GATEWAY_JOURNAL_DIR: path.join(home.dir, `journal-${input.port}`) };
  }

  async start(): Promise<void> {
    this.running = this.home.start(this.flags, { env: this.env, timeMsMax: processMsMax });
    await this.running.ready();
  }

  async kill(): Promise<void> {
    await this.running?.kill();
  }
}

test('three killed gateways and a killed manager: every final line is counted once, and nothing else', async t => {
  const fake = await startFakeOllama({
    models: [{ name: model }],
    numParallel: 64,
    tokenMs: 10,
    tokensMedian: 500_000,
    tokensSigma: 0,
    loadMs: 1,
  });
  t.after(() => fake.stop());
  const home = aHome(t);
  const gateways: KilledGateway[] = [];
  for (let n = 0; n < 2; n++) {
    // A gateway must come back at the same address.
    const [port, adminPort] = [await freePort(), await freePort()];
    gateways.push(new KilledGateway(home, { backend: `${fake.url},slots=32`, port, adminPort }));
  }
  const [one, two] = gateways as [KilledGateway, KilledGateway];
  await Promise.all([one.start(), two.start()]);
  const named = gateways.flatMap(({ url, adminUrl }, at) => [
    '--gateway',
    `${url},admin=${adminUrl},name=g${at}`,
  ]);
  const data = path.join(home.dir, 'usage.sqlite');
  const startManager = (): Running =>
    home.start(['manager', '--listen', '127.0.0.1:0', '--data', data, ...named], { timeMsMax: processMsMax });
  let manager = startManager();
  await manager.ready();

  const seen = new Seen();
  const urls = [one.url, two.url];
  const share = Math.ceil(requestsTotal / rounds);
  await many(urls, share, seen);
  for (const [round, victim] of [one, two, one].entries()) {
    // Streams that are under way when their gateway dies, while the other one goes on serving.
    const [cut, other] = [await begin(victim.url, seen, longStreams), victim === one ? two : one];
    const going = many([other.url], share - longStreams, seen);
    await victim.kill();
    await cut.ended;
    if (round === 1) await manager.kill();
    await Promise.all([victim.start(), going]);
    if (round === 1) manager = startManager();
  }
  const { url } = await manager.ready();
  const look = async (): Promise<Record<string, number>> => {
    const response = await fetch(`${url}/api/usage`);
    const { models } = (await response.json()) as { models?: Record<string, Record<string, number>> };
    return models?.[model] ?? {};
  };
  const until = async (holds: (told: Record<string, number>) => boolean): Promise<Record<string, number>> => {
    const endMs = performance.now() + untilMsMax;
    for (;;) {
      const told = await look();
      if (holds(told)) return told;
      assert.ok(performance.now() < endMs, `told ${JSON.stringify(told)}, seen ${JSON.stringify(seen)}`);
      await sleep(100);
    }
  };
  await until(({ requests = 0 }) => requests >= seen.finals);
  const told = await look();
  t.diagnostic(`the clients saw ${JSON.stringify(seen)}; the manager tells ${JSON.stringify(told)}`);
  assert.equal(seen.failed, longStreams * 3, 'only the streams of the killed gateways fail');
  assert.ok(seen.finals + seen.failed >= requestsTotal - rounds);
  const { requests, promptTokens, completionTokens, errors = 0 } = told;
  assert.deepEqual(
    { requests, promptTokens, completionTokens },
    {
      requests: seen.finals,
      promptTokens: seen.promptTokens,
      completionTokens: seen.tokens,
    },
  );
  assert.ok(errors <= seen.failed);

  const left = await begin(one.url, seen, leavers);
  left.leave();
  await left.ended;
  assert.equal(seen.left, leavers);
  const after = await until(({ cancelled = 0 }) => cancelled >= leavers);
  assert.deepEqual([after['cancelled'], after['requests']], [leavers, seen.finals]);
});
