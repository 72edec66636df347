// The licence texts of the libraries that a release contains, as one text. Never names a package that is not in it.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { root } from '../check/source.ts';

const licenceName = /^(licen[cs]e|copying|notice)([.-].*)?$/i;
const packageFolder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;

/** What ends up in the web page; its own tool does not say. */
const pagePackages = [
  '@vue/reactivity',
  '@vue/runtime-core',
  '@vue/runtime-dom',
  '@vue/shared',
  'uplot',
  'vue',
];

/** `inputs` are the files of the bundle, relative to the project. */
export async function notices(inputs: readonly string[]): Promise<string> {
  const bundled = inputs.flatMap(input => packageFolder.exec(input) ?? []);
  const shown = pagePackages.map(name => path.join('ui', 'node_modules', name));
  const texts = [...new Set([...bundled, ...shown])].toSorted().map(noticeOf);
  return (await Promise.all(texts)).join(`\n${'-'.repeat(72)}\n\n`);
}

async function noticeOf(folder: string): Promise<string> {
  const at = path.join(root, folder);
  const about = JSON.parse(await readFile(path.join(at, 'package.json'), 'utf8')) as Record<string, unknown>;
  const names = (await readdir(at)).filter(name => licenceName.test(name)).toSorted();
  const texts = await Promise.all(names.map(name => readFile(path.join(at, name), 'utf8')));
  const head = `${String(about['name'])} ${String(about['version'])} (${String(about['license'])})`;
  return `${[head, ...texts.map(text => text.trim())].join('\n\n')}\n`;
}
