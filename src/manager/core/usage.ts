// Usage per model, made of journal records. Never counts a record twice: each epoch has a place up to which it was read.
import { displayName, parseModelName } from '../../api/names.ts';
import type { UsageRecord } from './wire.ts';

/** Of one model in one hour. */
export interface HourSum {
  /** Answers that came to their end. */
  readonly requests: number;
  readonly errors: number;
  /** Clients that left before the end. */
  readonly cancelled: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costUsd: number;
}

/** Of one model since the last reset. */
export interface Counters extends HourSum {
  readonly pulls: number;
  /** ISO time of the last request; empty when there was none. */
  readonly lastUsed: string;
}

/** Hours that a store keeps: three months. */
export const hoursMax = 24 * 92;
/** Stands for the models beyond those that a store keeps by name. */
export const otherModels = 'other';

export const NO_USAGE: Counters = {
  pulls: 0,
  requests: 0,
  errors: 0,
  cancelled: 0,
  promptTokens: 0,
  completionTokens: 0,
  costUsd: 0,
  lastUsed: '',
};

export interface UsageBatch {
  readonly models: ReadonlyMap<string, Counters>;
  /** By `hour model`, for the charts. */
  readonly hours: ReadonlyMap<string, HourCounters>;
  /** The last sequence number that is counted, by epoch. */
  readonly places: ReadonlyMap<string, number>;
}

export interface HourCounters {
  /** 2026-11-21T13 */
  readonly hour: string;
  readonly model: string;
  readonly counters: Counters;
}

const clientGone = 499;

export function batchOf(records: readonly UsageRecord[], counted: ReadonlyMap<string, number>): UsageBatch {
  const models = new Map<string, Counters>();
  const hours = new Map<string, HourCounters>();
  const places = new Map<string, number>();
  for (const record of records) {
    const place = places.get(record.epoch) ?? counted.get(record.epoch) ?? 0;
    if (record.seq <= place) continue;
    places.set(record.epoch, record.seq);
    const model = usageName(record.model);
    const counters = countersOf(record);
    models.set(model, add(models.get(model) ?? NO_USAGE, counters));
    const hour = record.at.slice(0, 13);
    const key = `${hour} ${model}`;
    hours.set(key, { hour, model, counters: add(hours.get(key)?.counters ?? NO_USAGE, counters) });
  }
  return { models, hours, places };
}

/** A stream that broke after its head has the code 200 and an error: it was not served. */
function countersOf(record: UsageRecord): Counters {
  const isGone = record.code === clientGone;
  const isError = !isGone && (record.error !== undefined || record.code >= 400);
  return {
    pulls: 0,
    requests: isGone || isError ? 0 : 1,
    errors: isError ? 1 : 0,
    cancelled: isGone ? 1 : 0,
    promptTokens: record.promptTokens ?? 0,
    completionTokens: record.completionTokens ?? 0,
    costUsd: record.costDollars,
    lastUsed: record.at,
  };
}

export function add(a: Counters, b: Counters): Counters {
  return {
    pulls: a.pulls + b.pulls,
    requests: a.requests + b.requests,
    errors: a.errors + b.errors,
    cancelled: a.cancelled + b.cancelled,
    promptTokens: a.promptTokens + b.promptTokens,
    completionTokens: a.completionTokens + b.completionTokens,
    costUsd: a.costUsd + b.costUsd,
    lastUsed: a.lastUsed > b.lastUsed ? a.lastUsed : b.lastUsed,
  };
}

const unnamed = 'unknown';

/** One spelling for one model: `llama3.2` and `llama3.2:latest` are counted together. */
export function usageName(model: string): string {
  const name = parseModelName(model);
  return name === undefined ? unnamed : displayName(name);
}

export interface RankedModel {
  readonly rank: number;
  readonly model: string;
  readonly count: number;
  /** One decimal. */
  readonly usage_percent: number;
}

export function ranking(usage: ReadonlyMap<string, Counters>): { total: number; models: RankedModel[] } {
  const used = [...usage].filter(([, counters]) => counters.requests > 0);
  const total = used.reduce((sum, [, counters]) => sum + counters.requests, 0);
  const sorted = used.sort(([a, x], [b, y]) => y.requests - x.requests || (a < b ? -1 : 1));
  const models = sorted.map(([model, { requests }], index) => ({
    rank: index + 1,
    model,
    count: requests,
    usage_percent: Math.round((requests / total) * 1000) / 10,
  }));
  return { total, models };
}
