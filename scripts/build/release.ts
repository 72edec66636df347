// The files of a release: the program as one file and with its web page, the chart, the image, what each is made of, their digests.
// Never depends on when or where it is made.
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from '../check/source.ts';
import { sha256File } from '../fetch/cache.ts';
import { layerEntries, type Layer } from '../image/archive.ts';
import { freshLibraries, imageWithSbom } from '../image/contents.ts';
import { writeOci } from '../image/oci.ts';
import type { Processor } from '../image/processors.ts';
import { writeTar } from '../image/tar.ts';
import { bundle, smokeTest, type Stamp } from './bundle.ts';

interface ReleaseOf {
  readonly stamp: Stamp;
  readonly chosen: readonly Processor[];
}

/** Returns the checksums, and the digest that a registry will have for the image. */
export async function makeRelease(
  folder: string,
  { stamp, chosen }: ReleaseOf,
): Promise<{ sums: string; digest: string }> {
  const work = await mkdtemp(path.join(tmpdir(), 'bigo-release-'));
  const at = (name: string): string => path.join(folder, name);
  const name = `bigo-${stamp.version}`;
  try {
    const file = await bundle(path.join(work, 'one'), stamp);
    await smokeTest(file, stamp);
    await copyFile(file, at(`${name}.mjs`));
    await copyFile(path.join(work, 'one', 'sbom.cdx.json'), at(`${name}.cdx.json`));
    await copyFile(path.join(work, 'one', 'libraries.txt'), at('THIRD-PARTY-NOTICES.txt'));
    await packFolder(at(`${name}.tgz`), programFolder(name, path.join(work, 'one')));
    await packFolder(at(`bigo-chart-${stamp.version}.tgz`), { bigo: path.join(root, 'deploy', 'chart') });
    const parts = path.dirname(await bundle(path.join(work, 'parts'), stamp, 'parts'));
    await freshLibraries(chosen);
    const made = [];
    for (const processor of chosen) made.push(await imageWithSbom({ folder: parts, stamp, processor }));
    for (const { image, sbom } of made)
      await writeFile(at(`${name}-image.${image.processor}.cdx.json`), sbom);
    const digest = await writeOci(
      at(`${name}-image.tar`),
      made.map(({ image }) => image),
    );
    return { sums: await sumsOf(folder), digest };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** As a clone lies after `npm run build`, without its sources: bin/bigo finds dist/ beside it. */
function programFolder(name: string, built: string): Layer {
  return {
    [`${name}/bin/bigo`]: path.join(root, 'bin', 'bigo'),
    [`${name}/dist`]: built,
    [`${name}/LICENSE`]: path.join(root, 'LICENSE'),
  };
}

async function packFolder(archive: string, files: Layer): Promise<void> {
  const entries = (await layerEntries(files)).filter(entry => entry.path !== 'tmp/');
  await writeTar(archive, entries);
  await writeFile(archive, gzipSync(await readFile(archive), { level: 9 }));
}

/** As `sha256sum --check` reads them. */
async function sumsOf(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter(name => name !== 'SHA256SUMS').toSorted();
  const lines = names.map(async name => `${await sha256File(path.join(folder, name))}  ${name}\n`);
  return (await Promise.all(lines)).join('');
}
