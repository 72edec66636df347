// The tables of bench/routing-sim.ts. Never simulates.
import { loadResult } from '../lib/results.ts';
import type { SimData, SimRow } from '../routing-sim.ts';
import { atMost, shown, table } from './markdown.ts';
import type { Bar, Section } from './markdown.ts';

const halfOf = ['least-connections', 'round-robin'];
/** Two models fit everywhere: nothing is to be won by knowing what is loaded. */
const notMultiModel = ['conversations'];

export async function simSection(): Promise<Section | undefined> {
  const result = await loadResult<SimData>('routing-sim');
  if (result === undefined) return undefined;
  const { data } = result;
  const lines = Object.entries(data.medians).flatMap(([workload, own]) => {
    const best = Math.min(
      ...Object.entries(own).flatMap(([name, row]) => (name === 'bigo' ? [] : [row.meanMs])),
    );
    const rows = Object.entries(own).map(([name, row]) => rowOf(name, row, best));
    const heads = ['', 'mean', '× best simple policy', 'p50', 'p99', 'loads', 'unserved'];
    const bound = shown((data.boundMs[workload] ?? NaN) / 1000, 's');
    return [
      `**${workload}**: ${data.workloads[workload] ?? ''}. No router can have a lower mean than ${bound}.`,
      '',
      ...table(heads, rows),
      '',
    ];
  });
  const method = `Medians of ${data.seeds.length} seeds with ${shown(data.requests)} requests each; times to first token.`;
  return { name: 'routing-sim', lines: [...lines, method], bars: barsOf(data.medians) };
}

function rowOf(name: string, row: SimRow, best: number): string[] {
  const times = [row.meanMs, row.p50Ms, row.p99Ms].map(ms => shown(ms / 1000, 's'));
  const [meanText = '', ...rest] = times;
  return [name, meanText, shown(row.meanMs / best), ...rest, shown(row.loads), shown(row.unserved)];
}

function barsOf(medians: SimData['medians']): Bar[] {
  let againstHalf = 0;
  let againstBest = 0;
  let unserved = 0;
  for (const [workload, own] of Object.entries(medians)) {
    const { bigo, ...others } = own;
    if (bigo === undefined) continue;
    const ratio = (names: readonly string[]): number => {
      return Math.max(...names.map(name => bigo.meanMs / (own[name]?.meanMs ?? NaN)));
    };
    if (!notMultiModel.includes(workload)) againstHalf = Math.max(againstHalf, ratio(halfOf));
    againstBest = Math.max(againstBest, ratio(Object.keys(others)));
    unserved += bigo.unserved;
  }
  return [
    atMost(
      'simulation: mean, × least-connections and round-robin, worst many-model workload',
      againstHalf,
      0.5,
    ),
    atMost('simulation: mean, × the best simple policy, worst workload', againstBest, 1.05),
    atMost('simulation: requests not served', unserved, 0),
  ];
}
