// What a request costs: BigO beside nginx, Portkey and LiteLLM, in turn, each alone on one core, in front of one mock backend.
// Never compares runs with each other: every figure is given as a ratio to nginx in the same run.
import { startBigo } from './peers/bigo.ts';
import { startLitellm, startPortkey } from './peers/gateways.ts';
import { startNginxMock, startNginxProxy } from './peers/nginx.ts';
import { startThinProxy } from './peers/thin-proxy.ts';
import { costOf } from './lib/cpu.ts';
import { chatBody, connections, optionsFrom, proxyCore, restCore } from './lib/load.ts';
import type { BenchOptions } from './lib/load.ts';
import type { Running } from './lib/process.ts';
import { saveResult } from './lib/results.ts';
import { medians, rounded } from './lib/stats.ts';
import { drive } from './lib/wrk.ts';

export interface OverheadRound extends Record<string, number> {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMb: number;
}

export interface OverheadData {
  readonly rounds: Readonly<Record<string, readonly OverheadRound[]>>;
  readonly medians: Readonly<Record<string, OverheadRound>>;
  readonly versions: Readonly<Record<string, string>>;
}

interface Contestant {
  readonly name: string;
  readonly running: Running;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly version: string;
}

type Start = () => Promise<Contestant>;

function contestants(backend: string): Readonly<Record<string, Start>> {
  const native = '/api/chat';
  const openai = '/v1/chat/completions';
  const found = (
    running: Running & { url: string; headers?: Readonly<Record<string, string>>; version?: string },
    route: string,
  ) => {
    return {
      name: running.name,
      running,
      url: running.url + route,
      headers: running.headers ?? {},
      version: running.version ?? '',
    };
  };
  return {
    nginx: async () => found(await startNginxProxy([backend], { core: proxyCore }), native),
    bigo: async () => {
      return found(
        await startBigo({ core: proxyCore, backends: [`${backend},name=mock,slots=${connections}`] }),
        native,
      );
    },
    thin: async () => found(await startThinProxy(backend, proxyCore), native),
    portkey: async () => found(await startPortkey(backend, proxyCore), openai),
    litellm: async () => found(await startLitellm(backend, proxyCore), openai),
  };
}

/** One request by hand: whoever does not answer with the backend's own words is not measured. */
async function answersRightly(contestant: Contestant): Promise<void> {
  const headers = { 'content-type': 'application/json', ...contestant.headers };
  const answer = await fetch(contestant.url, { method: 'POST', headers, body: chatBody() });
  const text = await answer.text();
  if (!answer.ok || !text.includes('Hello there')) {
    throw new Error(`${contestant.name} answered ${answer.status}: ${text.slice(0, 300)}`);
  }
}

async function measure(contestant: Contestant, seconds: number): Promise<OverheadRound> {
  const { url, headers, running } = contestant;
  const before = costOf(running.pid);
  const load = await drive({ url, headers, body: chatBody(), connections, seconds, core: restCore });
  const after = costOf(running.pid);
  if (load.errors > 0)
    throw new Error(`${contestant.name}: ${load.errors} of ${load.requests} requests failed`);
  return {
    perSecond: rounded(load.requests / load.seconds),
    cpuUs: rounded(((after.cpuMs - before.cpuMs) * 1000) / load.requests),
    p50Ms: rounded(load.p50Ms),
    p99Ms: rounded(load.p99Ms),
    rssMb: rounded(after.rssMb),
  };
}

export async function overhead(options: BenchOptions): Promise<void> {
  const { rounds, seconds } = options.quick ? { rounds: 2, seconds: 2 } : { rounds: 5, seconds: 6 };
  const mock = await startNginxMock(restCore);
  const started: Contestant[] = [];
  const leftOut: Record<string, string> = {};
  try {
    for (const [name, startIt] of Object.entries(contestants(mock.url))) {
      if (options.only.length > 0 && !options.only.includes(name)) continue;
      const contestant = await startIt().catch((error: Error) => void (leftOut[name] = error.message));
      if (contestant === undefined) continue;
      started.push(contestant);
      await answersRightly(contestant);
    }
    for (const contestant of started) await warmUp(contestant, options.quick);
    const data = await inTurn(started, rounds, seconds);
    await saveResult('overhead', { quick: options.quick, what: 'request overhead', leftOut, data });
  } finally {
    for (const { running } of [...started].reverse()) await running.stop();
    await mock.stop();
  }
}

/** What compiles itself while it runs needs so many requests until it is as fast as it gets: for everybody alike. */
async function warmUp(contestant: Contestant, quick: boolean): Promise<void> {
  const { requestsMin, msMax } = quick ? quickWarmUp : fullWarmUp;
  const startMs = performance.now();
  let requests = 0;
  while (requests < requestsMin && performance.now() - startMs < msMax) {
    const { url, headers } = contestant;
    const load = { url, headers, body: chatBody(), connections, seconds: 3, core: restCore };
    requests += (await drive(load)).requests;
  }
  console.log(`overhead warm-up ${contestant.name.padEnd(8)} ${requests} requests`);
}

const quickWarmUp = { requestsMin: 2_000, msMax: 5_000 };
const fullWarmUp = { requestsMin: 100_000, msMax: 45_000 };

/** Each round begins with another one, so that nobody always comes first. */
async function inTurn(
  started: readonly Contestant[],
  rounds: number,
  seconds: number,
): Promise<OverheadData> {
  const measured: Record<string, OverheadRound[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < started.length; turn++) {
      const contestant = started[(round + turn) % started.length];
      if (contestant === undefined) continue;
      const figures = await measure(contestant, seconds);
      (measured[contestant.name] ??= []).push(figures);
      console.log(`overhead ${round + 1}/${rounds} ${contestant.name.padEnd(8)} ${JSON.stringify(figures)}`);
    }
  }
  const middle = Object.entries(measured).map(([name, rows]) => [name, medians(rows)] as const);
  const versions = Object.fromEntries(started.map(({ name, version }) => [name, version]));
  return { rounds: measured, medians: Object.fromEntries(middle), versions };
}

if (import.meta.main) await overhead(optionsFrom(process.argv.slice(2)));
