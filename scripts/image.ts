// `npm run image`: BigO's image as an archive, for one processor or for all, or as a folder for image/Dockerfile. Never needs a daemon.
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { bundle, smokeTest, stampOf } from './build/bundle.ts';
import { layerEntries, writeArchive, type Image } from './image/archive.ts';
import { freshLibraries, imageWithSbom } from './image/contents.ts';
import { writeOci } from './image/oci.ts';
import { allProcessors, ownProcessor, platformsOf } from './image/processors.ts';

const usage = `Usage: npm run image -- [--archive FILE | --oci FILE | --folder FOLDER] [--platform LIST] [--commit ID]

  --archive FILE   a docker archive for one processor: docker load -i FILE (default dist/bigo-image.tar)
  --oci FILE       an OCI archive for several: skopeo copy --all oci-archive:FILE docker://…
  --folder FOLDER  the same files as a folder, in place of an archive
  --platform LIST  linux/amd64, linux/arm64, or both with a comma between; default: this machine's, with --oci both
  --commit ID      the commit that the program says it is from; default: asked of git

Beside an archive lies what the image is made of, as CycloneDX: FILE without .tar, the processor, .cdx.json.`;

async function unpack(folder: string, { layers }: Image): Promise<void> {
  for (const layer of layers) {
    for (const { path: name, mode, content } of await layerEntries(layer)) {
      const target = path.join(folder, name);
      if (content === undefined) await mkdir(target, { recursive: true });
      else if ('file' in content) await copyFile(content.file, target);
      else await writeFile(target, content.bytes);
      await chmod(target, mode);
    }
  }
}

type Made = Awaited<ReturnType<typeof imageWithSbom>>;

async function writeSboms(archive: string, made: readonly Made[]): Promise<void> {
  for (const { image, sbom } of made)
    await writeFile(`${archive.replace(/\.tar$/, '')}.${image.processor}.cdx.json`, sbom);
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const options = {
    ...{ archive: text, oci: text, folder: text, platform: text, commit: text },
    help: { type: 'boolean' },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help === true) return console.log(usage);
  const usual = values.oci === undefined ? [ownProcessor()] : allProcessors;
  const chosen = values.platform === undefined ? usual : platformsOf(values.platform);
  if (values.oci === undefined && chosen.length > 1)
    throw new Error('Several processors in one archive: only with --oci FILE.');
  const said = await stampOf();
  const stamp = values.commit === undefined ? said : { ...said, commit: values.commit };
  const work = await mkdtemp(path.join(tmpdir(), 'bigo-image-'));
  try {
    const file = await bundle(path.join(work, 'bundle'), stamp, 'parts');
    await smokeTest(file, stamp);
    await freshLibraries(chosen);
    const made: Made[] = [];
    for (const processor of chosen)
      made.push(await imageWithSbom({ folder: path.dirname(file), stamp, processor }));
    const images = made.map(({ image }) => image);
    if (values.folder !== undefined) {
      for (const image of images) await unpack(values.folder, image);
      return;
    }
    const archive = path.resolve(values.oci ?? values.archive ?? 'dist/bigo-image.tar');
    await mkdir(path.dirname(archive), { recursive: true });
    const digest =
      values.oci === undefined
        ? `sha256:${await writeArchive(archive, images)}`
        : await writeOci(archive, images);
    await writeSboms(archive, made);
    for (const { name } of images.slice(0, 1))
      console.log(`${archive}: ${name}, ${chosen.join(' and ')}, ${digest}`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  console.error(`The image could not be made: ${(error as Error).message}`);
  process.exitCode = 1;
}
