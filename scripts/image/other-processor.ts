// Node, a shell and C libraries for the processor that this machine is not, for images: Node from npm with the digest of
// package-lock.json, the rest from this machine's own Debian sources, whose signatures apt checks. Never runs what it fetched.
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { root } from '../check/source.ts';
import { runLogged, toolsFolder, withLock } from '../fetch/cache.ts';
import { unpackDebian } from '../fetch/debian.ts';
import { processors, type Processor } from './processors.ts';

const fetchMsMax = 10 * 60_000;
/** dash is /bin/sh; the others are what it and Node load. */
const debianPackages = ['dash', 'libc6', 'libgcc-s1', 'libstdc++6'];

export interface OtherPrograms {
  readonly nodeFolder: string;
  readonly nodeVersion: string;
  /** As if it were / of the other machine; the packages themselves lie in it, too. */
  readonly debianRoot: string;
}

export async function otherPrograms(processor: Processor): Promise<OtherPrograms> {
  const locked = await lockedNode(processor);
  const nodeFolder = nodeFolderOf(locked);
  await makeOnce(nodeFolder, locked.name, () => fetchNode(locked));
  const debianRoot = debianFolderOf(processor);
  await makeOnce(debianRoot, lockOf(processor), () => unpackFor(processor));
  return { nodeFolder, nodeVersion: locked.version, debianRoot };
}

const otherProcessor: Processor = process.arch === 'arm64' ? 'amd64' : 'arm64';

/** The last file that adding them makes. */
export function otherDebianMark(): string {
  return path.join(debianFolderOf(otherProcessor), 'bin', 'dash');
}

export async function fetchOther(): Promise<string> {
  await otherPrograms(otherProcessor);
  return otherDebianMark();
}

/** Also where they are there: a release wants the security updates of today. */
export function fetchDebian(processor: Processor): Promise<void> {
  return withLock(lockOf(processor), () => unpackFor(processor));
}

const lockOf = (processor: Processor): string => `debian-${processor}`;

async function unpackFor(processor: Processor): Promise<void> {
  const folder = debianFolderOf(processor);
  await mkdir(path.dirname(folder), { recursive: true });
  const work = await mkdtemp(`${folder}-`);
  try {
    await unpackDebian(debianPackages, work, processor);
    await rm(folder, { recursive: true, force: true });
    await rename(work, folder);
  } catch (error) {
    throw new Error(
      `The C libraries for ${processor} come from Debian packages, which could not be had; a machine with that processor needs none, and image/Dockerfile builds on such a one. ${(error as Error).message}`,
      { cause: error },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface LockedNode {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

async function lockedNode(processor: Processor): Promise<LockedNode> {
  const name = `node-linux-${processors[processor].node}`;
  const lock = JSON.parse(await readFile(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Partial<LockedNode>>;
  };
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) throw new Error(`package-lock.json has no ${name}.`);
  return { name, version, integrity };
}

function nodeFolderOf({ name, version }: LockedNode): string {
  return path.join(toolsFolder(), `${name}-${version}`);
}

function debianFolderOf(processor: Processor): string {
  return path.join(toolsFolder(), `debian-${processor}`);
}

async function fetchNode(locked: LockedNode): Promise<void> {
  const { name, version, integrity } = locked;
  const folder = nodeFolderOf(locked);
  const work = await mkdtemp(`${folder}-`);
  const log = path.join(toolsFolder(), 'log', `${name}.log`);
  const run = (program: string, ...args: readonly string[]): Promise<void> =>
    runLogged({ program, args, cwd: work, log, timeoutMs: fetchMsMax });
  try {
    await run('npm', 'pack', '--silent', `${name}@${version}`);
    const archive = path.join(work, `${name}-${version}.tgz`);
    const digest = `sha512-${createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')}`;
    if (digest !== integrity)
      throw new Error(`${name}@${version} of the registry is not what package-lock.json says: ${digest}`);
    await run('tar', '-xzf', archive);
    await rename(path.join(work, 'package'), folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Whoever waited for the lock finds it made. */
async function makeOnce(folder: string, lock: string, make: () => Promise<void>): Promise<void> {
  if (await isThere(folder)) return;
  await withLock(lock, async () => {
    if (!(await isThere(folder))) await make();
  });
}

function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
