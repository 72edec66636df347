// The ConfigMap model-usage-stats as text: counters by model, usage by hour, and how far each journal was read.
// Never grows over its bounds, never counts a record twice: counters and places change together, in one object.
import { add, batchOf, hoursMax, NO_USAGE, otherModels, type Counters, type HourSum } from './usage.ts';
import type { UsagePage } from './wire.ts';

export type ConfigMapData = Readonly<Record<string, string>>;

/** The ConfigMap's name. */
export const USAGE_CONFIG_MAP = 'model-usage-stats';
/** What people read and reset: `{"model": {"pulls": …, "requests": …}}`. */
const USAGE_KEY = 'usage_data';
const HOURS_KEY = 'usage_hours';
/** Beside the counters, so that emptying `usage_data` with kubectl does not bring back what was counted. */
const PLACES_KEY = 'usage_places';
/** What an earlier program wrote: `{"model": count}`. */
const OLD_KEY = 'usage_stats';
/** What was in `usage_data` and could not be read, for people to look at. */
const CORRUPT_KEY = 'usage_data_unreadable';

/** Together below the 1 MiB that a ConfigMap may have (kubernetes core validation, MaxSecretSize). */
const usageCharsMax = 400_000;
const hoursCharsMax = 300_000;
const corruptCharsMax = 20_000;
const modelsMax = 2_000;
const epochsMax = 1_000;
const gatewaysMax = 500;
const placeCharsMax = 200;

type Json = Readonly<Record<string, unknown>>;

export class UsageDoc {
  readonly models: Map<string, Counters>;
  /** By hour (2026-11-21T13), then by model. */
  readonly hours: Map<string, Map<string, HourSum>>;
  readonly places: Map<string, string>;
  readonly corrupt: string;
  private readonly epochs: Map<string, number>;

  constructor(data: ConfigMapData = {}) {
    const { models, corrupt } = readModels(data);
    this.models = models;
    this.corrupt = corrupt;
    this.hours = readHours(data[HOURS_KEY]);
    const places = objectOf(data[PLACES_KEY]);
    this.epochs = new Map(entriesOf(places['epochs']).map(([epoch, seq]) => [epoch, amount(seq)]));
    this.places = new Map(entriesOf(places['gateways']).map(([name, next]) => [name, String(next)]));
  }

  /**
   * A page that was applied before, or overlaps one, adds nothing. False: it was read from another place than the one that stands here,
   * so that something before it may never have been counted.
   */
  apply(gateway: string, page: UsagePage, after: string | undefined): boolean {
    if (this.places.get(gateway) !== after) return false;
    const batch = batchOf(page.records, this.epochs);
    for (const [model, counters] of batch.models) this.add(model, counters);
    for (const { hour, model, counters } of batch.hours.values()) this.addHour(hour, model, counters);
    for (const [epoch, seq] of batch.places) this.epochs.set(epoch, seq);
    this.places.delete(gateway);
    this.places.set(gateway, page.next.slice(0, placeCharsMax));
    return true;
  }

  add(model: string, counters: Counters): void {
    const isKnown = this.models.has(model) || this.models.size < modelsMax;
    const name = isKnown ? model : otherModels;
    this.models.set(name, add(this.models.get(name) ?? NO_USAGE, counters));
  }

  /** The places stay: what was counted before is not counted again. */
  reset(): void {
    this.models.clear();
    this.hours.clear();
  }

  /** `share` of the room that the hours have: less of it where others fill the object. */
  toData(share = 1): ConfigMapData {
    const epochs = newest(this.epochs, epochsMax);
    const gateways = [...this.places].slice(-gatewaysMax);
    return {
      [USAGE_KEY]: JSON.stringify(Object.fromEntries(fitting(this.models))),
      [HOURS_KEY]: hoursText(this.hours, hoursCharsMax * share),
      [PLACES_KEY]: JSON.stringify({
        epochs: Object.fromEntries(epochs),
        gateways: Object.fromEntries(gateways),
      }),
      ...(this.corrupt !== '' && { [CORRUPT_KEY]: this.corrupt }),
    };
  }

  private addHour(hour: string, model: string, counters: Counters): void {
    const sums = this.hours.get(hour) ?? new Map<string, HourSum>();
    this.hours.set(hour, sums);
    const name = sums.has(model) || sums.size < modelsMax ? model : otherModels;
    const { pulls: _, lastUsed: __, ...sum } = add({ ...NO_USAGE, ...sums.get(name) }, counters);
    sums.set(name, sum);
  }
}

