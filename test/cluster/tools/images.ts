// Container images without a registry: docker archives of programs of this machine, for `ctr images import`.
// Never downloads anything; what is in an image is what its list of files says, owned by root.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { bundle, stampOf } from '../../../scripts/build/bundle.ts';
import { find } from '../../tools/parts.ts';

const run = promisify(execFile);
const commandMsMax = 120_000;
const root = path.resolve(import.meta.dirname, '..', '..', '..');

/** Files by their place in the image; a value is a file of this machine, or a text to be written. */
type Layer = Readonly<Record<string, string | { readonly text: string }>>;

export interface Image {
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
}

export const imageNames = {
  pause: 'bigo.test/pause:1',
  bigo: 'ghcr.io/bigo/bigo:test',
  ollama: 'docker.io/ollama/ollama:0.24.0',
  fakeOllama: 'bigo.test/fake-ollama:1',
  /** The same content under another tag, for rollouts. */
  fakeOllamaNext: 'bigo.test/fake-ollama:2',
} as const;

/** A program with the shared libraries that it loads at its start. */
async function program(file: string, at: string): Promise<Layer> {
  const { stdout } = await run('ldd', [file], { timeout: commandMsMax }).catch(() => ({ stdout: '' }));
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].flatMap(found => found[1] ?? []);
  return { [at]: file, ...Object.fromEntries(libraries.map(library => [library, library])) };
}

let nodeOnce: Promise<Layer> | undefined;

/** One object for all images, so that an archive of several holds it once. */
function nodeLayer(): Promise<Layer> {
  nodeOnce ??= program(process.execPath, '/usr/local/bin/node');
  return nodeOnce;
}

/** Nothing but a process that waits: the kubelet keeps a pod's namespaces open with it. */
export async function pauseImage(): Promise<Image> {
  const layers = [await program('/bin/sleep', '/pause')];
  return { name: imageNames.pause, layers, entrypoint: ['/pause', 'infinity'] };
}

/** As the published image: the same entry point, command and listening address. */
export async function ollamaImage(): Promise<Image> {
  const binary = await find('ollama');
  if (binary === undefined) throw new Error('No real Ollama here: npm run tools -- ollama');
  return {
    name: imageNames.ollama,
    layers: [await program(binary, '/bin/ollama')],
    entrypoint: ['/bin/ollama'],
    command: ['serve'],
    env: { OLLAMA_HOST: '0.0.0.0:11434', PATH: '/usr/local/bin:/usr/bin:/bin' },
  };
}

/**
 * A stand-in for Ollama's image: `serve` is understood, and so are OLLAMA_HOST and OLLAMA_NUM_PARALLEL.
 * FAKE_OLLAMA holds more flags of test/fakes/ollama/main.ts, such as `--token-ms 50`.
 */
const fakeEntry = `
const host = process.env.OLLAMA_HOST || '0.0.0.0:11434';
const listen = /:\\d+$/.test(host) ? host : host + ':11434';
const more = (process.env.FAKE_OLLAMA || '').split(/\\s+/).filter(Boolean);
const parallel = process.env.OLLAMA_NUM_PARALLEL ? ['--num-parallel', process.env.OLLAMA_NUM_PARALLEL] : [];
process.argv.splice(2, Infinity, '--listen', listen, ...parallel, ...more);
await import('./fake.mjs');
`;

export async function fakeOllamaImages(folder: string): Promise<Image[]> {
  const outfile = path.join(folder, 'fake.mjs');
  await build({
    entryPoints: [path.join(root, 'test', 'fakes', 'ollama', 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    logLevel: 'warning',
  });
  const app: Layer = { '/app/fake.mjs': outfile, '/app/entry.mjs': { text: fakeEntry } };
  const layers = [await nodeLayer(), app];
  const entrypoint = ['/usr/local/bin/node', '/app/entry.mjs'];
  const image = { layers, entrypoint, command: ['serve'], env: { PATH: '/usr/local/bin' } };
  return [imageNames.fakeOllama, imageNames.fakeOllamaNext].map(name => ({ ...image, name }));
}

/** BigO's own image as a release makes it: Node and the one-file program, built from this checkout. */
export async function bigoImage(folder: string, name: string = imageNames.bigo): Promise<Image> {
  const file = await bundle(path.join(folder, 'bigo-bundle'), await stampOf());
  return {
    name,
    layers: [await nodeLayer(), { '/app/bigo.mjs': file }],
    entrypoint: ['/usr/local/bin/node', '/app/bigo.mjs'],
    env: { PATH: '/usr/local/bin', NODE_ENV: 'production' },
    user: '10001:10001',
  };
}

interface MadeLayer {
  readonly digest: string;
  readonly file: string;
}

/** Writes one archive with all images; a layer that several share is written once. */
export async function writeImages(folder: string, images: readonly Image[]): Promise<string> {
  const work = await mkdtemp(path.join(folder, 'images-'));
  const made = new Map<Layer, MadeLayer>();
  const manifest = [];
  for (const image of images) {
    for (const layer of image.layers) {
      if (!made.has(layer)) made.set(layer, await writeLayer(work, layer, made.size));
    }
    const layers = image.layers.map(layer => made.get(layer) as MadeLayer);
    manifest.push(await writeConfig(work, image, layers));
  }
  await writeFile(path.join(work, 'manifest.json'), JSON.stringify(manifest));
  const archive = path.join(folder, `${path.basename(work)}.tar`);
  const names = ['manifest.json', ...new Set(manifest.flatMap(one => [one.Config, ...one.Layers]))];
  await run('tar', ['-C', work, '-cf', archive, ...names], { timeout: commandMsMax });
  await rm(work, { recursive: true });
  return archive;
}

async function writeConfig(work: string, image: Image, layers: readonly MadeLayer[]) {
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {
      Entrypoint: image.entrypoint,
      Cmd: image.command ?? [],
      Env: Object.entries(image.env ?? {}).map(([name, value]) => `${name}=${value}`),
      User: image.user ?? '',
    },
    rootfs: { type: 'layers', diff_ids: layers.map(layer => `sha256:${layer.digest}`) },
    // Without this line two tags of the same content would be one image.
    history: layers.map(() => ({ created_by: image.name })),
  });
  const file = `${createHash('sha256').update(config).digest('hex')}.json`;
  await writeFile(path.join(work, file), config);
  return { Config: file, RepoTags: [image.name], Layers: layers.map(layer => layer.file) };
}

async function writeLayer(work: string, layer: Layer, index: number): Promise<MadeLayer> {
  const files = path.join(work, `layer-${index}`);
  // Node wants a home and everybody a folder for temporary files; both may be covered by volumes.
  await mkdir(path.join(files, 'tmp'), { recursive: true });
  await chmod(path.join(files, 'tmp'), 0o1777);
  for (const [at, content] of Object.entries(layer)) {
    const target = path.join(files, at);
    await mkdir(path.dirname(target), { recursive: true });
    if (typeof content === 'string') await symlink(await realpath(content), target);
    else await writeFile(target, content.text);
  }
  const file = `layer-${index}.tar`;
  const owner = ['--dereference', '--numeric-owner', '--owner=0', '--group=0', '--mtime=@0', '--sort=name'];
  await run('tar', ['-C', files, ...owner, '-cf', path.join(work, file), '.'], { timeout: commandMsMax });
  const digest = createHash('sha256')
    .update(await readFile(path.join(work, file)))
    .digest('hex');
  await rm(files, { recursive: true });
  return { digest, file };
}
