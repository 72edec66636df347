// Whoever builds a commit gets the same bytes: two checkouts in two folders, built by two processes, are one digest.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { compileParts } from '../build/bundle.ts';
import { packagesOf } from '../build/packages.ts';
import { root } from '../check/source.ts';

const buildMsMax = 120_000;
const stamp = { version: '1.2.3', commit: 'abc', time: '2026-01-02T03:04:05Z' };
const own = [
  'src',
  'scripts',
  'ui/dist',
  'ui/package-lock.json',
  'package.json',
  'package-lock.json',
  'LICENSE',
];
const esbuildParts = ['node_modules/esbuild', 'node_modules/@esbuild'];

/** What a build reads, and nothing else. */
async function checkoutIn(folder: string, packages: readonly string[]): Promise<void> {
  for (const name of [...own, ...esbuildParts, ...packages]) {
    const source = path.join(root, name);
    const isWanted = (file: string): boolean => !file.slice(source.length).includes('node_modules');
    await cp(source, path.join(folder, name), { recursive: true, filter: isWanted });
  }
}

/** The bundle in both forms, and what the image says and holds: its list of contents has the digest of every file. */
const program = `
const [out, stamp] = [process.argv[2], JSON.parse(process.argv[3])];
const { bundle } = await import('./scripts/build/bundle.ts');
const { imageWithSbom } = await import('./scripts/image/contents.ts');
const { ownProcessor } = await import('./scripts/image/processors.ts');
await bundle(out + '/one', stamp);
await bundle(out + '/parts', stamp, 'parts');
const { image, sbom } = await imageWithSbom({ folder: out + '/parts', stamp, processor: ownProcessor() });
const { layers, ...said } = image;
console.log(JSON.stringify([said, layers.map(layer => Object.keys(layer)), JSON.parse(sbom)]));
`;

async function build(checkout: string): Promise<string> {
  const out = path.join(checkout, 'out');
  await mkdir(out);
  await writeFile(path.join(checkout, 'build.mjs'), program);
  const args = ['build.mjs', out, JSON.stringify(stamp)];
  const options = { cwd: checkout, encoding: 'utf8', timeout: buildMsMax, maxBuffer: 4 << 20 } as const;
  return execFileSync(process.execPath, args, options).trim();
}

test('two checkouts of one commit, in folders of their own, give one program and one image', async t => {
  const work = await mkdtemp(path.join(tmpdir(), 'bigo-reproducible-'));
  t.after(() => rm(work, { recursive: true, force: true }));
  const packages = (await packagesOf(await compileParts(path.join(work, 'look'), stamp))).map(
    one => one.folder,
  );
  const checkouts = [path.join(work, 'one'), path.join(work, 'further', 'down', 'two')];
  const [first = '', second = ''] = checkouts;
  await checkoutIn(first, packages);
  await cp(first, second, { recursive: true });
  const images = [await build(first), await build(second)];
  for (const file of ['one/bigo.mjs', 'one/sbom.cdx.json', 'one/libraries.txt', 'parts/main.mjs']) {
    const [a, b] = await Promise.all(checkouts.map(folder => readFile(path.join(folder, 'out', file))));
    assert.ok(a !== undefined && b !== undefined && a.equals(b), `${file} differs`);
    assert.ok(!a.includes(work), `${file} names the folder in which it was made`);
  }
  assert.match(
    images[0] ?? '',
    /"name":"\/app\/main\.mjs","hashes":\[\{"alg":"SHA-256","content":"[0-9a-f]{64}"/,
  );
  assert.equal(images[0], images[1]);
});
