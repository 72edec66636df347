// The image: the same bytes every time, and files as a container runtime wants them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { writeArchive, type Image, type Layer } from './archive.ts';
import { imageStart } from './contents.ts';
import { dockerfile } from './dockerfile.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-image-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A checkout as another person may have it: other times, another umask. */
async function sources(
  folder: string,
  at: { readonly seconds: number; readonly mode: number },
): Promise<Image> {
  await mkdir(path.join(folder, 'ui'), { recursive: true, mode: 0o777 & ~at.mode });
  for (const name of ['program', 'ui/b.js', 'ui/a.js']) {
    const file = path.join(folder, name);
    await writeFile(file, `${name}\n`);
    await chmod(file, (name === 'program' ? 0o755 : 0o644) & ~at.mode);
    await utimes(file, at.seconds, at.seconds);
  }
  const long = `/app/${'folder/'.repeat(15)}${'n'.repeat(60)}.js`;
  const layers: Layer[] = [
    { '/app/program': path.join(folder, 'program'), '/etc/passwd': { text: 'me:x:1:1::/:\n' } },
    { '/app/ui': path.join(folder, 'ui'), [long]: { text: 'deep' } },
  ];
  return { ...imageStart, name: 'test:1', layers };
}

test('two builds of the same content are one digest, whenever and wherever they are made', async t => {
  const folder = await folderOf(t);
  const first = await sources(path.join(folder, 'one'), { seconds: 1_000, mode: 0 });
  const second = await sources(path.join(folder, 'two'), { seconds: 2_000_000, mode: 0o077 });
  const digests = [
    await writeArchive(path.join(folder, 'one.tar'), [first]),
    await writeArchive(path.join(folder, 'two.tar'), [second]),
  ];
  assert.equal(digests[0], digests[1]);
  await writeFile(path.join(folder, 'two', 'ui', 'a.js'), 'another');
  assert.notEqual(await writeArchive(path.join(folder, 'two.tar'), [second]), digests[0]);
});

test('tar reads the archive: files belong to root, everybody may write into /tmp, long names are whole', async t => {
  const folder = await folderOf(t);
  const archive = path.join(folder, 'image.tar');
  await writeArchive(archive, [await sources(folder, { seconds: 1, mode: 0o027 })]);
  execFileSync('tar', ['-C', folder, '-xf', archive]);
  const list = (layer: string): string =>
    execFileSync('tar', ['--numeric-owner', '-tvf', path.join(folder, layer)], { encoding: 'utf8' });
  assert.match(list('layer-0.tar'), /^-rwxr-xr-x 0\/0 +8 .* app\/program$/m);
  assert.match(list('layer-0.tar'), /^drwxrwxrwt 0\/0 +0 .* tmp\/$/m);
  assert.match(list('layer-1.tar'), /^-rw-r--r-- 0\/0 +4 .* app\/(folder\/){15}n{60}\.js$/m);
});

test('the program starts as a user that is not root, in the Dockerfile and in the archive', () => {
  assert.match(imageStart.user, /^[1-9]\d*:[1-9]\d*$/);
  assert.match(dockerfile(), new RegExp(`^USER ${imageStart.user}$`, 'm'));
});
