// The images that a test node runs: BigO's own, real Ollama, and stand-ins for Ollama that serve, crash or eat memory.
// Never downloads anything; what is in an image is what its list of files says.
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { bundle, stampOf } from '../../../scripts/build/bundle.ts';
import { writeArchive, type Image, type Layer } from '../../../scripts/image/archive.ts';
import { bigoImage as ownImage, program, runtimeLayer } from '../../../scripts/image/contents.ts';
import { find } from '../../tools/parts.ts';

const root = path.resolve(import.meta.dirname, '..', '..', '..');
const commandMsMax = 60_000;

export type { Image };

export const imageNames = {
  pause: 'bigo.test/pause:1',
  bigo: 'ghcr.io/bigo/bigo:test',
  ollama: 'docker.io/ollama/ollama:0.24.0',
  curl: 'docker.io/curlimages/curl:latest',
  metricsServer: 'registry.k8s.io/metrics-server/metrics-server:v0.9.0',
  fakeOllama: 'bigo.test/fake-ollama:1',
  /** The same content under another tag, for rollouts. */
  fakeOllamaNext: 'bigo.test/fake-ollama:2',
  /** Ends at once with exit code 3. */
  fakeOllamaCrashing: 'bigo.test/fake-ollama:crashing',
  /** Takes memory until it is ended. */
  fakeOllamaHungry: 'bigo.test/fake-ollama:hungry',
  openwebui: 'bigo.test/open-webui',
  tabby: 'bigo.test/tabby',
} as const;

/** Nothing but a process that waits: the kubelet keeps a pod's namespaces open with it. */
export async function pauseImage(): Promise<Image> {
  const layers = [await program('/bin/sleep', '/pause')];
  return { name: imageNames.pause, layers, entrypoint: ['/pause', 'infinity'] };
}

/** As the published image: the same entry point, command and listening address. `files` are added, such as a CA. */
export async function ollamaImage(files: Layer = {}): Promise<Image> {
  const binary = await find('ollama');
  if (binary === undefined) throw new Error('No real Ollama here: npm run tools -- ollama');
  return {
    name: imageNames.ollama,
    layers: [await program(binary, '/bin/ollama'), files],
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
if (process.env.FAKE_FATE === 'crashing') {
  console.error('a library is missing');
  process.exit(3);
}
const eaten = [];
if (process.env.FAKE_FATE === 'hungry') setInterval(() => eaten.push(Buffer.alloc(64 << 20, 1)), 50);
await import('./fake.mjs');
`;

async function bundled(fake: 'ollama' | 'openwebui' | 'tabby', outfile: string): Promise<string> {
  await build({
    entryPoints: [path.join(root, 'test', 'fakes', fake, 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    logLevel: 'warning',
  });
  return outfile;
}

/** Stand-ins for OpenWebUI and Tabby, where their images keep them, each under two tags of the same content. */
export async function componentImages(folder: string): Promise<Image[]> {
  const tabbyAt = '/opt/tabby/bin/tabby-cpu';
  const start = `#!/bin/sh\nexec /usr/local/bin/node /opt/tabby/tabby.mjs "$@"\n`;
  const tabby: Layer = {
    '/opt/tabby/tabby.mjs': await bundled('tabby', path.join(folder, 'tabby.mjs')),
    [tabbyAt]: { text: start, mode: 0o755 },
    ...(await program('/bin/mkdir', '/bin/mkdir')),
    ...(await program('/bin/ln', '/bin/ln')),
  };
  const openwebui: Layer = {
    '/app/backend/start.mjs': await bundled('openwebui', path.join(folder, 'openwebui.mjs')),
  };
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', NODE_NO_WARNINGS: '1' };
  const runtime = await runtimeLayer();
  return ['1', '2'].flatMap(tag => [
    {
      name: `${imageNames.openwebui}:${tag}`,
      layers: [runtime, openwebui],
      entrypoint: [],
      command: ['/usr/local/bin/node', '/app/backend/start.mjs'],
      env,
    },
    { name: `${imageNames.tabby}:${tag}`, layers: [runtime, tabby], entrypoint: [tabbyAt], env },
  ]);
}

export async function fakeOllamaImages(folder: string, flags = ''): Promise<Image[]> {
  const outfile = await bundled('ollama', path.join(folder, 'fake.mjs'));
  const app: Layer = { '/app/fake.mjs': outfile, '/app/entry.mjs': { text: fakeEntry } };
  const layers = [await runtimeLayer(), app];
  const entrypoint = ['/usr/local/bin/node', '/app/entry.mjs'];
  const image = (name: string, fate: string): Image => {
    const env = { PATH: '/usr/local/bin', FAKE_OLLAMA: flags, FAKE_FATE: fate };
    return { name, layers, entrypoint, command: ['serve'], env };
  };
  return [
    image(imageNames.fakeOllama, ''),
    image(imageNames.fakeOllamaNext, ''),
    image(imageNames.fakeOllamaCrashing, 'crashing'),
    image(imageNames.fakeOllamaHungry, 'hungry'),
  ];
}

export const curlFile = '/usr/bin/curl';

/** This machine's curl, under the name and with the start of the image that people use. */
export async function curlImage(): Promise<Image> {
  const layers = [await program(curlFile, curlFile)];
  return { name: imageNames.curl, layers, entrypoint: [], command: ['curl'], env: { PATH: '/usr/bin' } };
}

/** metrics-server, which has its whole program in one file. */
export async function metricsServerImage(): Promise<Image> {
  const binary = await find('metrics-server');
  if (binary === undefined) throw new Error('No metrics-server here: npm run tools -- metrics-server');
  const layers = [{ '/metrics-server': binary }];
  return { name: imageNames.metricsServer, layers, entrypoint: ['/metrics-server'] };
}

/** The parts of an image as a registry gives them out; they lie in `folder` afterwards. */
export async function imageParts(
  folder: string,
  image: Image,
): Promise<{ readonly config: string; readonly layers: readonly string[] }> {
  await mkdir(folder, { recursive: true });
  await withArchive(folder, [image], archive => {
    execFileSync('tar', ['-xf', archive, '-C', folder], { timeout: commandMsMax });
  });
  const [made] = JSON.parse(await readFile(path.join(folder, 'manifest.json'), 'utf8')) as [
    { Config: string; Layers: string[] },
  ];
  const at = (name: string): string => path.join(folder, name);
  return { config: at(made.Config), layers: made.Layers.map(at) };
}

/** BigO's own image as a release makes it, built from this checkout. */
export async function bigoImage(folder: string): Promise<Image> {
  const stamp = await stampOf();
  const file = await bundle(path.join(folder, 'bigo-bundle'), stamp, 'parts');
  return { ...(await ownImage(path.dirname(file), stamp)), name: imageNames.bigo };
}

/** Writes all images into one archive for as long as `use` runs. */
export async function withArchive(
  folder: string,
  images: readonly Image[],
  use: (archive: string) => void,
): Promise<void> {
  const work = await mkdtemp(path.join(folder, 'archive-'));
  try {
    const archive = path.join(work, 'images.tar');
    await writeArchive(archive, images);
    use(archive);
  } finally {
    await rm(work, { recursive: true });
  }
}
