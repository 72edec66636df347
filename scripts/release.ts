// `npm run release`: everything that a release hands out, in dist/release/, with lists of contents and checksums. Never publishes anything.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { stampOf } from './build/bundle.ts';
import { makeRelease } from './build/release.ts';
import { root } from './check/source.ts';
import { allProcessors, platformsOf } from './image/processors.ts';

const usage = `Usage: npm run release -- [--folder FOLDER] [--platform LIST]

  --folder FOLDER  default dist/release; a release that is in it is removed first
  --platform LIST  of the image; default linux/amd64,linux/arm64`;

/** Whoever names a folder by mistake keeps what is in it. */
async function refuseForeign(folder: string): Promise<void> {
  const there = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw new Error(`${folder} is no folder that can be read (${error.code}): name another one.`);
  });
  if (there.length > 0 && !there.includes('SHA256SUMS'))
    throw new Error(`${folder} has files that are no release: name another folder, or remove them.`);
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { folder: text, platform: text, help: { type: 'boolean' } } });
  if (values.help === true) return console.log(usage);
  const chosen = values.platform === undefined ? allProcessors : platformsOf(values.platform);
  const stamp = await stampOf();
  if (stamp.commit.endsWith('-dirty'))
    console.error('note: files differ from the commit, and the release says so: commit them first.');
  const folder = path.resolve(values.folder ?? path.join(root, 'dist', 'release'));
  if (values.folder !== undefined) await refuseForeign(folder);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const { sums, digest } = await makeRelease(folder, { stamp, chosen });
  await writeFile(path.join(folder, 'SHA256SUMS'), sums);
  console.log(`${folder}:\n${sums}image: ${digest}`);
}

try {
  await main();
} catch (error) {
  console.error(`The release could not be made: ${(error as Error).message}`);
  process.exitCode = 1;
}
