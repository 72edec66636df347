// Child servers are little Node programs here. What they must do: come back, end with us, leave nothing behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../platform/clock.ts';
import { nextRestart } from './core/restarts.ts';
import { freePorts } from './ollama-children.ts';
import { createSupervisor, type ChildSpec, type Supervisor, type SupervisorDeps } from './supervisor.ts';

const log = { debug() {}, info() {}, warn() {} };
const restarts = { firstDelayMs: 10, delayMsMax: 50, healthyAfterMs: 10_000 };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

// Answers its pid and that of a child of its own, which outlives it unless somebody ends it.
const SERVER = `
const { spawn } = require('node:child_process');
const own = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
require('node:http').createServer((req, res) => res.end(JSON.stringify([process.pid, own.pid]))).listen(+process.env.PORT, '127.0.0.1');
console.log('serving', process.env.PORT);`;

async function serverSpec(script = SERVER): Promise<ChildSpec> {
  const [port = 0] = await freePorts(1);
  return { name: 'child', argv: [process.execPath, '-e', script], port, env: { PORT: String(port) } };
}

function supervise(children: ChildSpec[], more: Partial<SupervisorDeps> = {}): Supervisor {
  const supervisor = createSupervisor({ children, log, clock: systemClock, restarts, ...more });
  closers.push(() => supervisor.stop());
  return supervisor;
}

async function pids(url: string): Promise<number[]> {
  for (let i = 0; i < 500; i++) {
    try {
      return (await (await fetch(url, { signal: AbortSignal.timeout(1000) })).json()) as number[];
    } catch {
      await sleep(10);
    }
  }
  assert.fail(`nothing answers at ${url}`);
}

// A zombie is as good as gone: only its parent's table still names it.
function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<void> {
  for (let i = 0; i < 500 && lives(pid); i++) await sleep(10);
  assert.equal(lives(pid), false, `process ${pid} still lives`);
}

test('a child that is killed comes back under the same name and address, without what the old one had started', async () => {
  const supervisor = supervise([await serverSpec()]);
  const [backend] = supervisor.backends();
  assert.ok(backend);
  const [first = 0, itsChild = 0] = await pids(backend.url);
  assert.equal(supervisor.children()[0]?.pid, first);
  process.kill(first, 'SIGKILL');
  await gone(itsChild);
  await gone(first);
  const [second = 0] = await pids(backend.url);
  assert.notEqual(second, first);
  assert.deepEqual(supervisor.backends(), [backend]);
  const [view] = supervisor.children();
  assert.deepEqual([view?.pid, view?.starts], [second, 2]);
  assert.match(view?.lastDeath ?? '', /was ended by SIGKILL; it said: serving \d+/);
});

test('stop ends every child and its children, and nothing is started again', async () => {
  const supervisor = supervise([await serverSpec()]);
  const [own = 0, itsChild = 0] = await pids(supervisor.backends()[0]?.url ?? '');
  await supervisor.stop();
  await gone(own);
  await gone(itsChild);
  await sleep(100);
  assert.deepEqual([supervisor.children()[0]?.pid, supervisor.children()[0]?.starts], [undefined, 1]);
});

test('a child that ignores SIGTERM is ended by force after its time', async () => {
  const supervisor = supervise([await serverSpec(`process.on('SIGTERM', () => {});${SERVER}`)], {
    stopMsMax: 50,
  });
  const [own = 0] = await pids(supervisor.backends()[0]?.url ?? '');
  await supervisor.stop();
  await gone(own);
});

test('a program that cannot run, or ends at once, is tried again and says why', async () => {
  const spec = await serverSpec(`console.error('no such model folder'); process.exit(3)`);
  const supervisor = supervise([spec]);
  for (let i = 0; i < 500 && (supervisor.children()[0]?.starts ?? 0) < 3; i++) await sleep(10);
  assert.match(supervisor.children()[0]?.lastDeath ?? '', /status 3; it said: no such model folder/);
});

test('what a child writes goes to its log file', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'bigo-child-'));
  closers.push(() => rmSync(dir, { recursive: true }));
  const logFile = join(dir, 'deep', 'child.log');
  const supervisor = supervise([{ ...(await serverSpec()), logFile }]);
  await pids(supervisor.backends()[0]?.url ?? '');
  await supervisor.stop();
  assert.match(readFileSync(logFile, 'utf8'), /^serving \d+\n$/);
});

test(
  'children do not outlive their supervisor, however it ends',
  { skip: process.platform !== 'linux' && 'the kernel ends children only on Linux' },
  async () => {
    for (const how of ['SIGKILL', 'exit'] as const) {
      const spec = await serverSpec(SERVER.replace(/^const own.*$/m, 'const own = { pid: 0 };'));
      const program = `
      import { createSupervisor } from '${new URL('./supervisor.ts', import.meta.url).href}';
      const log = { debug() {}, info() {}, warn() {} };
      createSupervisor({ children: [${JSON.stringify(spec)}], log, clock: { nowMs: () => performance.now(), wallIso: () => '' } });
      process.stdin.once('data', () => process.exit(0));`;
      const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      closers.push(() => parent.kill('SIGKILL'));
      const [pid = 0] = await pids(`http://127.0.0.1:${spec.port}`);
      if (how === 'SIGKILL') parent.kill('SIGKILL');
      else parent.stdin?.write('end');
      await gone(pid);
    }
  },
);

test('the pause before a restart doubles to its bound, and a long life forgives', () => {
  const timing = { firstDelayMs: 100, delayMsMax: 1000, healthyAfterMs: 5000 };
  const delays = [0, 1, 2, 3, 4, 99].map(deaths => nextRestart(deaths, 10, timing).delayMs);
  assert.deepEqual(delays, [100, 200, 400, 800, 1000, 1000]);
  assert.deepEqual(nextRestart(9, 5000, timing), { deathsInARow: 1, delayMs: 100 });
});