/** What the object keeps of other people, without what is ours or was replaced by ours. */
export function foreignData(data: ConfigMapData = {}): ConfigMapData {
  const own = new Set([USAGE_KEY, HOURS_KEY, PLACES_KEY, OLD_KEY, CORRUPT_KEY]);
  return Object.fromEntries(Object.entries(data).filter(([key]) => !own.has(key)));
}

function readModels(data: ConfigMapData): { models: Map<string, Counters>; corrupt: string } {
  const text = data[USAGE_KEY] ?? data[OLD_KEY] ?? '';
  const before = data[CORRUPT_KEY] ?? '';
  if (text.trim() === '') return { models: new Map(), corrupt: before };
  const value = parse(text);
  if (value === undefined) return { models: new Map(), corrupt: text.slice(0, corruptCharsMax) };
  const models = Object.entries(value).map(([model, entry]) => [model, countersOf(entry)] as const);
  return { models: new Map(models), corrupt: before };
}

/** A bare number is the request count of the old shape. */
function countersOf(entry: unknown): Counters {
  if (typeof entry === 'number') return { ...NO_USAGE, requests: amount(entry) };
  const fields = isObject(entry) ? entry : {};
  const numbers = Object.keys(NO_USAGE)
    .filter(name => name !== 'lastUsed')
    .map(name => [name, amount(fields[name])]);
  const lastUsed = typeof fields['lastUsed'] === 'string' ? fields['lastUsed'] : '';
  return { ...NO_USAGE, ...Object.fromEntries(numbers), lastUsed };
}

const HOUR_FIELDS = [
  'requests',
  'errors',
  'cancelled',
  'promptTokens',
  'completionTokens',
  'costUsd',
] as const;

function readHours(text: string | undefined): Map<string, Map<string, HourSum>> {
  const hours = new Map<string, Map<string, HourSum>>();
  for (const [hour, models] of Object.entries(objectOf(text))) {
    const sums = entriesOf(models).map(([model, list]) => {
      const values: readonly unknown[] = Array.isArray(list) ? list : [];
      const pairs = HOUR_FIELDS.map((name, at) => [name, amount(values[at])]);
      return [model, Object.fromEntries(pairs) as HourSum] as const;
    });
    hours.set(hour, new Map(sums));
  }
  return hours;
}

/** The newest hours that fit. */
function hoursText(hours: ReadonlyMap<string, ReadonlyMap<string, HourSum>>, charsMax: number): string {
  const kept: string[] = [];
  let chars = 2;
  for (const [hour, sums] of newest(hours, hoursMax).toReversed()) {
    const rows = [...sums].map(([model, sum]) => [model, HOUR_FIELDS.map(name => sum[name])]);
    const text = `${JSON.stringify(hour)}:${JSON.stringify(Object.fromEntries(rows))}`;
    chars += text.length + 1;
    if (chars > charsMax) break;
    kept.push(text);
  }
  return `{${kept.toReversed().join(',')}}`;
}

/** Names come from callers: those that were used longest ago are counted together when there is no room. */
function fitting(models: ReadonlyMap<string, Counters>): ReadonlyMap<string, Counters> {
  const sizes = [...models].map(([model, counters]) => JSON.stringify({ [model]: counters }).length);
  let chars = sizes.reduce((sum, size) => sum + size, 0);
  if (chars <= usageCharsMax) return models;
  const kept = new Map(models);
  const oldest = [...models].toSorted(([, a], [, b]) => (a.lastUsed < b.lastUsed ? -1 : 1));
  let other = kept.get(otherModels) ?? NO_USAGE;
  for (const [model, counters] of oldest) {
    if (chars <= usageCharsMax) break;
    if (model === otherModels) continue;
    chars -= JSON.stringify({ [model]: counters }).length;
    kept.delete(model);
    other = add(other, counters);
  }
  return kept.set(otherModels, other);
}

/** By name: epochs and hours begin with their time. */
function newest<Value>(map: ReadonlyMap<string, Value>, count: number): [string, Value][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(-count);
}

function amount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parse(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function objectOf(text: string | undefined): Json {
  return parse(text ?? '') ?? {};
}

function entriesOf(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : [];
}
