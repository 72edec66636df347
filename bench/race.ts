// The race: real routers in front of mock Ollamas that schedule as the real one does, with the same arrivals for each.
// Never lets a router know what comes, and never keeps anything from one run to the next: processes and backends are new each time.
import { zipfWorkload } from '../src/sim/workloads.ts';
import { optionsFrom } from './lib/load.ts';
import type { BenchOptions } from './lib/load.ts';
import { countsOf, startMockFleet } from './lib/mock-fleet.ts';
import type { MockOllama } from './lib/mock-fleet.ts';
import { play } from './lib/race-client.ts';
import type { Outcome, TraceRequest } from './lib/race-client.ts';
import { loadResult, saveResult } from './lib/results.ts';
import { stampOf } from './lib/routing-doc.ts';
import { mean, median, quantile, rounded } from './lib/stats.ts';
import { routers } from './peers/routers.ts';
import type { RaceRouter } from './peers/routers.ts';

const backendCount = 4;
const tokenMs = 5;
const promptMsPerKib = 20;
const unloadMs = 300;
/** Each with backends of its own; four take about half of a machine of two cores. */
const atOnce = 4;
const estimatedFromMs = 200;

export interface RaceRun {
  readonly workload: string;
  readonly seed: number;
  readonly router: string;
  readonly version: string;
  readonly requests: number;
  readonly failed: number;
  readonly failures: readonly string[];
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly loads: number;
  readonly servedBy: readonly number[];
  /** Share of answers that came in more than one piece, of those that should. */
  readonly streamed: number;
  /** |estimate − real| ÷ real of requests that waited over 200 ms, where the router logs an estimate: how many, and the median. */
  readonly estimates: { readonly count: number; readonly medianError: number };
}

export interface RaceSummary {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly loads: number;
  readonly failed: number;
}

export interface RaceData {
  readonly runs: readonly RaceRun[];
  /** Medians over the seeds: workload, then router. */
  readonly medians: Readonly<Record<string, Readonly<Record<string, RaceSummary>>>>;
  readonly configured: Readonly<Record<string, string>>;
}

interface Heat {
  readonly modelCount: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly seed: number;
}

function nameOf(heat: Heat): string {
  return `${heat.modelCount} models, ${heat.perSecond}/s`;
}

function planOf(heat: Heat) {
  const plan = zipfWorkload(heat.modelCount, heat.perSecond).plan(heat.seed, heat.perSecond * heat.seconds);
  const trace: TraceRequest[] = plan.requests.map((request, index) => ({
    index,
    atMs: request.atMs,
    model: request.model,
    tokens: Math.max(1, Math.round(request.tokensMs / tokenMs)),
    promptBytes: request.promptBytes,
  }));
  return { models: plan.backends[0]?.models ?? [], trace };
}

/** What BigO's log says that it expected, against what the client saw on the whole. */
function estimateErrors(log: string): number[] {
  return log.split('\n').flatMap(line => {
    if (!line.includes('"estimateMs"')) return [];
    const { estimateMs, firstByteMs } = JSON.parse(line) as { estimateMs?: number; firstByteMs?: number };
    if (estimateMs === undefined || firstByteMs === undefined || firstByteMs <= estimatedFromMs) return [];
    return [rounded(Math.abs(estimateMs - firstByteMs) / firstByteMs)];
  });
}

async function runHeat(heat: Heat, name: string): Promise<RaceRun> {
  const kind = routers[name];
  if (kind === undefined) throw new Error(`there is no router ${name}`);
  const { models, trace } = planOf(heat);
  const tokensMax = Math.max(...trace.map(each => each.tokens));
  const settings = { models, runners: 2, places: 1, unloadMs, tokenMs, promptMsPerKib, tokensMax };
  const fleet = await startMockFleet(backendCount, settings);
  try {
    const router = await kind.start(
      fleet.map(mock => mock.url),
      models.length,
    );
    try {
      const outcomes = await play({ url: router.url, whole: kind.whole ?? 'with-last-line' }, trace);
      return await figures(heat, { name, router, fleet, outcomes, trace });
    } finally {
      await router.stop();
    }
  } finally {
    await Promise.all(fleet.map(mock => mock.stop()));
  }
}

interface Ran {
  readonly name: string;
  readonly router: RaceRouter;
  readonly fleet: readonly MockOllama[];
  readonly outcomes: readonly Outcome[];
  readonly trace: readonly TraceRequest[];
}

