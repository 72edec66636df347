// The generated sections of docs/routing.md and the stamp that tells whether they are current. Never touches the rest of it.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { rounded } from './stats.ts';
import { daysOf, measure } from './variants.ts';

const file = path.resolve(import.meta.dirname, '../../docs/routing.md');
const stampDays = daysOf(1, 200);

let stamp: string | undefined;

/** Changes when the policy decides anything differently on a few short days. Takes seconds, the first time. */
export function stampOf(): string {
  return (stamp ??= makeStamp());
}

function makeStamp(): string {
  const figures = [...measure({ name: 'as it is' }, stampDays)].map(([name, { meanMs, p99Ms, loads }]) => {
    return [name, rounded(meanMs), rounded(p99Ms), loads];
  });
  return createHash('sha256').update(JSON.stringify(figures)).digest('hex').slice(0, 12);
}

function marks(name: string): { readonly begin: RegExp; readonly end: string } {
  return { begin: new RegExp(`<!-- begin ${name}(?: (\\w+))? -->`), end: `<!-- end ${name} -->` };
}

/** The stamp in the document, undefined when the section is not there or was never written. */
export async function stampIn(name: string): Promise<string | undefined> {
  return marks(name).begin.exec(await readFile(file, 'utf8'))?.[1];
}

export async function writeSection(name: string, lines: readonly string[]): Promise<void> {
  const text = await readFile(file, 'utf8');
  const { begin, end } = marks(name);
  const from = begin.exec(text);
  const to = text.indexOf(end);
  if (from === null || to < from.index)
    throw new Error(`docs/routing.md has no section between the marks of ${name}`);
  const section = [`<!-- begin ${name} ${stampOf()} -->`, '', ...lines, '', end].join('\n');
  await writeFile(file, text.slice(0, from.index) + section + text.slice(to + end.length));
}

export function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)];
}
