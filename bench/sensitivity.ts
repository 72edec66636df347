// What half and twice of every constant of the routing policy would do on simulated days. Run by itself it prints the table;
// `node bench/ablation.ts --write` puts it into docs/routing.md.
import { POLICY } from '../src/gateway/core/scheduler/constants.ts';
import type { PolicyConstants } from '../src/gateway/core/scheduler/constants.ts';
import { tableLines } from './lib/routing-doc.ts';
import { daysOf, measure, middle, ratios } from './lib/variants.ts';
import type { Days, Figures } from './lib/variants.ts';

const names = Object.keys(POLICY) as (keyof PolicyConstants)[];
/** Less is not worth a row. */
const effectMin = 0.005;

interface Effect {
  readonly all: number;
  readonly p99: number;
  readonly loads: number;
  /** The workload on which the mean changed most, and by how much. */
  readonly most: string;
  readonly mostRatio: number;
}

function effectOf(changed: ReadonlyMap<string, Figures>): Effect {
  const over = (of: (figures: Figures) => number): number => middle([...changed.values()].map(of));
  const [most, { meanMs: mostRatio }] = [...changed].reduce((a, b) =>
    Math.abs(Math.log(b[1].meanMs)) > Math.abs(Math.log(a[1].meanMs)) ? b : a,
  );
  return {
    all: over(({ meanMs }) => meanMs),
    p99: over(({ p99Ms }) => p99Ms),
    loads: over(({ loads }) => loads),
    most,
    mostRatio,
  };
}

function cells({ all, p99, loads, most, mostRatio }: Effect): string[] {
  const figures = [all, p99, loads].map(value => value.toFixed(2)).join(' / ');
  return [figures, `${mostRatio.toFixed(2)} ${most}`];
}

export function sensitivityLines(days: Days): string[] {
  const whole = measure({ name: 'as it is' }, days);
  const rows: string[][] = [];
  const without: string[] = [];
  for (const name of names) {
    const [half, twice] = [0.5, 2].map(factor => {
      const limits = { [name]: POLICY[name] * factor };
      return effectOf(ratios(measure({ name, limits }, days), whole));
    });
    if (half === undefined || twice === undefined) continue;
    const still = [half, twice].every(({ mostRatio }) => Math.abs(mostRatio - 1) < effectMin);
    if (still) without.push(`\`${name}\``);
    else rows.push([`\`${name}\``, ...cells(half), ...cells(twice)]);
  }
  const dice = effectOf(ratios(measure({ name: 'dice', dice: 1_000 }, days), whole));
  return [
    `Each constant halved and doubled: mean / p99 / loads as multiples (geometric mean over the workloads), and the workload whose mean changed most; ${days.seeds.length} days of ${days.requests} requests per workload. Other dice alone give ${cells(dice).join(', at most ')}.`,
    '',
    ...tableLines(['constant', '× 0.5', 'most', '× 2', 'most'], rows),
    '',
    ...(without.length > 0 ? [`Without any effect on these days: ${without.join(', ')}.`] : []),
  ];
}

if (import.meta.main) console.log(sensitivityLines(daysOf(4, 600)).join('\n'));
