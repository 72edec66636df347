// `npm run image`: BigO's image as an archive for `docker load`, or as a folder for image/Dockerfile. Never needs a daemon.
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { bundle, smokeTest, stampOf } from './build/bundle.ts';
import { layerEntries, writeArchive, type Image } from './image/archive.ts';
import { bigoImage } from './image/contents.ts';

const usage = `Usage: npm run image -- [--archive FILE] [--folder FOLDER] [--commit ID]

  --archive FILE   a docker archive: docker load -i FILE (default dist/bigo-image.tar)
  --folder FOLDER  the same files as a folder, in place of an archive
  --commit ID      the commit that the program says it is from; default: asked of git`;

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

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const options = { archive: text, folder: text, commit: text, help: { type: 'boolean' } } as const;
  const { values } = parseArgs({ options });
  if (values.help === true) return console.log(usage);
  const said = await stampOf();
  const stamp = values.commit === undefined ? said : { ...said, commit: values.commit };
  const work = await mkdtemp(path.join(tmpdir(), 'bigo-image-'));
  try {
    const file = await bundle(path.join(work, 'bundle'), stamp);
    await smokeTest(file, stamp);
    const image = await bigoImage(path.dirname(file), stamp);
    if (values.folder !== undefined) return await unpack(values.folder, image);
    const archive = path.resolve(values.archive ?? 'dist/bigo-image.tar');
    await mkdir(path.dirname(archive), { recursive: true });
    const digest = await writeArchive(archive, [image]);
    console.log(`${archive}: ${image.name}, sha256:${digest}`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

await main();
