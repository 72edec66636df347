// The images that a test node runs: BigO's own, real Ollama, and stand-ins for Ollama that serve, crash or eat memory.
// Never downloads anything; what is in an image is what its list of files says.
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { bundle, stampOf } from '../../../scripts/build/bundle.ts';
import { writeArchive, type Image, type Layer } from '../../../scripts/image/archive.ts';
import { bigoImage as ownImage, program, runtimeLayer } from '../../../scripts/image/contents.ts';
import { find } from '../../tools/parts.ts';

const root = path.resolve(import.meta.dirname, '..', '..', '..');

export type { Image };

export const imageNames = {
  pause: 'bigo.test/pause:1',
  bigo: 'ghcr.io/bigo/bigo:test',
  ollama: 'docker.io/ollama/ollama:0.24.0',
  fakeOllama: 'bigo.test/fake-ollama:1',
  /** The same content under another tag, for rollouts. */
  fakeOllamaNext: 'bigo.test/fake-ollama:2',
  /** Ends at once with exit code 3. */
  fakeOllamaCrashing: 'bigo.test/fake-ollama:crashing',
  /** Takes memory until it is ended. */
  fakeOllamaHungry: 'bigo.test/fake-ollama:hungry',
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

export async function fakeOllamaImages(folder: string, flags = ''): Promise<Image[]> {
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
