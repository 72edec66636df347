// Paced streams through BigO and through nginx: when they end against the ideal, how many hold, and what memory they and many requests take.
// Never blames a proxy for the rig: the same streams without any proxy are measured beside them.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { costOf } from './lib/cpu.ts';
import { inspectorUrl, memoryAfterCollection } from './lib/inspector.ts';
import { chatBody, connections, optionsFrom, proxyCore, restCore } from './lib/load.ts';
import type { BenchOptions } from './lib/load.ts';
import { makeHome, start, whenPrinted } from './lib/process.ts';
import type { Running } from './lib/process.ts';
import { saveResult } from './lib/results.ts';
import { quantile, rounded } from './lib/stats.ts';
import { drive } from './lib/wrk.ts';
import { startBigo } from './peers/bigo.ts';
import { startNginxMock, startNginxProxy } from './peers/nginx.ts';

const run = promisify(execFile);
const chunksPerStream = 200;
const chunkMs = 5;
const idealMs = chunksPerStream * chunkMs;
const holdsAt = 1.06;
const warmUpStreams = 100;
const slowStreams = 2_000;
const slowChunks = 20;
const slowStreamsMs = slowChunks * 1_000;
const outputBytesMax = 64 * 1024 * 1024;

export interface StreamRow {
  readonly name: string;
  readonly streams: number;
  readonly ended: number;
  readonly broken: number;
  /** Against the ideal. */
  readonly p50: number;
  readonly p99: number;
  /** Of one core. */
  readonly cpuShare: number;
  readonly cpuUsPerChunk: number;
}

export interface StreamsData {
  readonly rows: readonly StreamRow[];
  /** The highest count whose p99 is within 1.06 × the ideal. */
  readonly holds: Readonly<Record<string, number>>;
  readonly openStreams: number;
  readonly openRssMb: number;
  readonly idleRssMb: number;
  readonly collected: readonly {
    readonly requests: number;
    readonly rssMb: number;
    readonly heapMb: number;
  }[];
}

interface Target {
  readonly name: string;
  readonly url: string;
  readonly running: Running | undefined;
}

interface Mock extends Running {
  readonly url: string;
  readonly urls: readonly string[];
}

function namedBackends(mock: Mock): string[] {
  return mock.urls.map((url, index) => `${url},name=mock${index},slots=256`);
}

async function startMock(chunks: number, intervalMs: number): Promise<Mock> {
  const home = await makeHome('paced');
  const file = path.join(import.meta.dirname, 'mocks/paced.ts');
  const args = [file, String(chunks), String(intervalMs)];
  const running = await start(
    { name: 'paced', program: process.execPath, args, home, core: restCore },
    whenPrinted,
  );
  return Object.assign(running, { url: running.ready.url, urls: running.ready.urls ?? [] });
}

interface Took {
  /** Of the streams that began after the warm-up. */
  readonly took: readonly number[];
  readonly ended: number;
  readonly broken: number;
}

async function stream(target: Target, streams: number, seconds: number): Promise<StreamRow> {
  const client = path.join(import.meta.dirname, 'mocks/stream-client.ts');
  const args = [
    '-c',
    String(restCore),
    process.execPath,
    client,
    target.url,
    String(streams),
    String(seconds),
  ];
  const before = target.running === undefined ? undefined : costOf(target.running.pid);
  const startedMs = performance.now();
  const { stdout } = await run('taskset', args, { maxBuffer: outputBytesMax });
  const wallMs = performance.now() - startedMs;
  const after = target.running === undefined ? undefined : costOf(target.running.pid);
  const cpuMs = (after?.cpuMs ?? 0) - (before?.cpuMs ?? 0);
  const { took, ended, broken } = JSON.parse(stdout) as Took;
  return {
    name: target.name,
    streams,
    ended: took.length,
    broken,
    p50: rounded(quantile(took, 0.5) / idealMs),
    p99: rounded(quantile(took, 0.99) / idealMs),
    cpuShare: rounded(cpuMs / wallMs),
    cpuUsPerChunk: rounded((cpuMs * 1000) / (ended * chunksPerStream)),
  };
}

