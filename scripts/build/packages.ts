// The npm packages that a release contains, and their licence texts. Never names a package of which no byte is in it.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Metafile } from 'esbuild';
import { root } from '../check/source.ts';

const licenceName = /^(licen[cs]e|copying|notice)([.-].*)?$/i;
const packageFolder = /^(.*node_modules\/)((?:@[^/]+\/)?[^/]+)/;

/** What ends up in the web page; its own tool does not say. */
const pagePackages = [
  '@vue/reactivity',
  '@vue/runtime-core',
  '@vue/runtime-dom',
  '@vue/shared',
  'uplot',
  'vue',
];

export interface Package {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Relative to the project. */
  readonly folder: string;
  /** As the lock file has it: `sha512-` and base64. */
  readonly integrity: string;
}

type Lock = Readonly<Record<string, { readonly integrity?: string }>>;

export async function packagesOf({ outputs }: Pick<Metafile, 'outputs'>): Promise<Package[]> {
  const inputs = Object.values(outputs).flatMap(output => Object.entries(output.inputs));
  const bundled = inputs.flatMap(([file, { bytesInOutput }]) =>
    bytesInOutput > 0 ? (packageFolder.exec(file)?.[0] ?? []) : [],
  );
  const shown = pagePackages.map(name => `ui/node_modules/${name}`);
  const locks = { '': await lockIn('.'), 'ui/': await lockIn('ui') };
  const folders = [...new Set([...bundled, ...shown])].toSorted();
  return Promise.all(folders.map(folder => packageOf(folder, locks)));
}

async function lockIn(folder: string): Promise<Lock> {
  const text = await readFile(path.join(root, folder, 'package-lock.json'), 'utf8');
  return (JSON.parse(text) as { packages: Lock }).packages;
}

async function packageOf(folder: string, locks: Readonly<Record<'' | 'ui/', Lock>>): Promise<Package> {
  const text = await readFile(path.join(root, folder, 'package.json'), 'utf8');
  const { name, version, license } = JSON.parse(text) as { name: string; version: string; license: string };
  const where = folder.startsWith('ui/') ? 'ui/' : '';
  const integrity = locks[where][folder.slice(where.length)]?.integrity;
  if (integrity === undefined) throw new Error(`${folder} is in the release, but in no package-lock.json.`);
  return { name, version, licence: license, folder, integrity };
}

export async function notices(packages: readonly Package[]): Promise<string> {
  return (await Promise.all(packages.map(noticeOf))).join(`\n${'-'.repeat(72)}\n\n`);
}

async function noticeOf({ name, version, licence, folder }: Package): Promise<string> {
  const at = path.join(root, folder);
  const names = (await readdir(at)).filter(file => licenceName.test(file)).toSorted();
  const texts = await Promise.all(names.map(file => readFile(path.join(at, file), 'utf8')));
  return `${[`${name} ${version} (${licence})`, ...texts.map(text => text.trim())].join('\n\n')}\n`;
}