async function figures(heat: Heat, ran: Ran): Promise<RaceRun> {
  const good = ran.outcomes.filter(outcome => outcome.failed === undefined);
  const bad = ran.outcomes.filter(outcome => outcome.failed !== undefined);
  const firsts = good.map(outcome => outcome.firstMs ?? NaN);
  const counts = await countsOf(ran.fleet);
  const errors = estimateErrors(await ran.router.log());
  const long = good.filter(outcome => outcome.lines > 20);
  return {
    workload: nameOf(heat),
    seed: heat.seed,
    router: ran.name,
    version: ran.router.version,
    requests: ran.outcomes.length,
    failed: bad.length,
    failures: [...new Set(bad.map(outcome => outcome.failed ?? ''))].slice(0, 5),
    meanMs: Math.round(mean(firsts)),
    p50Ms: Math.round(median(firsts)),
    p90Ms: Math.round(quantile(firsts, 0.9)),
    p99Ms: Math.round(quantile(firsts, 0.99)),
    maxMs: Math.round(Math.max(...firsts)),
    loads: counts.reduce((sum, count) => sum + count.loads, 0),
    servedBy: counts.map(count => count.done),
    streamed: rounded(long.filter(outcome => outcome.pieces > 5).length / long.length),
    estimates: { count: errors.length, medianError: rounded(median(errors)) },
  };
}

function summarise(runs: readonly RaceRun[]): RaceData['medians'] {
  const table: Record<string, Record<string, RaceSummary>> = {};
  for (const { workload, router } of runs) {
    const own = runs.filter(run => run.workload === workload && run.router === router);
    const middle = (figure: (run: RaceRun) => number): number => median(own.map(figure));
    (table[workload] ??= {})[router] = {
      meanMs: middle(run => run.meanMs),
      p50Ms: middle(run => run.p50Ms),
      p99Ms: middle(run => run.p99Ms),
      loads: middle(run => run.loads),
      failed: own.reduce((sum, run) => sum + run.failed, 0),
    };
  }
  return table;
}

function heatsOf(quick: boolean): Heat[] {
  if (quick) return [{ modelCount: 8, perSecond: 3, seconds: 20, seed: 1 }];
  return [3, 6].flatMap(perSecond =>
    [8, 12].flatMap(modelCount =>
      [1, 2, 3, 4, 5].map(seed => ({ modelCount, perSecond, seconds: 100, seed })),
    ),
  );
}

interface Run {
  readonly heat: Heat;
  readonly name: string;
}

function isOf(run: RaceRun, { heat, name }: Run): boolean {
  return run.workload === nameOf(heat) && run.seed === heat.seed && run.router === name;
}

/** Heat by heat, so that those who are compared run at the same time; another order in each heat. */
function runsOf(heats: readonly Heat[], names: readonly string[]): Run[] {
  return heats.flatMap((heat, turn) =>
    names.map((_, index) => ({ heat, name: names[(index + turn) % names.length] ?? '' })),
  );
}

/** What an earlier, cut race of these routers left; what this checkout decides otherwise now is raced again. */
async function earlierRuns(options: BenchOptions): Promise<RaceRun[]> {
  if (options.quick) return [];
  const earlier = await loadResult<RaceData>('race');
  const now = `policy ${stampOf()}`;
  return (earlier?.data.runs ?? []).filter(run => run.router !== 'bigo' || run.version === now);
}

/** Every run is kept as soon as it ended: a race that is cut goes on where it was. */
export async function race(options: BenchOptions): Promise<void> {
  const names = Object.keys(routers).filter(name => options.only.length === 0 || options.only.includes(name));
  const runs = await earlierRuns(options);
  const leftOut: Record<string, string> = {};
  const save = async (): Promise<void> => {
    const configured = Object.fromEntries(
      Object.entries(routers).map(([each, kind]) => [each, kind.configured]),
    );
    const data: RaceData = { runs, medians: summarise(runs), configured };
    await saveResult('race', { quick: options.quick, what: 'the race', leftOut, data });
  };
  const wanted = runsOf(heatsOf(options.quick), names);
  const todo = wanted.filter(each => !runs.some(run => isOf(run, each)));
  const lane = async (): Promise<void> => {
    for (let next = todo.shift(); next !== undefined; next = todo.shift()) {
      const { heat, name } = next;
      if (leftOut[name] !== undefined) continue;
      const run = await runHeat(heat, name).catch((error: Error) => void (leftOut[name] = error.message));
      if (run === undefined) continue;
      runs.push(run);
      console.log(`race ${JSON.stringify(run)}`);
      await save();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  await save();
  for (const [name, why] of Object.entries(leftOut)) console.log(`race ${name} is left out: ${why}`);
}

if (import.meta.main) await race(optionsFrom(process.argv.slice(2)));
