// The tables of bench/race.ts. Never races.
import { loadResult } from '../lib/results.ts';
import { median } from '../lib/stats.ts';
import type { RaceData, RaceSummary } from '../race.ts';
import { atLeast, atMost, origin, shown, table } from './markdown.ts';
import type { Bar, Section } from './markdown.ts';

export async function raceSection(): Promise<Section | undefined> {
  const result = await loadResult<RaceData>('race');
  if (result === undefined) return undefined;
  const { data } = result;
  const lines = Object.entries(data.medians).flatMap(([workload, own]) => {
    const seeds = new Set(data.runs.filter(run => run.workload === workload).map(run => run.seed)).size;
    const heads = [`${workload}, ${seeds} seeds`, 'mean', 'p50', 'p99', 'loads', 'failed'];
    const rows = Object.entries(own).map(([name, row]) => [
      name,
      ...timesOf(row),
      shown(row.loads),
      shown(row.failed),
    ]);
    return [...table(heads, rows), ''];
  });
  const how = Object.entries(data.configured)
    .filter(([name]) => data.runs.some(run => run.router === name))
    .map(([name, text]) => `- **${name}** ${versionOf(data, name)}: ${text}.`);
  const bars = [
    ...Object.entries(data.medians).flatMap(([name, own]) => barsOf(name, own)),
    ...estimateBars(data),
  ];
  return { name: 'race', lines: [...lines, 'How each was set up:', '', ...how, '', ...origin(result)], bars };
}

function versionOf(data: RaceData, router: string): string {
  return data.runs.find(run => run.router === router)?.version ?? '';
}

function timesOf(row: RaceSummary): string[] {
  return [row.meanMs, row.p50Ms, row.p99Ms].map(ms => shown(ms / 1000, 's'));
}

/** Each figure against the best that any peer has in it, which need not be the same peer. */
function barsOf(workload: string, own: Readonly<Record<string, RaceSummary>>): Bar[] {
  const { bigo, ...others } = own;
  const peers = Object.values(others).filter(peer => Number.isFinite(peer.meanMs));
  if (bigo === undefined || peers.length === 0) return [];
  const ratio = (figure: (row: RaceSummary) => number): number =>
    figure(bigo) / Math.min(...peers.map(figure));
  return [
    atMost(
      `race, ${workload}: mean, × the best peer`,
      ratio(row => row.meanMs),
      0.8,
    ),
    atMost(
      `race, ${workload}: p99, × the best peer`,
      ratio(row => row.p99Ms),
      0.6,
    ),
    atMost(
      `race, ${workload}: loads, × the best peer`,
      ratio(row => row.loads),
      1.5,
    ),
    atMost(`race, ${workload}: requests that failed`, bigo.failed, 0),
  ];
}

function estimateBars(data: RaceData): Bar[] {
  const told = data.runs.filter(run => run.router === 'bigo' && run.estimates.count > 0);
  if (told.length === 0) return [];
  const count = told.reduce((sum, run) => sum + run.estimates.count, 0);
  return [
    atLeast('race: requests over 200 ms with an estimate', count, 50),
    atMost('race: error of the estimate, median', median(told.map(run => run.estimates.medianError)), 0.3),
  ];
}
