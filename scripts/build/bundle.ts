// Makes the one-file release dist/bigo.mjs and tries it. Never touches anything outside the folder it is given.
import { execFile } from 'node:child_process';
import { chmod, cp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { root } from '../check/source.ts';
import { notices } from './notices.ts';

const run = promisify(execFile);
const smokeMsMax = 30_000;

export interface Stamp {
  readonly version: string;
  readonly commit: string;
}

export async function stampOf(folder = root): Promise<Stamp> {
  const { version } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const head = await run('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: folder }).catch(() => undefined);
  return { version, commit: head?.stdout.trim() ?? 'unknown' };
}

/** Bundled CommonJS packages call `require`; the program reads its stamp from the environment; signals: src/platform/signals.ts. */
function banner(stamp: Stamp): string {
  return [
    '#!/usr/bin/env node',
    "import { createRequire as bigoCreateRequire } from 'node:module';",
    'const require = bigoCreateRequire(import.meta.url);',
    `process.env.BIGO_VERSION ??= ${JSON.stringify(stamp.version)};`,
    'if (process.pid === 1) {',
    "  const early = (globalThis[Symbol.for('bigo.earlySignals')] = []);",
    "  process.on('SIGTERM', signal => early.push(signal));",
    '}',
    `process.env.BIGO_COMMIT ??= ${JSON.stringify(stamp.commit)};`,
  ].join('\n');
}

export async function bundle(folder: string, stamp: Stamp): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const outfile = path.join(folder, 'bigo.mjs');
  const { metafile } = await build({
    absWorkingDir: root,
    metafile: true,
    entryPoints: [path.join(root, 'src', 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    external: ['node-llama-cpp'],
    // A quarter less to read and to keep in memory; names stay, so a stack still says where it was.
    minifyWhitespace: true,
    minifySyntax: true,
    banner: { js: banner(stamp) },
    logLevel: 'warning',
  });
  await chmod(outfile, 0o755);
  await copyEnginePackage(path.join(folder, 'llama-package'));
  await cp(path.join(root, 'ui', 'dist'), path.join(folder, 'ui'), { recursive: true });
  await writeFile(path.join(folder, 'libraries.txt'), await notices(Object.keys(metafile.inputs)));
  return outfile;
}

/** The embedded engine installs its library at first need, from these package files and their locks. */
async function copyEnginePackage(target: string): Promise<void> {
  const source = path.join(root, 'src', 'engine', 'llama-package');
  const installed = new Set(['node_modules', '.installing']);
  await cp(source, target, { recursive: true, filter: file => !installed.has(path.basename(file)) });
}

/** The bundle must start and know its version and commit, away from the clone. */
export async function smokeTest(file: string, stamp: Stamp): Promise<string> {
  const options = { cwd: path.dirname(file), timeout: smokeMsMax };
  const { stdout } = await run(process.execPath, [file, 'version', '--json'], options);
  const said = JSON.parse(stdout) as Partial<Stamp>;
  if (said.version !== stamp.version || said.commit !== stamp.commit) {
    throw new Error(`The bundle says it is ${stdout.trim()}, not ${JSON.stringify(stamp)}.`);
  }
  const help = await run(process.execPath, [file, '--help'], options);
  if (!help.stdout.includes('bigo')) throw new Error('The bundle prints no help.');
  return `${Math.round((await stat(file)).size / 1024)} KiB`;
}
