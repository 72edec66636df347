// Where the gateway's CPU time goes under the load of bench/overhead.ts: the functions with the most time of their own.
// Usage: node bench/profile.ts [seconds]. Never keeps the profile, and its times are by the clock: they mean something on a quiet machine.
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { startBigo } from './peers/bigo.ts';
import { startNginxMock } from './peers/nginx.ts';
import { chatBody, connections, proxyCore, restCore } from './lib/load.ts';
import { makeHome } from './lib/process.ts';
import { drive } from './lib/wrk.ts';

const linesShown = 40;

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Sample {
  readonly name: string;
  readonly file: string;
  readonly us: number;
}

const warmUpSeconds = 15;

/** Of the last part of the run, when everything is compiled and warm. */
function samplesOf(profile: Profile, lastUs: number): Sample[] {
  const nodes = new Map(profile.nodes.map(node => [node.id, node.callFrame]));
  const samples: Sample[] = [];
  let us = 0;
  for (let index = profile.samples.length - 1; index >= 0 && us < lastUs; index--) {
    const frame = nodes.get(profile.samples[index] ?? 0);
    const deltaUs = profile.timeDeltas[index] ?? 0;
    const file = (frame?.url ?? '').replace(/^file:.*?\/(?=src\/|node_modules\/)/, '') || '(native)';
    const name = `${frame?.functionName || '(anonymous)'}  ${file}:${(frame?.lineNumber ?? 0) + 1}`;
    us += deltaUs;
    samples.push({ name, file, us: deltaUs });
  }
  return samples.filter(({ name }) => !name.startsWith('(idle)') && !name.startsWith('(program)'));
}

function sums(samples: readonly Sample[], key: (sample: Sample) => string): [string, number][] {
  const times = new Map<string, number>();
  for (const sample of samples) times.set(key(sample), (times.get(key(sample)) ?? 0) + sample.us);
  return [...times].toSorted((a, b) => b[1] - a[1]);
}

/** node_modules/NAME is one place; so is a folder of src. */
function placeOf(file: string): string {
  return /^(?:node_modules\/[^/]+|node:\w+|src\/\w+(?:\/core\/\w+)?)/.exec(file)?.[0] ?? file;
}

function print(title: string, times: readonly (readonly [string, number])[], requests: number): void {
  const totalUs = times.reduce((sum, [, us]) => sum + us, 0);
  console.log(`\n${title}: ${(totalUs / requests).toFixed(1)} µs a request`);
  for (const [name, us] of times.slice(0, linesShown)) {
    const share = ((100 * us) / totalUs).toFixed(1).padStart(5);
    console.log(`${share} %  ${(us / requests).toFixed(2).padStart(6)} µs  ${name}`);
  }
}

const seconds = Number(process.argv[2] ?? 8);
const folder = await makeHome('profile');
const mock = await startNginxMock(restCore);
try {
  const gateway = await startBigo({
    core: proxyCore,
    backends: [`${mock.url},name=mock,slots=${connections}`],
    nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200'],
  });
  const url = `${gateway.url}/api/chat`;
  const load = { url, body: chatBody(), connections, core: restCore };
  await drive({ ...load, seconds: warmUpSeconds });
  const { requests: all, seconds: took } = await drive({ ...load, seconds });
  await gateway.stop();
  const [file] = (await readdir(folder)).filter(name => name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error('no profile was written: the gateway did not end by itself');
  const profile = JSON.parse(await readFile(path.join(folder, file), 'utf8')) as Profile;
  const share = 0.9;
  const samples = samplesOf(profile, took * share * 1e6);
  const requests = all * share;
  print(
    'by place',
    sums(samples, ({ file }) => placeOf(file)),
    requests,
  );
  print(
    'by file',
    sums(samples, ({ file }) => file),
    requests,
  );
  print(
    'by function',
    sums(samples, ({ name }) => name),
    requests,
  );
} finally {
  await mock.stop();
  await rm(folder, { recursive: true, force: true });
}
