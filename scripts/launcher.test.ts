// The rules of bin/bigo, with a program that only prints what it was given. Never starts BigO itself.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const prints = 'console.log(JSON.stringify([process.argv.slice(2), process.cwd()])); process.exitCode = 3;\n';

async function copyWith(t: TestContext, files: Record<string, string>): Promise<string> {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'bigo-launcher-')));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries({ ...files, 'bin/bigo': '', 'package-lock.json': '{}' })) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
  await copyFile(path.join(import.meta.dirname, '..', 'bin', 'bigo'), path.join(folder, 'bin', 'bigo'));
  return folder;
}

/** The exit code 3 of the program is what a failed `run` holds. */
async function launch(command: string, words: string[], env: Record<string, string> = {}): Promise<unknown> {
  const all = { ...process.env, ...env };
  const failed = await run(command, words, { cwd: '/', env: all }).then(
    () => ({ code: 0, stdout: '', stderr: '' }),
    (error: unknown) => error as { code: number; stdout: string; stderr: string },
  );
  return failed.code === 3 ? (JSON.parse(failed.stdout) as unknown) : failed;
}

const ready = `key\n${process.execPath}\n`;

test('through a chain of links it finds its clone, and keeps arguments, folder and exit code', async t => {
  const clone = await copyWith(t, { 'src/main.ts': prints, 'scripts/setup.cjs': '' });
  await mkdir(path.join(clone, 'node_modules'));
  await writeFile(path.join(clone, 'node_modules', '.bigo-setup'), ready);
  await symlink(path.join(clone, 'bin', 'bigo'), path.join(clone, 'one'));
  await symlink('one', path.join(clone, 'two'));
  assert.deepEqual(await launch(path.join(clone, 'two'), ['up', 'a b', '--x=']), [
    ['up', 'a b', '--x='],
    '/',
  ]);
});

test('a clone that is not set up is set up first, and a failing set-up starts nothing', async t => {
  const stamp = JSON.stringify(ready);
  const makes = `const fs = require('fs'); process.chdir(__dirname + '/..'); fs.mkdirSync('node_modules');
    fs.writeFileSync('node_modules/.bigo-setup', ${stamp});`;
  const clone = await copyWith(t, { 'src/main.ts': prints, 'scripts/setup.cjs': makes });
  assert.deepEqual(await launch(path.join(clone, 'bin', 'bigo'), ['x']), [['x'], '/']);
  const broken = await copyWith(t, { 'src/main.ts': prints, 'scripts/setup.cjs': 'process.exit(1)' });
  const outcome = (await launch(path.join(broken, 'bin', 'bigo'), [])) as { code: number; stdout: string };
  assert.deepEqual([outcome.code, outcome.stdout], [1, '']);
});

test('without sources it runs the release', async t => {
  const release = await copyWith(t, { 'dist/bigo.mjs': prints });
  const env = { PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin` };
  assert.deepEqual(await launch(path.join(release, 'bin', 'bigo'), ['v'], env), [['v'], '/']);
});

test('a release without a Node that is new enough says what to install', async t => {
  const release = await copyWith(t, { 'dist/bigo.mjs': prints, 'old/node': '#!/bin/sh\nexit 1\n' });
  await run('chmod', ['+x', path.join(release, 'old', 'node')]);
  const env = { PATH: `${path.join(release, 'old')}:/usr/bin:/bin` };
  const outcome = (await launch(path.join(release, 'bin', 'bigo'), [], env)) as {
    code: number;
    stderr: string;
  };
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /Node 24 or newer is needed/);
});
