// The table of bench/real-ollama.ts. Never measures.
import { loadResult } from '../lib/results.ts';
import type { RealData } from '../real-ollama.ts';
import { atMost, origin, shown, table } from './markdown.ts';
import type { Bar, Section } from './markdown.ts';

export async function realSection(): Promise<Section | undefined> {
  const result = await loadResult<RealData>('real-ollama');
  if (result === undefined) return undefined;
  const { data } = result;
  const rows = Object.entries(data.medians).map(([name, row]) => [
    name,
    ...[row.meanMs, row.p50Ms, row.p99Ms].map(ms => shown(ms / 1000, 's')),
    shown(row.loads),
    shown(row.failed),
  ]);
  const runs = Object.values(data.runs)[0]?.length ?? 0;
  const what = `${data.servers} servers, ${data.models} models, ${data.perSecond} requests/s, medians of ${runs} runs.`;
  const lines = [
    ...table(['', 'mean', 'p50', 'p99', 'loads', 'failed'], rows),
    '',
    what,
    '',
    ...origin(result),
  ];
  return { name: 'real-ollama', lines, bars: barsOf(data.medians) };
}

function barsOf({ bigo, nginx }: RealData['medians']): Bar[] {
  if (bigo === undefined || nginx === undefined) return [];
  return [
    atMost('real Ollama: loads, × round robin', bigo.loads / nginx.loads, 0.5),
    atMost('real Ollama: mean, × round robin', bigo.meanMs / nginx.meanMs, 1),
    atMost('real Ollama: p99, × round robin', bigo.p99Ms / nginx.p99Ms, 1),
    atMost('real Ollama: requests that failed', bigo.failed, 0),
  ];
}
