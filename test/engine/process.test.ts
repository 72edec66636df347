// The engine as a child process: one ready line, and an end that never comes later than its parent's.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { until } from '../tools/until.ts';

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'bigo-engine-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function firstLine(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) return line;
  throw new Error('the process ended without a line');
}

async function readyUrl(child: ChildProcess): Promise<string> {
  const ready = JSON.parse(await firstLine(child)) as { event: string; url: string };
  assert.equal(ready.event, 'ready');
  return ready.url;
}

function exited(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise(resolve => child.once('exit', code => resolve(code)));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const engineArgs = (store: string, parentPid: number | string): string[] => [
  main,
  'engine',
  '--listen',
  '127.0.0.1:0',
  '--store',
  store,
  '--parent-pid',
  String(parentPid),
];

describe('embedded engine: process', () => {
  test('SIGTERM ends it with exit code 0', async t => {
    const child = spawn(process.execPath, engineArgs(await folder(t), process.pid), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    const url = await readyUrl(child);
    assert.deepEqual(await (await fetch(`${url}/api/version`)).json(), { version: '0.24.0' });
    child.kill('SIGTERM');
    assert.equal(await exited(child), 0);
  });

  test('it ends when its parent is killed without a word', async t => {
    const store = await folder(t);
    const script = `
      const { spawn } = require('node:child_process');
      const args = ${JSON.stringify(engineArgs(store, 'PARENT'))}.map(text => text === 'PARENT' ? String(process.pid) : text);
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
      console.log(JSON.stringify({ pid: child.pid }));
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => parent.kill('SIGKILL'));
    const said: string[] = [];
    createInterface({ input: parent.stdout }).on('line', line => said.push(line));
    await until('the engine serves', () => said.length === 2);
    const { pid } = JSON.parse(said.find(line => line.includes('pid')) ?? '') as { pid: number };
    t.after(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
    assert.ok(isAlive(pid));
    parent.kill('SIGKILL');
    await exited(parent);
    await until('the engine has ended', () => !isAlive(pid));
  });

  test('a port in use is told, and the process ends', async t => {
    const store = await folder(t);
    const first = spawn(process.execPath, engineArgs(store, process.pid), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => first.kill('SIGKILL'));
    const { host } = new URL(await readyUrl(first));
    const args = engineArgs(store, process.pid).map(text => (text === '127.0.0.1:0' ? host : text));
    const second = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    second.stderr.on('data', chunk => (errors += String(chunk)));
    assert.notEqual(await exited(second), 0);
    assert.match(errors, /in use|EADDRINUSE/);
  });
});
