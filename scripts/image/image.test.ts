// The image: the same bytes every time, and files as a container runtime wants them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { skipUnless } from '../../test/tools/parts.ts';
import { bundle } from '../build/bundle.ts';
import type { Component, Sbom } from '../build/sbom.ts';
import { layerEntries, writeArchive, type Image, type Layer } from './archive.ts';
import { imageStart, imageWithSbom } from './contents.ts';
import { dockerfile } from './dockerfile.ts';
import { readElf, type Elf } from './elf.ts';
import { fileIn } from './foreign.ts';
import { writeOci } from './oci.ts';
import { ownProcessor, platformsOf, processors, type Processor } from './processors.ts';

const noOther = await skipUnless('other-processor');

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

test('platforms are named as containers name them; any other is refused with those that there are', () => {
  assert.deepEqual(platformsOf('linux/arm64,linux/amd64,linux/arm64'), ['arm64', 'amd64']);
  for (const other of ['linux/riscv64', 'windows/amd64', 'amd64', ''])
    assert.throws(() => platformsOf(`linux/amd64,${other}`), /may be linux\/amd64 or linux\/arm64/);
});

test('a link between files for another machine never leads to a file of this one', async t => {
  const folder = await folderOf(t);
  for (const name of ['lib', 'lib64']) await mkdir(path.join(folder, name));
  await symlink('/lib/loader.so', path.join(folder, 'lib64', 'loader.so'));
  await symlink('loader-2.36.so', path.join(folder, 'lib', 'loader.so'));
  assert.equal(await fileIn(folder, '/lib64/loader.so'), path.join(folder, 'lib', 'loader-2.36.so'));
  await symlink('/lib/circle.so', path.join(folder, 'lib', 'circle.so'));
  await assert.rejects(fileIn(folder, '/lib/circle.so'), /leads in a circle/);
});

/** By path, for every file of the image that is a program or a library. */
async function programsOf({ layers }: Image): Promise<Map<string, Elf>> {
  const programs = new Map<string, Elf>();
  for (const { path: name, content } of (await Promise.all(layers.map(layerEntries))).flat()) {
    if (content === undefined || !('file' in content)) continue;
    const elf = readElf(await readFile(content.file));
    if (elf !== undefined) programs.set(`/${name}`, elf);
  }
  return programs;
}

function assertComplete(programs: ReadonlyMap<string, Elf>, processor: Processor): void {
  const names = [...programs.keys()].map(file => path.basename(file));
  for (const file of ['/usr/local/bin/node', '/bin/sh']) assert.ok(programs.has(file), `${file} is missing`);
  for (const [file, { machine, loader, libraries }] of programs) {
    assert.equal(machine, processors[processor].elfMachine, `${file} is for another processor`);
    if (loader !== undefined) assert.ok(programs.has(loader), `${file} wants ${loader}`);
    for (const library of libraries) assert.ok(names.includes(library), `${file} wants ${library}`);
  }
}

test('every program of the image is for its processor and finds its libraries; the list of contents has them', async t => {
  const stamp = { version: '1.2.3', commit: 'abc', time: '2026-01-02T03:04:05Z' };
  const folder = path.dirname(await bundle(path.join(await folderOf(t), 'parts'), stamp, 'parts'));
  const { image, sbom } = await imageWithSbom({ folder, stamp, processor: ownProcessor() });
  const programs = await programsOf(image);
  assertComplete(programs, ownProcessor());
  const { components } = JSON.parse(sbom) as Sbom;
  const listed = (name: string): Component | undefined => components.find(one => one.name === name);
  for (const file of [...programs.keys(), '/app/main.mjs', '/usr/local/bin/bigo'])
    assert.match(listed(file)?.hashes?.[0]?.content ?? '', /^[0-9a-f]{64}$/, file);
  assert.equal(listed('node')?.version, process.versions.node);
  assert.match(listed('zod')?.purl ?? '', /^pkg:npm\/zod@\d/);
  assert.equal(listed('typescript'), undefined);
  assert.equal(image.labels?.['org.opencontainers.image.revision'], 'abc');
  assert.equal(image.labels?.['org.opencontainers.image.created'], image.created);
});

test(
  'an image for another processor has its programs, and both lie in one index',
  { skip: noOther },
  async t => {
    const stamp = { version: '1.2.3', commit: 'abc' };
    const work = await folderOf(t);
    const folder = path.dirname(await bundle(path.join(work, 'parts'), stamp, 'parts'));
    const other: Processor = ownProcessor() === 'amd64' ? 'arm64' : 'amd64';
    const { image, sbom } = await imageWithSbom({ folder, stamp, processor: other });
    assertComplete(await programsOf(image), other);
    assert.match(sbom, new RegExp(`pkg:deb/debian/libc6@[^"]*arch=${other}`));
    const small = (processor: Processor): Image => ({
      ...image,
      processor,
      layers: [{ '/etc/processor': { text: processor } }],
    });
    const archive = path.join(work, 'image.tar');
    const digest = await writeOci(archive, [small('amd64'), small('arm64')]);
    assert.equal(await writeOci(archive, [small('amd64'), small('arm64')]), digest);
    execFileSync('tar', ['-C', work, '-xf', archive]);
    const read = async (blob: string): Promise<Buffer> =>
      readFile(path.join(work, 'blobs', ...blob.split(':')));
    const { manifests } = JSON.parse((await read(digest)).toString()) as OciIndex;
    assert.deepEqual(
      manifests.map(({ platform }) => `${platform.os}/${platform.architecture}`),
      ['linux/amd64', 'linux/arm64'],
    );
    for (const { digest: blob, platform } of manifests) {
      const { config, layers } = JSON.parse((await read(blob)).toString()) as OciManifest;
      const told = JSON.parse((await read(config.digest)).toString()) as OciConfig;
      assert.equal(told.architecture, platform.architecture);
      const plain = gunzipSync(await read(layers[0]?.digest ?? ''));
      assert.equal(told.rootfs.diff_ids[0], `sha256:${createHash('sha256').update(plain).digest('hex')}`);
    }
  },
);

interface OciIndex {
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: { readonly os: string; readonly architecture: string };
  }[];
}

interface OciManifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

interface OciConfig {
  readonly architecture: string;
  readonly rootfs: { readonly diff_ids: readonly string[] };
}
