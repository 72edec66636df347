// What BigO's image holds and how it starts: the one list behind image/Dockerfile and the archive of `npm run image`.
// Never anything that is not needed at run time: no package manager, no compiler, no embedded engine.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { IMAGE_REPOSITORY } from '../../src/api/operator-settings.ts';
import { root } from '../check/source.ts';
import type { Stamp } from '../build/bundle.ts';
import type { Image, Layer } from './archive.ts';

const run = promisify(execFile);
const commandMsMax = 30_000;

/** The user of every pod of ours (src/operator/core/desired/pod.ts), so that the image alone is as safe as in a pod. */
const userId = 10_001;
const nodeFlags = ['--disable-warning=ExperimentalWarning'];

export const imageStart = {
  entrypoint: ['/usr/local/bin/node', ...nodeFlags, '/app/bigo.mjs'],
  command: ['--help'],
  env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/tmp', NODE_ENV: 'production' },
  user: `${userId}:${userId}`,
  /** Gateway, agent, admin of the gateway, manager, health of the operator. */
  ports: [11_434, 11_435, 11_436, 8080, 8081],
  labels: {
    'org.opencontainers.image.title': 'BigO',
    'org.opencontainers.image.description': 'One address in front of a fleet of Ollama servers',
    'org.opencontainers.image.licenses': 'Apache-2.0',
  },
} as const;

/** For `kubectl exec`: the same start under the name that people type. */
const launcher = `#!/bin/sh\nexec ${imageStart.entrypoint.join(' ')} "$@"\n`;

const small: Layer = {
  '/usr/local/bin/bigo': { text: launcher, mode: 0o755 },
  '/etc/passwd': {
    text: `root:x:0:0:root:/:/bin/sh\nbigo:x:${userId}:${userId}:bigo:/tmp:/bin/sh\n`,
  },
  '/etc/group': { text: `root:x:0:\nbigo:x:${userId}:\n` },
  // Without this file the C library asks the network for `localhost` before it looks into /etc/hosts.
  '/etc/nsswitch.conf': { text: 'hosts: files dns\n' },
};

/** A program with the shared libraries that it loads at its start. */
export async function program(file: string, at: string): Promise<Layer> {
  const { stdout } = await run('ldd', [file], { timeout: commandMsMax }).catch(() => ({ stdout: '' }));
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].flatMap(found => found[1] ?? []);
  return { [at]: file, ...Object.fromEntries(libraries.map(library => [library, library])) };
}

let runtimeOnce: Promise<Layer> | undefined;

/** Node and a shell. One object for all images, so that an archive of several holds it once. */
export function runtimeLayer(): Promise<Layer> {
  runtimeOnce ??= makeRuntime();
  return runtimeOnce;
}

async function makeRuntime(): Promise<Layer> {
  const node = await program(process.execPath, '/usr/local/bin/node');
  const licence = licenceOfNode();
  return {
    ...(await program('/bin/sh', '/bin/sh')),
    ...node,
    ...small,
    ...(licence === undefined ? {} : { '/licenses/node.txt': licence }),
  };
}

function licenceOfNode(): string | undefined {
  const prefix = path.dirname(path.dirname(process.execPath));
  return [path.join(prefix, 'LICENSE'), path.join(prefix, 'share', 'doc', 'node', 'LICENSE')].find(
    existsSync,
  );
}

/** `folder` is what `bundle` wrote. */
function appLayer(folder: string): Layer {
  return {
    '/app/bigo.mjs': path.join(folder, 'bigo.mjs'),
    '/app/ui': path.join(folder, 'ui'),
    '/licenses/bigo.txt': path.join(root, 'LICENSE'),
    '/licenses/libraries.txt': path.join(folder, 'libraries.txt'),
  };
}

export async function bigoImage(folder: string, stamp: Stamp): Promise<Image> {
  return {
    ...imageStart,
    name: `${IMAGE_REPOSITORY}:${stamp.version}`,
    layers: [await runtimeLayer(), appLayer(folder)],
    labels: {
      ...imageStart.labels,
      'org.opencontainers.image.version': stamp.version,
      'org.opencontainers.image.revision': stamp.commit,
    },
  };
}
