// The tables of bench/streams.ts. Never measures.
import { loadResult } from '../lib/results.ts';
import type { StreamsData } from '../streams.ts';
import { atMost, origin, shown, table } from './markdown.ts';
import type { Bar, Section } from './markdown.ts';

const mustHold = 300;

export async function streamsSection(): Promise<Section | undefined> {
  const result = await loadResult<StreamsData>('streams');
  if (result === undefined) return undefined;
  const { data } = result;
  const rows = data.rows
    .toSorted((a, b) => a.streams - b.streams || a.name.localeCompare(b.name))
    .map(row => {
      const cost =
        row.cpuShare === 0 ? ['–', '–'] : [`${shown(row.cpuShare * 100)} %`, shown(row.cpuUsPerChunk, 'µs')];
      return [shown(row.streams), row.name, shown(row.p50), row.p99.toFixed(3), ...cost, shown(row.broken)];
    });
  const heads = [
    'streams',
    '',
    'end, p50, × ideal',
    'end, p99, × ideal',
    'of its core',
    'CPU per chunk',
    'broken',
  ];
  const holds = Object.entries(data.holds).map(([name, count]) => `${name} ${count}`);
  const memory = data.collected.map(row => [
    shown(row.requests),
    shown(row.heapMb, 'MB'),
    shown(row.rssMb, 'MB'),
  ]);
  const lines = [
    ...table(heads, rows),
    '',
    `The highest count within 1.06 × the ideal at p99: ${holds.join(', ')}.`,
    `Memory: ${shown(data.idleRssMb, 'MB')} when idle, ${shown(data.openRssMb, 'MB')} with ${shown(data.openStreams)} open streams.`,
    '',
    ...table(['requests served', 'heap after a forced collection', 'resident'], memory),
    '',
    ...origin(result),
  ];
  return { name: 'streams', lines, bars: barsOf(data) };
}

function barsOf(data: StreamsData): Bar[] {
  const bars: Bar[] = [];
  const row = data.rows.find(each => each.name === 'bigo' && each.streams === mustHold);
  if (row !== undefined) bars.push(atMost(`streams: ${mustHold} end at p99, × ideal`, row.p99, 1.06));
  bars.push(atMost(`memory with ${shown(data.openStreams)} open streams`, data.openRssMb, 250, 'MB'));
  const [early, late] = data.collected;
  if (early !== undefined && late !== undefined) {
    const what = `memory at ${shown(late.requests)} requests, × that at ${shown(early.requests)}`;
    bars.push(atMost(what, Math.max(late.heapMb / early.heapMb, late.rssMb / early.rssMb), 1.1));
  }
  return bars;
}
