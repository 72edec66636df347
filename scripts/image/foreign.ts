// What an image for another processor has of programs and libraries, and where the loader will look for them. Never runs any of it.
import { readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import { readElf } from './elf.ts';
import { otherPrograms } from './other-processor.ts';
import { processors, type Processor } from './processors.ts';

export interface ForeignFiles {
  readonly node: string;
  readonly nodeLicence: string;
  readonly nodeVersion: string;
  readonly shell: string;
  /** By their place in the image. */
  readonly libraries: Readonly<Record<string, string>>;
  readonly debianRoot: string;
}

export async function foreignFiles(processor: Processor): Promise<ForeignFiles> {
  const { nodeFolder, nodeVersion, debianRoot } = await otherPrograms(processor);
  const node = path.join(nodeFolder, 'bin', 'node');
  const shell = path.join(debianRoot, 'bin', 'dash');
  const libraries = await librariesFor([node, shell], { debianRoot, processor });
  return { node, nodeLicence: path.join(nodeFolder, 'LICENSE'), nodeVersion, shell, libraries, debianRoot };
}

/** What the programs load, and what that loads in turn: each where the loader looks for it. */
async function librariesFor(
  programs: readonly string[],
  { debianRoot, processor }: { readonly debianRoot: string; readonly processor: Processor },
): Promise<Record<string, string>> {
  const folders = ['', '/usr'].map(above => above + processors[processor].libraries);
  const known = await Promise.all(
    folders.map(folder => readdir(path.join(debianRoot, folder)).catch((): string[] => [])),
  );
  const found: Record<string, string> = {};
  const waiting = [...programs];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    const { loader, libraries = [] } = readElf(await readFile(file)) ?? {};
    if (loader !== undefined) found[loader] = await fileIn(debianRoot, loader);
    for (const name of libraries) {
      if (Object.keys(found).some(place => path.basename(place) === name)) continue;
      const folder = folders[known.findIndex(names => names.includes(name))];
      if (folder === undefined)
        throw new Error(`${file} loads ${name}, which no Debian package of ours has.`);
      const library = await fileIn(debianRoot, path.join(folder, name));
      found[`${processors[processor].libraries}/${name}`] = library;
      waiting.push(library);
    }
  }
  return found;
}

const linksMax = 8;

/** Where a link of the other machine leads to: Debian's loader for amd64 is one from `/lib64` to `/lib`, which are not this machine's. */
export async function fileIn(machineRoot: string, file: string): Promise<string> {
  let place = file;
  for (let links = 0; links < linksMax; links++) {
    const target = await readlink(path.join(machineRoot, place)).catch(() => undefined);
    if (target === undefined) return path.join(machineRoot, place);
    place = path.resolve(path.dirname(place), target);
  }
  throw new Error(`${file} leads in a circle in ${machineRoot}.`);
}
