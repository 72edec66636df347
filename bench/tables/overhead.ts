// The table of bench/overhead.ts. Never measures.
import { loadResult } from '../lib/results.ts';
import type { OverheadData } from '../overhead.ts';
import { atLeast, atMost, origin, shown, table } from './markdown.ts';
import type { Bar, Section } from './markdown.ts';

export async function overheadSection(): Promise<Section | undefined> {
  const result = await loadResult<OverheadData>('overhead');
  if (result === undefined) return undefined;
  const { medians, versions } = result.data;
  const rows = Object.entries(medians).map(([name, row]) => {
    const speed = row.perSecond / (medians['nginx']?.perSecond ?? NaN);
    const cost = row.cpuUs / (medians['nginx']?.cpuUs ?? NaN);
    return [
      `${longNames[name] ?? name} ${versions[name] ?? ''}`.trim(),
      shown(row.perSecond),
      shown(speed),
      shown(row.cpuUs, 'µs'),
      shown(cost),
      shown(row.p50Ms, 'ms'),
      shown(row.p99Ms, 'ms'),
      shown(row.rssMb, 'MB'),
    ];
  });
  const heads = ['', 'requests/s', '× nginx', 'CPU per request', '× nginx', 'p50', 'p99', 'memory'];
  const lines = [...table(heads, rows), '', ...origin(result)];
  return { name: 'overhead', lines, bars: barsOf(medians) };
}

const longNames: Readonly<Record<string, string>> = { thin: 'thinnest Node proxy' };

function barsOf(medians: OverheadData['medians']): Bar[] {
  const { nginx, bigo, portkey, thin } = medians;
  if (nginx === undefined || bigo === undefined) return [];
  const bars = [
    atLeast('overhead: requests/s, × nginx', bigo.perSecond / nginx.perSecond, 0.3),
    atMost('overhead: CPU per request, × nginx', bigo.cpuUs / nginx.cpuUs, 3.5),
    atMost('overhead: p99, × nginx', bigo.p99Ms / nginx.p99Ms, 4),
  ];
  if (thin !== undefined)
    bars.push(atMost('overhead: CPU per request, × the thinnest Node proxy', bigo.cpuUs / thin.cpuUs, 1.3));
  if (portkey === undefined) return bars;
  return [...bars, atLeast('overhead: requests/s, × Portkey', bigo.perSecond / portkey.perSecond, 15)];
}
