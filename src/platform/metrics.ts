// Counters, gauges and histograms whose children are plain numbers, so that counting costs nanoseconds; prom-client writes them out.
// Never lets one metric grow past its bound of children: what comes later is counted as `other`.
import { Registry, collectDefaultMetrics } from 'prom-client';
import type { Metric } from 'prom-client';
import type { MetricSpec } from '../api/metrics.ts';

const childrenMax = 2_000;
const LABEL_GAP = '\u0000';

interface ExportedValue {
  readonly labels: Record<string, string | number>;
  readonly value: number;
  readonly metricName?: string;
}

/** One labelled number. Add to it, or set it. */
export interface NumberChild {
  value: number;
}

export class HistogramChild {
  readonly counts: Float64Array;
  sum = 0;
  private readonly bounds: readonly number[];

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds, counts } = this;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] ?? 0)) index += 1;
    counts[index] = (counts[index] ?? 0) + 1;
    this.sum += value;
  }
}

abstract class Family<Child> {
  readonly name: string;
  readonly help: string;
  readonly type: MetricSpec['type'];
  readonly labelNames: readonly string[];
  protected readonly children = new Map<string, { labels: Record<string, string>; child: Child }>();
  /** Runs before each export, e.g. to set gauges. */
  collect: (() => void) | undefined;

  constructor(name: string, spec: MetricSpec) {
    this.name = name;
    this.help = spec.help;
    this.type = spec.type;
    this.labelNames = spec.labels;
  }

  protected abstract make(): Child;
  protected abstract export(labels: Record<string, string>, child: Child): ExportedValue[];

  /** Keep the child where it is used often: looking it up builds a string. */
  with(...values: readonly string[]): Child {
    const key = values.join(LABEL_GAP);
    const found = this.children.get(key);
    if (found !== undefined) return found.child;
    if (this.children.size >= childrenMax && !values.every(value => value === 'other')) {
      return this.with(...this.labelNames.map(() => 'other'));
    }
    const labels = Object.fromEntries(this.labelNames.map((label, index) => [label, values[index] ?? '']));
    const child = this.make();
    this.children.set(key, { labels, child });
    return child;
  }

  reset(): void {
    this.children.clear();
  }

  async get(): Promise<{
    name: string;
    help: string;
    type: string;
    values: ExportedValue[];
    aggregator: 'sum';
  }> {
    this.collect?.();
    const values = [...this.children.values()].flatMap(({ labels, child }) => this.export(labels, child));
    return { name: this.name, help: this.help, type: this.type, values, aggregator: 'sum' };
  }
}

export class NumberFamily extends Family<NumberChild> {
  protected make(): NumberChild {
    return { value: 0 };
  }
  protected export(labels: Record<string, string>, child: NumberChild): ExportedValue[] {
    return [{ labels, value: child.value }];
  }
}

export class HistogramFamily extends Family<HistogramChild> {
  private readonly bounds: readonly number[];

  constructor(name: string, spec: MetricSpec) {
    super(name, spec);
    this.bounds = spec.buckets ?? [];
  }
  protected make(): HistogramChild {
    return new HistogramChild(this.bounds);
  }
  protected export(labels: Record<string, string>, child: HistogramChild): ExportedValue[] {
    let total = 0;
    const buckets = [...child.counts].map((count, index) => {
      total += count;
      const le = this.bounds[index] ?? '+Inf';
      return { metricName: `${this.name}_bucket`, labels: { ...labels, le }, value: total };
    });
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: child.sum },
      { metricName: `${this.name}_count`, labels, value: total },
    ];
  }
}

export type FamilyOf<Spec extends MetricSpec> = Spec['type'] extends 'histogram'
  ? HistogramFamily
  : NumberFamily;
export type Families<Specs extends Record<string, MetricSpec>> = {
  readonly [Name in keyof Specs]: FamilyOf<Specs[Name]>;
};

export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}

/**
 * Sampled as usual, each 10 ms, the lag of the event loop wakes a process that has nothing to do and takes about 1 % of a core.
 * `nodejs_eventloop_lag_seconds`, measured at each scrape, stays.
 */
const lagSampleMs = 3_600_000;
const SAMPLED_LAG = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'];

/** One family per spec, in a registry of its own, with the process's and Node's standard metrics beside them. */
export function createMetrics<Specs extends Record<string, MetricSpec>>(
  specs: Specs,
): { families: Families<Specs>; exporter: MetricsText } {
  const registry = new Registry();
  const entries = Object.entries(specs).map(([name, spec]) => {
    const family = spec.type === 'histogram' ? new HistogramFamily(name, spec) : new NumberFamily(name, spec);
    if (spec.labels.length === 0) family.with();
    // prom-client asks no more of a metric than its name and get().
    registry.registerMetric(family as unknown as Metric);
    return [name, family] as const;
  });
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: lagSampleMs });
  for (const name of SAMPLED_LAG) registry.removeSingleMetric(`nodejs_eventloop_lag_${name}_seconds`);
  const families = Object.fromEntries(entries) as unknown as Families<Specs>;
  return { families, exporter: { contentType: registry.contentType, text: () => registry.metrics() } };
}
