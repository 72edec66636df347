// Which Debian packages the C libraries and the shell of an image come from, with their copyright files.
// Never guesses: a file that no package owns is named nowhere but in the list of files.
import { execFile } from 'node:child_process';
import { access, readdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Processor } from './processors.ts';

const run = promisify(execFile);
const commandMsMax = 30_000;

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** A file of this machine. */
  readonly copyright: string | undefined;
}

/** Of this machine; none where it is no Debian. */
export async function ownersOf(files: readonly string[]): Promise<DebianPackage[]> {
  const names = new Set<string>();
  for (const file of files) for (const name of await ownerOf(file)) names.add(name);
  const format = '${Package}\t${Version}\t${Architecture}';
  const all = [...names].toSorted().map(async full => {
    const stdout = await said('dpkg-query', ['--show', `--showformat=${format}`, full]);
    const [name = '', version = '', architecture = ''] = stdout.split('\t');
    return { name, version, architecture, copyright: await copyrightIn('/', name) };
  });
  return Promise.all(all);
}

/** dpkg knows a file by the path in its package, which may lie under /usr or be a link to it. */
async function ownerOf(file: string): Promise<string[]> {
  const real = await realpath(file);
  for (const known of [file, real, real.replace(/^\/usr/, ''), `/usr${file}`]) {
    const stdout = await said('dpkg-query', ['--search', known]);
    const owner = /^([^\s:,]+(?::\w+)?): \//m.exec(stdout)?.[1];
    if (owner !== undefined) return [owner];
  }
  return [];
}

/** Of packages that were fetched for another processor, with what they held beside them. */
export async function packagesIn(folder: string, processor: Processor): Promise<DebianPackage[]> {
  const archives = (await readdir(folder)).filter(name => name.endsWith('.deb')).toSorted();
  const all = archives.map(async archive => {
    const field = (name: string): Promise<string> =>
      said('dpkg-deb', ['--field', path.join(folder, archive), name]);
    const [name, version] = await Promise.all([field('Package'), field('Version')]);
    const copyright = await copyrightIn(folder, name.trim());
    return { name: name.trim(), version: version.trim(), architecture: processor, copyright };
  });
  return Promise.all(all);
}

async function said(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, args, { timeout: commandMsMax }).catch(() => ({ stdout: '' }));
  return stdout;
}

/** GCC's libraries have theirs in a package that they need, by a link. */
async function copyrightIn(folder: string, name: string): Promise<string | undefined> {
  const docs = path.join(folder, 'usr', 'share', 'doc');
  const owners = (await readdir(docs).catch(() => [])).filter(
    other => other === name || (/^lib(gcc|stdc)/.test(name) && /^gcc-\d+-base$/.test(other)),
  );
  for (const owner of owners) {
    const file = path.join(docs, owner, 'copyright');
    const there = await access(file).then(
      () => true,
      () => false,
    );
    if (there) return file;
  }
  return undefined;
}

export function debianUrl({ name, version, architecture }: DebianPackage): string {
  return `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
}
