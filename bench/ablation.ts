// What each part of the routing policy is worth: the same simulated days with that part left out.
// `node bench/ablation.ts --write` writes this table and that of sensitivity.ts into docs/routing.md.
import type { PolicyConstants } from '../src/gateway/core/scheduler/constants.ts';
import type { SimPlan } from '../src/sim/types.ts';
import { WORKLOADS } from '../src/sim/workloads.ts';
import { tableLines, writeSection } from './lib/routing-doc.ts';
import { daysOf, measure, middle, ratios } from './lib/variants.ts';
import type { Days, Figures, Variant } from './lib/variants.ts';
import { sensitivityLines } from './sensitivity.ts';

const never = 1e9;
const slotsEndless = 10_000;

function withSlots(slots: number | undefined): (plan: SimPlan) => SimPlan {
  return plan => ({
    ...plan,
    backends: plan.backends.map(backend => {
      const { slots: _, ...spec } = backend.spec;
      return { ...backend, spec: slots === undefined ? spec : { ...spec, slots } };
    }),
  });
}

function withoutLengths(plan: SimPlan): SimPlan {
  return { ...plan, requests: plan.requests.map(({ tokensMax: _, ...request }) => request) };
}

function limited(name: string, limits: Partial<PolicyConstants>): Variant {
  return { name, limits };
}

const variants: readonly Variant[] = [
  { name: 'other dice, for the noise', dice: 1_000 },
  { name: 'no late binding: all tickets go to a loaded runner at once', plan: withSlots(slotsEndless) },
  { name: 'slots learned, not told', plan: withSlots(undefined) },
  { name: 'requests do not say how many tokens they want at most', plan: withoutLengths },
  limited('no copies of busy models', { copyGainMin: never }),
  limited('copies however little busy the places are', { busyShareMin: 0, busyShareMinFree: 0 }),
  limited('copies only where something gives way counts as busy', { busyShareMinFree: 0.75 }),
  limited('evictions cost nothing, later arrivals count nothing', { horizonMs: 0 }),
  limited('no patience: cold tickets load at once', { patienceShare: 0 }),
  limited('no load for starved tickets', { waitForWarmMsMax: never }),
  limited('late loads are waited for', { overdueShare: never }),
  limited('conversations are not remembered', { prefixMemoryMs: -1 }),
  limited('no waiting for the runner that has the conversation', { prefixWaitMsMax: 0 }),
  limited('other requests on the backend do not matter', { crowdMs: 0 }),
];

const fullDays = daysOf(6, 1_000);
const quickDays = daysOf(1, 200);

function cell({ meanMs, p99Ms, loads }: Figures): string {
  return [meanMs, p99Ms, loads].map(value => value.toFixed(2)).join(' / ');
}

function ablationLines(days: Days): string[] {
  const whole = measure({ name: 'as it is' }, days);
  const names = WORKLOADS.map(workload => workload.name);
  const empty: Figures = { meanMs: NaN, p99Ms: NaN, loads: NaN };
  const own = names.map(name => {
    const { meanMs, p99Ms, loads } = whole.get(name) ?? empty;
    return `${Math.round(meanMs)} ms / ${(p99Ms / 1_000).toFixed(1)} s / ${Math.round(loads)}`;
  });
  const rows = variants.map(variant => {
    const changed = ratios(measure(variant, days), whole);
    const all = middle([...changed.values()].map(({ meanMs }) => meanMs));
    return [variant.name, all.toFixed(2), ...names.map(name => cell(changed.get(name) ?? empty))];
  });
  return [
    `Mean / p99 time to first token / loads over ${days.seeds.length} simulated days of ${days.requests} requests per workload: in the first row as they are, below as multiples of it. Over 1 = worse without. The second column is the geometric mean of the means.`,
    '',
    ...tableLines(['left out', 'all', ...names], [['nothing', '1', ...own], ...rows]),
  ];
}

async function main(words: readonly string[]): Promise<void> {
  const quick = words.includes('--quick');
  const ablation = ablationLines(quick ? quickDays : fullDays);
  const sensitivity = sensitivityLines(quick ? quickDays : daysOf(4, 600));
  console.log([...ablation, '', ...sensitivity].join('\n'));
  if (!words.includes('--write')) return;
  await writeSection('ablation', ablation);
  await writeSection('sensitivity', sensitivity);
}

await main(process.argv.slice(2));
