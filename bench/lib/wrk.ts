// Load by wrk, with its figures as numbers. Never measures by itself.
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { find } from '../../test/tools/parts.ts';
import { makeHome } from './process.ts';

const run = promisify(execFile);

export interface Load {
  readonly url: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
  readonly core: number;
}

export interface LoadFigures {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers over 399, and connections that failed. */
  readonly errors: number;
}

function script(load: Load): string {
  const headers = Object.entries({ 'content-type': 'application/json', ...load.headers });
  return `
wrk.method = "POST"
wrk.body = ${JSON.stringify(load.body)}
${headers.map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`).join('\n')}
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('JSON{"requests":%d,"seconds":%f,"p50Ms":%f,"p99Ms":%f,"errors":%d}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
`;
}

export async function drive(load: Load): Promise<LoadFigures> {
  const wrk = await find('wrk');
  if (wrk === undefined) throw new Error('wrk is missing: npm run tools -- wrk');
  const home = await makeHome('load');
  const file = path.join(home, 'load.lua');
  await writeFile(file, script(load));
  const args = ['-c', String(load.core), wrk, '-t1', `-c${load.connections}`, `-d${load.seconds}s`];
  const { stdout } = await run('taskset', [...args, '--timeout', '20s', '-s', file, load.url]);
  await rm(home, { recursive: true, force: true });
  const json = /JSON(\{.*\})/.exec(stdout)?.[1];
  if (json === undefined) throw new Error(`wrk printed no figures:\n${stdout}`);
  return JSON.parse(json) as LoadFigures;
}
