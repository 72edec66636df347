// The release as the first process of a container, to which the kernel gives no signal that it does not listen to. Never sleeps for a moment
// to come: the program stands at a configuration that is a pipe until the test has sent its signal.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { bundle } from './bundle.ts';

const isRoot = process.getuid?.() === 0;
const skip = isRoot ? false : 'needs root, to number processes anew (unshare --pid)';
const endMsMax = 60_000;

/** The kernel's list of children; the first is the one that counts itself as number 1. */
function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

test('a SIGTERM that comes while it starts as the first process ends it in order', { skip }, async t => {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-first-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = await bundle(path.join(folder, 'dist'), { version: '1', commit: 'none' });
  const pipe = path.join(folder, 'config.yaml');
  execFileSync('mkfifo', [pipe]);
  const flags = ['--listen', '127.0.0.1:0', '--backend', 'http://127.0.0.1:1', '--config', pipe];
  const gateway = [process.execPath, file, 'gateway', ...flags];
  const unshare = spawn('unshare', ['--pid', '--fork', '--kill-child', ...gateway], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOME: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => unshare.kill('SIGKILL'));
  let said = '';
  unshare.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(unshare, 'exit', { signal: AbortSignal.timeout(endMsMax) });
  // Opens when the program reads it: then it runs, and is not ready for signals yet.
  const config = await open(pipe, 'w');
  process.kill(childOf(unshare.pid ?? 0), 'SIGTERM');
  await config.writeFile('gateway: {}\n');
  await config.close();
  assert.deepEqual(await ended, [0, null], said);
});
