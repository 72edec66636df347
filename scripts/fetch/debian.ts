// Debian packages: unpacked into a folder of our own (no root needed), or installed on the machine (root or sudo).
// Never changes the machine's own package lists when only unpacking.
import { spawnSync } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { runLogged, toolsFolder, withLock, type Command } from './cache.ts';

const aptTimeoutMs = 10 * 60 * 1000;

function logFile(): string {
  return path.join(toolsFolder(), 'log', 'debian.log');
}

function apt(args: readonly string[], cwd?: string): Command {
  const command: Command = {
    program: 'apt-get',
    args,
    log: logFile(),
    timeoutMs: aptTimeoutMs,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  };
  return cwd === undefined ? command : { ...command, cwd };
}

/** Package lists of our own, so that neither root nor a fresh `apt-get update` is asked for. */
async function ownLists(architecture: string | undefined): Promise<string[]> {
  const state = path.join(toolsFolder(), architecture === undefined ? 'apt' : `apt-${architecture}`);
  await mkdir(path.join(state, 'state', 'lists', 'partial'), { recursive: true });
  await mkdir(path.join(state, 'cache', 'archives', 'partial'), { recursive: true });
  return [
    '-o',
    `Dir::State=${path.join(state, 'state')}`,
    '-o',
    `Dir::Cache=${path.join(state, 'cache')}`,
    '-o',
    'Dir::State::status=/var/lib/dpkg/status',
    '-o',
    'APT::Sandbox::User=root',
    ...(architecture === undefined
      ? []
      : ['-o', `APT::Architecture=${architecture}`, '-o', `APT::Architectures=${architecture}`]),
  ];
}

/** Downloads the packages and lays their files under `into`, as they would lie under /; for this machine's processor, or another. */
export async function unpackDebian(
  packages: readonly string[],
  into: string,
  architecture?: 'amd64' | 'arm64',
): Promise<void> {
  await mkdir(into, { recursive: true });
  await withLock('apt', async () => {
    const lists = await ownLists(architecture);
    await runLogged(apt([...lists, 'update', '-qq']));
    await runLogged(apt([...lists, 'download', '-qq', ...packages], into));
  });
  for (const file of await readdir(into)) {
    if (!file.endsWith('.deb')) continue;
    const args = ['-x', path.join(into, file), into];
    await runLogged({ program: 'dpkg-deb', args, log: logFile(), timeoutMs: aptTimeoutMs });
  }
}

/** The words that make a command run as root: none, `sudo -n`, or undefined when this user cannot. */
function asRoot(): string[] | undefined {
  if (process.getuid?.() === 0) return [];
  const sudo = spawnSync('sudo', ['-n', 'true'], { timeout: 5_000 });
  return sudo.status === 0 ? ['sudo', '-n'] : undefined;
}

export async function installDebian(packages: readonly string[]): Promise<void> {
  const words = ['apt-get', 'install', '-y', '--no-install-recommends', ...packages];
  const root = asRoot();
  if (root === undefined) throw new Error(`Root is needed here. Run: sudo ${words.join(' ')}`);
  const command = (all: readonly string[]): Command => {
    const [program = 'apt-get', ...args] = [...root, ...all];
    return { ...apt(args), program };
  };
  await withLock('apt', async () => {
    await runLogged(command(['apt-get', 'update', '-qq']));
    await runLogged(command(words));
  });
}
