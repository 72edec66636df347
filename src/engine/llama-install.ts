// Installs node-llama-cpp at first need, from its own locked package folder, and loads it. Never touches BigO's own node_modules.
import { execFile } from 'node:child_process';
import type { ExecFileException } from 'node:child_process';
import { constants } from 'node:fs';
import { access, cp, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type * as LlamaModule from './llama-types.ts';

export type Log = (message: string) => void;

/** The loaded library and its Jinja engine. */
export interface LlamaLibrary {
  readonly llama: LlamaModule.NodeLlamaCpp;
  readonly jinja: LlamaModule.Jinja;
}

const PLATFORMS: Readonly<Record<string, string>> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'darwin-arm64': 'mac-arm64-metal',
  'darwin-x64': 'mac-x64',
  'win32-x64': 'win-x64',
  'win32-arm64': 'win-arm64',
};

const installMsMax = 10 * 60_000;
const MARK = '.bigo-installed';

let loading: Promise<LlamaLibrary> | undefined;

/** Installs if need be (about 20 s, 60 MB), then imports. A failed try may be repeated. */
export function ensureLlama(options: { log: Log }): Promise<LlamaLibrary> {
  loading ??= installLlama(options)
    .then(load)
    .catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
  return loading;
}

/** Installs without importing; the folder that holds it. */
export async function installLlama(options: { log: Log }): Promise<string> {
  const folder = await packageFolder();
  if (!(await isInstalled(folder))) await withInstallLock(folder, () => install(folder, options.log));
  return folder;
}

async function load(folder: string): Promise<LlamaLibrary> {
  const at = (...path: string[]): string => pathToFileURL(join(folder, 'node_modules', ...path)).href;
  const llama = (await import(at('node-llama-cpp', 'dist', 'index.js'))) as LlamaModule.NodeLlamaCpp;
  const jinja = (await import(at('@huggingface', 'jinja', 'dist', 'index.js'))) as LlamaModule.Jinja;
  return { llama, jinja };
}

/** In a clone the folder beside this file; where that cannot be written, a copy in the user's cache. */
async function packageFolder(): Promise<string> {
  const shipped = await shippedFolder();
  if ((await isInstalled(shipped)) || (await isWritable(shipped))) return shipped;
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const copy = join(cache, 'bigo', 'llama-package');
  await mkdir(copy, { recursive: true });
  await cp(shipped, copy, { recursive: true, filter: path => !path.includes('node_modules') });
  return copy;
}

async function shippedFolder(): Promise<string> {
  const candidates = [
    join(import.meta.dirname, 'llama-package'),
    join(import.meta.dirname, '..', 'src', 'engine', 'llama-package'),
  ];
  for (const folder of candidates) {
    if (await exists(join(folder, 'package.json'))) return folder;
  }
  throw new Error('the folder llama-package is missing from this installation of BigO: install BigO again');
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** The mark is written last and names what was installed: an upgrade installs anew. */
async function isInstalled(folder: string): Promise<boolean> {
  try {
    return (await readFile(join(folder, 'node_modules', MARK), 'utf8')) === (await fingerprint(folder));
  } catch {
    return false;
  }
}

async function fingerprint(folder: string): Promise<string> {
  const manifest = await readFile(join(folder, 'package.json'), 'utf8');
  return `${process.platform}-${process.arch} ${manifest}`;
}

const lockPollMs = 250;

/** Two engines may start at once: one installs, the other waits. A lock whose owner is gone is taken over. */
async function withInstallLock(folder: string, work: () => Promise<void>): Promise<void> {
  const lock = join(folder, 'node_modules', '.bigo-installing');
  await mkdir(dirname(lock), { recursive: true });
  const deadlineMs = performance.now() + installMsMax;
  while (performance.now() < deadlineMs) {
    if (await takeLock(lock)) {
      try {
        if (!(await isInstalled(folder))) await work();
      } finally {
        await rm(lock, { force: true });
      }
      return;
    }
    await sleep(lockPollMs);
    if (await isInstalled(folder)) return;
  }
  throw new Error(`another process holds ${lock} for too long: delete that file and try again`);
}

async function takeLock(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    const owner = Number(await readFile(lock, 'utf8').catch(() => ''));
    if (owner > 0 && !isAlive(owner)) await rm(lock, { force: true });
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function install(folder: string, log: Log): Promise<void> {
  const platform = PLATFORMS[`${process.platform}-${process.arch}`];
  if (platform === undefined) {
    throw new Error(
      `there is no prebuilt llama.cpp for ${process.platform}-${process.arch}: install Ollama and start BigO again`,
    );
  }
  log('installing llama.cpp for the embedded engine (about 60 MB, once)');
  // Not `npm ci`: it refuses a lock file without the optional packages that a registry mirror may lack.
  await npm(folder, ['install', '--no-save', '--omit=optional', '--ignore-scripts']);
  const platformFolder = join(folder, 'platform', platform);
  const locked = await exists(join(platformFolder, 'package-lock.json'));
  await npm(platformFolder, [...(locked ? ['ci'] : ['install', '--no-package-lock']), '--ignore-scripts']);
  await linkPlatform(folder, platform);
  await writeFile(join(folder, 'node_modules', MARK), await fingerprint(folder));
}

/** node-llama-cpp finds its binaries by import, so they must appear among its neighbours. */
async function linkPlatform(folder: string, platform: string): Promise<void> {
  const target = join(folder, 'platform', platform, 'node_modules', '@node-llama-cpp', platform);
  const link = join(folder, 'node_modules', '@node-llama-cpp', platform);
  await mkdir(dirname(link), { recursive: true });
  await rm(link, { recursive: true, force: true });
  await symlink(target, link, process.platform === 'win32' ? 'junction' : 'dir');
}

function npm(cwd: string, args: readonly string[]): Promise<void> {
  const flags = ['--no-audit', '--no-fund', '--loglevel=error'];
  const options = {
    cwd,
    timeout: installMsMax,
    shell: process.platform === 'win32',
    maxBuffer: 16 * 1024 * 1024,
  };
  return new Promise((resolve, reject) => {
    execFile('npm', [...args, ...flags], options, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(new Error(npmFailure(error, stderr)));
    });
  });
}

function npmFailure(error: ExecFileException, stderr: string): string {
  const said = stderr.split('\n').find(line => /^npm error (?!code )./.test(line));
  const why =
    error.code === 'ENOENT' ? 'npm was not found' : (said?.slice('npm error '.length) ?? error.message);
  return `llama.cpp could not be installed: ${why}. Check that npm can reach its registry, or install Ollama, and start again.`;
}
