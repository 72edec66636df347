// The rules of scripts/setup.cjs, with a fake npm in a folder of its own. Never installs anything.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';

const setup = path.join(import.meta.dirname, 'setup.cjs');

const installs = '#!/bin/sh\necho "$*" >> calls\nsleep 0.3\nmkdir -p node_modules\n';
const breaks = '#!/bin/sh\necho "$*" >> calls\necho "npm error no such host" >&2\nexit 7\n';

interface Clone {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
}

async function freshClone(t: TestContext, npm: string): Promise<Clone> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-setup-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(path.join(folder, 'bin'));
  await writeFile(path.join(folder, 'package-lock.json'), '{}');
  await writeFile(path.join(folder, 'bin', 'npm'), npm);
  await chmod(path.join(folder, 'bin', 'npm'), 0o755);
  const env = { PATH: `${path.join(folder, 'bin')}:/usr/bin:/bin`, BIGO_SETUP_ROOT: folder };
  return { folder, env };
}

async function runSetup(clone: Clone): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [setup], { env: clone.env });
  const out = { code: 0 as number | null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (out.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (out.stderr += chunk.toString()));
  out.code = await new Promise<number | null>(resolve => child.on('close', resolve));
  return out;
}

async function npmCalls(clone: Clone): Promise<number> {
  const text = await readFile(path.join(clone.folder, 'calls'), 'utf8').catch(() => '');
  return text.split('\n').filter(line => line.startsWith('ci --ignore-scripts')).length;
}

test('a fresh clone is installed once, and said on stderr only', async t => {
  const clone = await freshClone(t, installs);
  const first = await runSetup(clone);
  assert.equal(first.code, 0);
  assert.equal(first.stdout, '');
  assert.match(first.stderr, /installing the locked packages/);
  const second = await runSetup(clone);
  assert.deepEqual(second, { code: 0, stdout: '', stderr: '' });
  assert.equal(await npmCalls(clone), 1);
});

test('a changed lockfile is installed again', async t => {
  const clone = await freshClone(t, installs);
  await runSetup(clone);
  await writeFile(path.join(clone.folder, 'package-lock.json'), '{"changed":true}');
  await runSetup(clone);
  assert.equal(await npmCalls(clone), 2);
});

test('two runs at once install once', async t => {
  const clone = await freshClone(t, installs);
  const both = await Promise.all([runSetup(clone), runSetup(clone)]);
  assert.deepEqual(
    both.map(run => run.code),
    [0, 0],
  );
  assert.equal(await npmCalls(clone), 1);
});

test('the lock of a process that is gone does not block', async t => {
  const clone = await freshClone(t, installs);
  await mkdir(path.join(clone.folder, '.bigo'));
  await writeFile(path.join(clone.folder, '.bigo', 'setup.lock'), '4194999');
  assert.equal((await runSetup(clone)).code, 0);
});

test('a failed install shows what npm said, tells what to do, and is tried again next time', async t => {
  const clone = await freshClone(t, breaks);
  const run = await runSetup(clone);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /no such host/);
  assert.match(run.stderr, /run the same command again/);
  await runSetup(clone);
  assert.equal(await npmCalls(clone), 2);
});

test('without npm it says what to install', async t => {
  const clone = await freshClone(t, installs);
  const run = await runSetup({ ...clone, env: { ...clone.env, PATH: clone.folder } });
  assert.equal(run.code, 1);
  assert.match(run.stderr, /npm is not on PATH/);
});

/** A page whose builder is a few lines: it writes what vite would write, or fails. */
async function addPage(clone: Clone, builder: string): Promise<void> {
  const ui = path.join(clone.folder, 'ui');
  for (const dir of ['src', 'public', 'node_modules/vite/bin'])
    await mkdir(path.join(ui, dir), { recursive: true });
  for (const name of [
    'package-lock.json',
    'index.html',
    'vite.config.js',
    'src/main.ts',
    'public/theme.js',
  ]) {
    await writeFile(path.join(ui, name), '{}');
  }
  await mkdir(path.join(clone.folder, 'src', 'api'), { recursive: true });
  await writeFile(path.join(clone.folder, 'src', 'api', 'reasons.ts'), '');
  await writeFile(path.join(ui, 'node_modules', 'vite', 'bin', 'vite.js'), builder);
}

const builds = `
const fs = require('node:fs');
fs.mkdirSync('dist', { recursive: true });
fs.writeFileSync('dist/index.html', 'page');
fs.appendFileSync('built', 'x');`;

test('the page is built once, and again when its source or the shared words change', async t => {
  const clone = await freshClone(t, installs);
  await addPage(clone, builds);
  const built = () => readFile(path.join(clone.folder, 'ui', 'built'), 'utf8');
  assert.match((await runSetup(clone)).stderr, /building the web page/);
  assert.deepEqual(await runSetup(clone), { code: 0, stdout: '', stderr: '' });
  assert.equal(await built(), 'x');
  await writeFile(path.join(clone.folder, 'ui', 'src', 'main.ts'), 'changed');
  await runSetup(clone);
  await writeFile(path.join(clone.folder, 'src', 'api', 'reasons.ts'), 'changed');
  await runSetup(clone);
  assert.equal(await built(), 'xxx');
});

test('a page that cannot be built keeps nobody from starting, is told, and is tried again', async t => {
  const clone = await freshClone(t, installs);
  await addPage(clone, 'console.error("no such plugin"); process.exit(1)');
  for (const _ of [1, 2]) {
    const { code, stderr } = await runSetup(clone);
    assert.equal(code, 0);
    assert.match(stderr, /the web page could not be built; everything else works without it.*no such plugin/);
  }
});
