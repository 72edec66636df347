// What BigO's image holds and how it starts: the one list behind image/Dockerfile and the archive of `npm run image`.
// Never anything that is not needed at run time: no package manager, no compiler, no embedded engine.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { IMAGE_REPOSITORY } from '../../src/api/operator-settings.ts';
import { root } from '../check/source.ts';
import type { Stamp } from '../build/bundle.ts';
import { sbomText, type Sbom } from '../build/sbom.ts';
import type { Image, Layer } from './archive.ts';
import { ownersOf, packagesIn, type DebianPackage } from './debian-packages.ts';
import { foreignFiles } from './foreign.ts';
import { imageSbom } from './image-sbom.ts';
import { fetchDebian } from './other-processor.ts';
import { ownProcessor, type Processor } from './processors.ts';

const run = promisify(execFile);
const commandMsMax = 30_000;

/** The user of every pod of ours (src/operator/core/desired/pod.ts), so that the image alone is as safe as in a pod. */
const userId = 10_001;
const nodeAt = '/usr/local/bin/node';
const nodeFlags = ['--disable-warning=ExperimentalWarning'];

export const imageStart = {
  entrypoint: [nodeAt, ...nodeFlags, '/app/bigo.mjs'],
  command: ['--help'],
  env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/tmp', NODE_ENV: 'production' },
  user: `${userId}:${userId}`,
  /** Gateway, agent, admin of the gateway, manager, health of the operator. */
  ports: [11_434, 11_435, 11_436, 8080, 8081],
  labels: {
    'org.opencontainers.image.title': 'BigO',
    'org.opencontainers.image.description': 'One address in front of a fleet of Ollama servers',
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.source': `https://github.com/${IMAGE_REPOSITORY.replace(/^[^/]*\//, '')}`,
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

export interface Runtime {
  readonly layer: Layer;
  readonly nodeVersion: string;
  readonly packages: readonly DebianPackage[];
}

const runtimesOnce = new Map<Processor, Promise<Runtime>>();

/** Node, a shell and what they load. One object for all images, so that an archive of several holds it once. */
function runtimeOf(processor: Processor): Promise<Runtime> {
  const made = runtimesOnce.get(processor);
  if (made !== undefined) return made;
  const begun = processor === ownProcessor() ? ownRuntime() : foreignRuntime(processor);
  runtimesOnce.set(processor, begun);
  return begun;
}

/** Of this machine's processor. */
export async function runtimeLayer(): Promise<Layer> {
  return (await runtimeOf(ownProcessor())).layer;
}

async function ownRuntime(): Promise<Runtime> {
  const shell = await program('/bin/sh', '/bin/sh');
  const node = await program(process.execPath, nodeAt);
  const files = Object.values({ ...shell, ...node }).filter(file => typeof file === 'string');
  const packages = await ownersOf(files.filter(file => file !== process.execPath));
  const licence = licenceOfNode();
  const layer = { ...shell, ...node, ...small, ...copyrights(packages) };
  return {
    layer: licence === undefined ? layer : { ...layer, '/licenses/node.txt': licence },
    nodeVersion: process.versions.node,
    packages,
  };
}

async function foreignRuntime(processor: Processor): Promise<Runtime> {
  const { node, nodeLicence, nodeVersion, shell, libraries, debianRoot } = await foreignFiles(processor);
  const packages = await packagesIn(debianRoot, processor);
  const programs = { [nodeAt]: node, '/bin/sh': shell, '/licenses/node.txt': nodeLicence };
  return { layer: { ...programs, ...libraries, ...small, ...copyrights(packages) }, nodeVersion, packages };
}

function copyrights(packages: readonly DebianPackage[]): Layer {
  const known = packages.flatMap(({ name, copyright }) =>
    copyright === undefined ? [] : [[`/licenses/debian/${name}.txt`, copyright] as const],
  );
  return Object.fromEntries(known);
}

function licenceOfNode(): string | undefined {
  const prefix = path.dirname(path.dirname(process.execPath));
  return [path.join(prefix, 'LICENSE'), path.join(prefix, 'share', 'doc', 'node', 'LICENSE')].find(
    existsSync,
  );
}

/** `folder` is what `bundle` wrote, in one form or the other. */
async function appLayer(folder: string): Promise<Layer> {
  const ours = (await readdir(folder)).filter(name => /^(\w+\.mjs|parts|ui)$/.test(name));
  return {
    ...Object.fromEntries(ours.map(name => [`/app/${name}`, path.join(folder, name)])),
    '/licenses/bigo.txt': path.join(root, 'LICENSE'),
    '/licenses/libraries.txt': path.join(folder, 'libraries.txt'),
  };
}

/** For a release: today's security updates of what other processors need. This machine's own libraries are as new as it is. */
export async function freshLibraries(wanted: readonly Processor[]): Promise<void> {
  for (const processor of wanted) if (processor !== ownProcessor()) await fetchDebian(processor);
}

export interface ImageOf {
  /** What `bundle` wrote. */
  readonly folder: string;
  readonly stamp: Stamp;
  readonly processor: Processor;
}

export async function bigoImage(folder: string, stamp: Stamp): Promise<Image> {
  return (await imageWithSbom({ folder, stamp, processor: ownProcessor() })).image;
}

export async function imageWithSbom({
  folder,
  stamp,
  processor,
}: ImageOf): Promise<{ image: Image; sbom: string }> {
  const runtime = await runtimeOf(processor);
  const app = await appLayer(folder);
  const program = JSON.parse(await readFile(path.join(folder, 'sbom.cdx.json'), 'utf8')) as Sbom;
  const name = `${IMAGE_REPOSITORY}:${stamp.version}`;
  const sbom = sbomText(await imageSbom({ name, program, runtime, layers: [runtime.layer, app], processor }));
  const image = {
    ...imageStart,
    ...{ name, processor },
    // The program's layer is the same for all processors; only this list is not.
    layers: [runtime.layer, app, { '/licenses/sbom.cdx.json': { text: sbom } }],
    labels: {
      ...imageStart.labels,
      'org.opencontainers.image.version': stamp.version,
      'org.opencontainers.image.revision': stamp.commit,
      ...(stamp.time === undefined ? {} : { 'org.opencontainers.image.created': stamp.time }),
    },
  };
  return { image: stamp.time === undefined ? image : { ...image, created: stamp.time }, sbom };
}