async function paced(counts: readonly number[], seconds: number): Promise<StreamRow[]> {
  const mock = await startMock(chunksPerStream, chunkMs);
  const nginx = await startNginxProxy(mock.urls, { core: proxyCore });
  const bigo = await startBigo({ core: proxyCore, backends: namedBackends(mock) });
  const targets: Target[] = [
    { name: 'no proxy', url: mock.url, running: undefined },
    { name: 'nginx', url: nginx.url, running: nginx },
    { name: 'bigo', url: bigo.url, running: bigo },
  ];
  const rows: StreamRow[] = [];
  try {
    // What compiles itself while it runs is to be as fast as it gets before anything is measured.
    for (const target of targets) await stream(target, warmUpStreams, seconds);
    for (const [round, count] of counts.entries()) {
      for (let turn = 0; turn < targets.length; turn++) {
        const target = targets[(round + turn) % targets.length];
        if (target === undefined || hasFallen(rows, target.name)) continue;
        const row = await stream(target, count, seconds);
        rows.push(row);
        console.log(`streams ${JSON.stringify(row)}`);
      }
    }
  } finally {
    await bigo.stop();
    await nginx.stop();
    await mock.stop();
  }
  return rows;
}

/** Twice over the bar: more streams would tell nothing new. */
function hasFallen(rows: readonly StreamRow[], name: string): boolean {
  return rows.filter(row => row.name === name && row.p99 > holdsAt).length >= 2;
}

function holding(rows: readonly StreamRow[]): Record<string, number> {
  const holds: Record<string, number> = {};
  for (const row of rows) {
    holds[row.name] ??= 0;
    if (row.p99 <= holdsAt && row.broken === 0) holds[row.name] = Math.max(holds[row.name] ?? 0, row.streams);
  }
  return holds;
}

/** Resident memory while so many streams are open, a chunk a second each. */
async function openMemory(): Promise<{ openRssMb: number; idleRssMb: number }> {
  const mock = await startMock(slowChunks, 1_000);
  const bigo = await startBigo({ core: proxyCore, backends: namedBackends(mock) });
  try {
    const idleRssMb = rounded(costOf(bigo.pid).rssMb);
    const client = path.join(import.meta.dirname, 'mocks/stream-client.ts');
    const finished = run(process.execPath, [client, bigo.url, String(slowStreams), '1'], {
      maxBuffer: outputBytesMax,
    });
    await sleep(slowStreamsMs / 2);
    const openRssMb = rounded(costOf(bigo.pid).rssMb);
    const { ended, broken } = JSON.parse((await finished).stdout) as Took;
    if (broken > 0 || ended < slowStreams)
      throw new Error(`${broken} of ${slowStreams} slow streams broke, ${ended} ended`);
    return { openRssMb, idleRssMb };
  } finally {
    await bigo.stop();
    await mock.stop();
  }
}

/** Memory after a forced collection, when so many requests have gone through. */
async function collectedMemory(marks: readonly number[]): Promise<StreamsData['collected']> {
  const mock = await startNginxMock(restCore);
  const bigo = await startBigo({
    core: proxyCore,
    backends: [`${mock.url},name=mock,slots=${connections}`],
    nodeFlags: ['--inspect=127.0.0.1:0'],
  });
  const rows: { requests: number; rssMb: number; heapMb: number }[] = [];
  try {
    const inspector = inspectorUrl(await bigo.log());
    let sent = 0;
    for (const mark of marks) {
      while (sent < mark) {
        const load = {
          url: `${bigo.url}/api/chat`,
          body: chatBody(),
          connections,
          seconds: 1,
          core: restCore,
        };
        sent += (await drive(load)).requests;
      }
      const memory = await memoryAfterCollection(inspector);
      rows.push({ requests: sent, rssMb: rounded(memory.rssMb), heapMb: rounded(memory.heapMb) });
      console.log(`streams ${JSON.stringify(rows.at(-1))}`);
    }
    return rows;
  } finally {
    await bigo.stop();
    await mock.stop();
  }
}

export async function streams(options: BenchOptions): Promise<void> {
  const counts = options.quick ? [50, 100] : [100, 200, 300, 350, 400, 450, 500, 600, 700, 800];
  const rows = await paced(counts, options.quick ? 2 : 6);
  const memory = await openMemory();
  console.log(`streams ${JSON.stringify(memory)}`);
  const collected = await collectedMemory(options.quick ? [2_000, 5_000] : [20_000, 100_000]);
  const data: StreamsData = { rows, holds: holding(rows), openStreams: slowStreams, ...memory, collected };
  await saveResult('streams', { quick: options.quick, what: 'paced streams and memory', leftOut: {}, data });
}

if (import.meta.main) await streams(optionsFrom(process.argv.slice(2)));
