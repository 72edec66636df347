// Where the gateway's CPU time goes under the load of bench/overhead.ts: the functions with the most time of their own.
// Usage: node bench/profile.ts [seconds]. Never keeps the profile.
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { startBigo } from './peers/bigo.ts';
import { startNginxMock } from './peers/nginx.ts';
import { chatBody, connections, proxyCore, restCore } from './lib/load.ts';
import { makeHome } from './lib/process.ts';
import { drive } from './lib/wrk.ts';

const linesShown = 45;

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

function ownTimes(profile: Profile): Map<string, number> {
  const names = new Map<number, string>();
  for (const { id, callFrame } of profile.nodes) {
    const place = callFrame.url.replace(/^file:.*?\/(?=src\/|node_modules\/)/, '');
    names.set(id, `${callFrame.functionName || '(anonymous)'}  ${place}:${callFrame.lineNumber + 1}`);
  }
  const times = new Map<string, number>();
  for (const [index, id] of profile.samples.entries()) {
    const name = names.get(id) ?? 'unknown';
    times.set(name, (times.get(name) ?? 0) + (profile.timeDeltas[index] ?? 0));
  }
  return times;
}

function print(times: ReadonlyMap<string, number>, requests: number): void {
  const busy = [...times].filter(([name]) => !name.startsWith('(idle)') && !name.startsWith('(program)'));
  const totalUs = busy.reduce((sum, [, us]) => sum + us, 0);
  console.log(
    `${requests} requests, ${(totalUs / requests).toFixed(1)} µs each in JavaScript and the collector`,
  );
  for (const [name, us] of busy.toSorted((a, b) => b[1] - a[1]).slice(0, linesShown)) {
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
  const load = await drive({
    url: `${gateway.url}/api/chat`,
    body: chatBody(),
    connections,
    seconds,
    core: restCore,
    home: folder,
  });
  await gateway.stop();
  const [file] = (await readdir(folder)).filter(name => name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error('no profile was written: the gateway did not end by itself');
  const profile = JSON.parse(await readFile(path.join(folder, file), 'utf8')) as Profile;
  print(ownTimes(profile), load.requests);
} finally {
  await mock.stop();
  await rm(folder, { recursive: true, force: true });
}
