// Routers and gateways to measure beside, each fetched from its own registry into the tools folder outside the checkout.
// Never installs one on the machine, and never pretends: what cannot be had has a reason, and is left out of the tables.
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runLogged, toolsFolder, withLock } from '../../scripts/fetch/cache.ts';

export const peerNames = ['portkey', 'litellm', 'herd', 'olla', 'nomyo'] as const;
export type PeerName = (typeof peerNames)[number];

interface Peer {
  readonly version: string;
  readonly from: string;
  /** An environment variable that names the program (or the folder) and wins over everything else. */
  readonly variable: string;
  /** Below the folder that `add` filled. */
  readonly program: string;
  readonly add: (folder: string) => Promise<void>;
}

const installMsMax = 15 * 60 * 1000;

function log(name: string): string {
  return path.join(toolsFolder(), 'log', `${name}.log`);
}

async function run(name: string, program: string, args: readonly string[], cwd: string): Promise<void> {
  await runLogged({ program, args, cwd, log: log(name), timeoutMs: installMsMax });
}

/** A virtual environment of its own for each, so that their requirements cannot quarrel. */
async function python(name: string, requirement: string, folder: string): Promise<void> {
  await run(name, 'python3', ['-m', 'venv', folder], '/');
  const pip = path.join(folder, 'bin', 'pip');
  await run(name, pip, ['install', '--quiet', '--disable-pip-version-check', requirement], folder);
}

const peers: Readonly<Record<PeerName, Peer>> = {
  portkey: {
    version: '1.15.2',
    from: 'npm @portkey-ai/gateway',
    variable: 'BIGO_PORTKEY',
    program: 'node_modules/@portkey-ai/gateway/build/start-server.js',
    add: async folder => {
      await writeFile(path.join(folder, 'package.json'), '{"private":true}');
      const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--save-exact'];
      await run('portkey', 'npm', ['install', ...flags, '@portkey-ai/gateway@1.15.2'], folder);
    },
  },
  litellm: {
    version: '1.101.6',
    from: 'PyPI litellm[proxy]',
    variable: 'BIGO_LITELLM',
    program: 'bin/litellm',
    add: folder => python('litellm', 'litellm[proxy]==1.101.6', folder),
  },
  herd: {
    version: '0.11.4',
    from: 'PyPI ollama-herd',
    variable: 'BIGO_HERD',
    program: 'bin/herd',
    add: folder => python('herd', 'ollama-herd==0.11.4', folder),
  },
  olla: {
    version: 'v0.0.27',
    from: 'Go module github.com/thushan/olla',
    variable: 'BIGO_OLLA',
    program: 'bin/olla',
    add: folder =>
      runLogged({
        program: 'go',
        args: ['install', 'github.com/thushan/olla@latest'],
        cwd: folder,
        env: { GOBIN: path.join(folder, 'bin'), GOFLAGS: '-mod=mod' },
        log: log('olla'),
        timeoutMs: installMsMax,
      }),
  },
  nomyo: {
    version: 'a clone',
    from: 'a clone of nomyo-ai/nomyo-router, which is in no registry',
    variable: 'BIGO_NOMYO_ROUTER',
    program: 'router.py',
    add: () =>
      Promise.reject(new Error('set BIGO_NOMYO_ROUTER to the folder of a clone with its requirements')),
  },
};

export interface FoundPeer {
  readonly name: PeerName;
  readonly version: string;
  readonly program: string;
}

function folderOf(name: PeerName): string {
  return path.join(toolsFolder(), 'peers', `${name}-${peers[name].version.replaceAll(/[^\w.]/g, '_')}`);
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

/** The peer's program, or undefined. Changes nothing. */
async function findPeer(name: PeerName): Promise<FoundPeer | undefined> {
  const peer = peers[name];
  const named = process.env[peer.variable];
  const program = named === undefined || named === '' ? path.join(folderOf(name), peer.program) : named;
  const version = program === named ? `as ${peer.variable} names it` : peer.version;
  return (await isThere(program)) ? { name, version, program } : undefined;
}

/** The peer's program; throws with what to do when it is not there. */
export async function needPeer(name: PeerName): Promise<FoundPeer> {
  const found = await findPeer(name);
  if (found !== undefined) return found;
  const { from, variable } = peers[name];
  throw new Error(`not here: ${from}; npm run bench -- peers, or ${variable} names it`);
}

/** Installs it when it is not there; throws with the reason when it cannot be had. */
export async function installPeer(name: PeerName): Promise<FoundPeer> {
  const there = await findPeer(name);
  if (there !== undefined) return there;
  const folder = folderOf(name);
  await withLock(`peer-${name}`, async () => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    try {
      await peers[name].add(folder);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  });
  const found = await findPeer(name);
  if (found === undefined)
    throw new Error(`${name} was installed from ${peers[name].from} but has no program.`);
  return found;
}
