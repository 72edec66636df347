// Makes the one-file release dist/bigo.mjs and tries it. Never touches anything outside the folder it is given.
import { execFile } from 'node:child_process';
import { chmod, cp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { build, type BuildOptions, type Metafile } from 'esbuild';
import { root } from '../check/source.ts';
import { builtinsWhenNeeded } from './builtins.ts';
import { notices, packagesOf } from './packages.ts';
import { programSbom, sbomText } from './sbom.ts';

const run = promisify(execFile);
const smokeMsMax = 30_000;

export interface Stamp {
  readonly version: string;
  readonly commit: string;
  /** Of the commit, RFC 3339: the same for whoever builds it. */
  readonly time?: string;
}

/** A commit is said as it is only where nothing of it was changed. */
export async function stampOf(folder = root): Promise<Stamp> {
  const { version } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const git = async (...args: readonly string[]): Promise<string | undefined> => {
    const ended = await run('git', [...args], { cwd: folder }).catch(() => undefined);
    return ended?.stdout.trim();
  };
  const commit = await git('rev-parse', '--short=12', 'HEAD');
  if (commit === undefined) return { version, commit: 'unknown' };
  const changed = await git('status', '--porcelain', '--untracked-files=no');
  const seconds = Number(await git('show', '--no-patch', '--format=%ct', commit));
  const time = new Date(seconds * 1000).toISOString().replace('.000', '');
  return changed === '' ? { version, commit, time } : { version, commit: `${commit}-dirty` };
}

/** Bundled CommonJS packages call `require`. */
const requireCode = [
  "import { createRequire as bigoCreateRequire } from 'node:module';",
  'const require = bigoCreateRequire(import.meta.url);',
].join('\n');

/** The program reads its stamp from the environment; signals: src/platform/signals.ts. */
function startCode(stamp: Stamp): string {
  return [
    `process.env.BIGO_VERSION ??= ${JSON.stringify(stamp.version)};`,
    'if (process.pid === 1) {',
    "  const early = (globalThis[Symbol.for('bigo.earlySignals')] = []);",
    "  process.on('SIGTERM', signal => early.push(signal));",
    '}',
    `process.env.BIGO_COMMIT ??= ${JSON.stringify(stamp.commit)};`,
  ].join('\n');
}

const common = {
  absWorkingDir: root,
  metafile: true,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  external: ['node-llama-cpp'],
  // A quarter less to read and to keep in memory; names stay, so a stack still says where it was.
  minifyWhitespace: true,
  minifySyntax: true,
  logLevel: 'warning',
} satisfies BuildOptions;

const mainFile = path.join(root, 'src', 'main.ts');

/** The whole program as one file. */
async function compileOne(folder: string, stamp: Stamp): Promise<Metafile> {
  const { metafile } = await build({
    ...common,
    entryPoints: [mainFile],
    outfile: path.join(folder, 'bigo.mjs'),
    plugins: [builtinsWhenNeeded(/^node:/)],
    banner: { js: ['#!/usr/bin/env node', requireCode, startCode(stamp)].join('\n') },
  });
  return metafile;
}

/** The same in parts, so that each command reads its own only: a gateway starts an eighth sooner and is 8 MB smaller. */
export async function compileParts(folder: string, stamp: Stamp): Promise<Metafile> {
  const { metafile } = await build({
    ...common,
    entryPoints: [mainFile],
    outdir: folder,
    splitting: true,
    chunkNames: 'parts/[name]-[hash]',
    outExtension: { '.js': '.mjs' },
    plugins: [builtinsWhenNeeded(/^node:http$/)],
    banner: { js: requireCode },
  });
  const start = ['#!/usr/bin/env node', startCode(stamp), "await import('./main.mjs');", ''].join('\n');
  await writeFile(path.join(folder, 'bigo.mjs'), start);
  return metafile;
}

/** `one`: the release, a file that runs anywhere. `parts`: for the image. */
export async function bundle(folder: string, stamp: Stamp, form: 'one' | 'parts' = 'one'): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const metafile = await (form === 'one' ? compileOne : compileParts)(folder, stamp);
  const outfile = path.join(folder, 'bigo.mjs');
  await chmod(outfile, 0o755);
  await copyEnginePackage(path.join(folder, 'llama-package'));
  await cp(path.join(root, 'ui', 'dist'), path.join(folder, 'ui'), { recursive: true });
  const packages = await packagesOf(metafile);
  await writeFile(path.join(folder, 'libraries.txt'), await notices(packages));
  await writeFile(path.join(folder, 'sbom.cdx.json'), sbomText(programSbom(packages, stamp)));
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
