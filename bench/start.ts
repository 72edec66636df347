// How long a gateway of the image takes from its start to the first 200 of /readyz, and what it keeps in memory when idle.
// Usage: node bench/start.ts [starts]. Never a test: its times mean something on a quiet machine only.
import { spawn } from 'node:child_process';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundle, stampOf } from '../scripts/build/bundle.ts';
import { imageStart } from '../scripts/image/contents.ts';
import { freePort, makeHome } from './lib/process.ts';
import { median, quantile } from './lib/stats.ts';

const startMsMax = 10_000;
const pollMs = 2;
const idleMs = 1_000;
const startsByDefault = 20;

interface Started {
  readonly readyMs: number;
  /** Of all threads until then, by the kernel's count. */
  readonly cpuMs: number;
  readonly idleMb: number;
}

async function startOnce(program: string, home: string): Promise<Started> {
  const [port, admin] = [await freePort(), await freePort()];
  const flags = imageStart.entrypoint.slice(1, -1);
  const listen = ['--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${admin}`];
  const args = [...flags, program, 'gateway', ...listen, '--backend', 'http://127.0.0.1:9'];
  const started = performance.now();
  const env = { ...imageStart.env, PATH: process.env['PATH'], HOME: home };
  const child = spawn(process.execPath, args, { cwd: home, env, stdio: 'ignore' });
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()));
  try {
    const url = `http://127.0.0.1:${admin}/readyz`;
    while (!(await answers(url))) {
      if (child.exitCode !== null) throw new Error(`The gateway ended with ${child.exitCode}.`);
      if (performance.now() - started > startMsMax) throw new Error('The gateway did not start.');
      await sleep(pollMs);
    }
    const readyMs = performance.now() - started;
    const cpuMs = await cpuMsOf(child.pid);
    await sleep(idleMs);
    return { readyMs, cpuMs, idleMb: await residentMb(child.pid) };
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

async function answers(url: string): Promise<boolean> {
  const answer = await fetch(url).catch(() => undefined);
  await answer?.text();
  return answer?.status === 200;
}

async function cpuMsOf(pid: number | undefined): Promise<number> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const texts = await Promise.all(
    tasks.map(task => readFile(`/proc/${pid}/task/${task}/schedstat`, 'utf8').catch(() => '0')),
  );
  return texts.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0) / 1e6;
}

async function residentMb(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024) / 1e6;
}

async function main(starts: number): Promise<void> {
  const home = await makeHome('start');
  try {
    for (const form of ['parts', 'one'] as const) {
      const program = await bundle(path.join(home, form), await stampOf(), form);
      const all: Started[] = [];
      for (let count = 0; count < starts; count++) all.push(await startOnce(program, home));
      const of = (figure: keyof Started): number[] => all.map(one => one[figure]);
      const ready = of('readyMs');
      const name = form === 'parts' ? 'in the image' : 'as one file';
      const ms = (value: number): string => `${value.toFixed(0)} ms`;
      console.log(
        `${name}: ready after ${ms(median(ready))} (median of ${starts}; ${ms(quantile(ready, 0))} to ${ms(quantile(ready, 1))}), ` +
          `processor time ${ms(median(of('cpuMs')))}, idle at ${median(of('idleMb')).toFixed(0)} MB`,
      );
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

await main(Number(process.argv[2] ?? startsByDefault));
