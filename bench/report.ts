// Writes the tables of docs/benchmarks.md from bench/results/, between the marks of each section. Never measures and never edits prose.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { table } from './tables/markdown.ts';
import type { Bar, Section } from './tables/markdown.ts';
import { overheadSection } from './tables/overhead.ts';
import { raceSection } from './tables/race.ts';
import { realSection } from './tables/real-ollama.ts';
import { simSection } from './tables/routing-sim.ts';
import { streamsSection } from './tables/streams.ts';

const document = path.resolve(import.meta.dirname, '../docs/benchmarks.md');

async function sections(): Promise<Section[]> {
  const all = [overheadSection(), streamsSection(), simSection(), raceSection(), realSection()];
  const measured = (await Promise.all(all)).filter(section => section !== undefined);
  const bars = measured.flatMap(section => section.bars);
  return [{ name: 'summary', lines: barTable(bars), bars: [] }, ...measured];
}

function barTable(bars: readonly Bar[]): string[] {
  const rows = bars.map(bar => [bar.what, bar.wanted, bar.measured, bar.isHeld ? 'yes' : '**no**']);
  return table(['', 'wanted', 'measured', 'holds'], rows);
}

/** The one table that `npm run bench` prints. */
export async function summary(): Promise<string> {
  const [first] = await sections();
  return (first?.lines ?? []).join('\n');
}

/** docs/benchmarks.md with the tables of the results that are there now. */
export async function benchmarksPage(): Promise<string> {
  let text = await readFile(document, 'utf8');
  for (const section of await sections()) {
    const begin = `<!-- begin: ${section.name} -->`;
    const end = `<!-- end: ${section.name} -->`;
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`docs/benchmarks.md has no marks for ${section.name}`);
    text = `${text.slice(0, from)}${begin}\n\n${section.lines.join('\n').trim()}\n\n${text.slice(to)}`;
  }
  return text;
}

if (import.meta.main) {
  await writeFile(document, await benchmarksPage());
  console.log(await summary());
}
