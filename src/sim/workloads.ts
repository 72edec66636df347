// Workloads to compare routers on: which models, how often, how long. All from one seed; times in simulated milliseconds.
import type { ReloadOptions } from '../api/fleet.ts';
import type { PrefixMark } from '../gateway/core/scheduler/messages.ts';
import { exponential, intBelow, lognormal, rngOf } from './rng.ts';
import type { Rng } from './rng.ts';
import { tokenMs } from './server.ts';
import type { SimBackend, SimModel, SimPlan, SimRequest } from './types.ts';

export interface Workload {
  readonly name: string;
  readonly what: string;
  readonly plan: (seed: number, requestCount: number) => SimPlan;
}

const backendCount = 4;
const roomPerBackend = 2;
const promptMsPerByte = 0.02;

/** Load times 1:2:4 s by size, as models of 1, 2 and 4 GB on one disk. */
function modelsOf(count: number): SimModel[] {
  return Array.from({ length: count }, (_, index) => {
    const size = [1, 2, 4][index % 3] ?? 1;
    return { name: `m${index}:latest`, weights: `w${index}`, sizeBytes: size * 1e9, loadMs: size * 1_000 };
  });
}

function backendsOf(models: readonly SimModel[], slots: number): SimBackend[] {
  return Array.from({ length: backendCount }, (_, index) => ({
    spec: { name: `b${index}`, url: `http://b${index}`, store: `b${index}`, class: 'default', slots },
    params: { placesPerRunner: slots, runnersMax: roomPerBackend, unloadMs: 300 },
    models,
  }));
}

/** Popularity falls as 1/rank; ranks are shuffled by the seed so that popularity and size are independent. */
function zipf(rng: Rng, count: number): () => number {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let index = count - 1; index > 0; index--) {
    const other = intBelow(rng, index + 1);
    [order[index], order[other]] = [order[other] ?? 0, order[index] ?? 0];
  }
  const weights = order.map((_, rank) => 1 / (rank + 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return () => {
    let left = rng() * total;
    const rank = weights.findIndex(weight => (left -= weight) <= 0);
    return order[Math.max(0, rank)] ?? 0;
  };
}

interface Shape {
  readonly index: number;
  readonly atMs: number;
  readonly model: number;
  readonly tokensMs: number;
  readonly promptBytes?: number;
  readonly tenant?: string;
  readonly options?: ReloadOptions;
  readonly prefix?: readonly PrefixMark[];
}

function requestOf(shape: Shape): SimRequest {
  const promptBytes = shape.promptBytes ?? 400;
  return {
    id: `r${shape.index}`,
    atMs: shape.atMs,
    model: `m${shape.model}:latest`,
    options: shape.options ?? {},
    promptMs: promptBytes * promptMsPerByte,
    promptBytes,
    tokensMs: shape.tokensMs,
    tenant: shape.tenant ?? 'anonymous',
    priority: 'normal',
    prefix: shape.prefix ?? [],
    waitMsMax: 300_000,
  };
}

function tokens(rng: Rng): number {
  return lognormal(rng, 60, 1) * tokenMs;
}

function plain(models: readonly SimModel[], requests: readonly SimRequest[], slots: number): SimPlan {
  return { backends: backendsOf(models, slots), requests, faults: [], pollMs: 2_500 };
}

/** The race of the benchmark: many models by popularity, Poisson arrivals. */
export function zipfWorkload(modelCount: number, perSecond: number): Workload {
  return {
    name: `zipf-${modelCount}-models-${perSecond}-per-s`,
    what: `${modelCount} models by popularity 1/rank, ${perSecond} requests/s, room for 8 runners in all`,
    plan: (seed, requestCount) => {
      const rng = rngOf(seed);
      const models = modelsOf(modelCount);
      const next = zipf(rng, modelCount);
      let atMs = 0;
      const requests = Array.from({ length: requestCount }, (_, index) => {
        atMs += exponential(rng, 1_000 / perSecond);
        const request = requestOf({ index, atMs, model: next(), tokensMs: tokens(rng) });
        return { ...request, tokensMax: Math.max(1, Math.round(request.tokensMs / tokenMs)) };
      });
      return plain(models, requests, 1);
    },
  };
}

const conversations: Workload = {
  name: 'conversations',
  what: '2 models, 60 conversations of growing prompts whose earlier turns may be cached',
  plan: (seed, requestCount) => {
    const rng = rngOf(seed);
    const talks = Array.from({ length: 60 }, (_, talk) => ({ talk, turn: 0, bytes: 4_000 }));
    let atMs = 0;
    const requests = Array.from({ length: requestCount }, (_, index) => {
      atMs += exponential(rng, 180);
      const talk = talks[intBelow(rng, talks.length)] ?? { talk: 0, turn: 0, bytes: 4_000 };
      const prefix = Array.from({ length: Math.min(8, talk.turn) }, (__, back) => ({
        hash: `t${talk.talk}.${Math.max(0, talk.turn - 8) + back}`,
        bytes: Math.max(0, talk.bytes - (Math.min(8, talk.turn) - back) * 1_500),
      }));
      const own = { hash: `t${talk.talk}.${talk.turn}`, bytes: talk.bytes };
      const request = requestOf({
        index,
        atMs,
        model: talk.talk % 2,
        tokensMs: tokens(rng),
        promptBytes: talk.bytes,
        prefix: [...prefix, own],
      });
      talk.turn += 1;
      talk.bytes += 1_500;
      if (talk.turn > 12) [talk.turn, talk.bytes, talk.talk] = [0, 4_000, talk.talk + 60];
      return request;
    });
    return plain(modelsOf(2), requests, 2);
  },
};

const greedyClient: Workload = {
  name: 'greedy-client',
  what: '4 models; one client sends bursts of 40, five others send one request at a time',
  plan: (seed, requestCount) => {
    const rng = rngOf(seed);
    const shapes: Omit<Shape, 'index'>[] = [];
    for (let atMs = 0; shapes.length < requestCount; atMs += exponential(rng, 330)) {
      shapes.push({
        atMs,
        model: intBelow(rng, 4),
        tokensMs: tokens(rng),
        tenant: `polite-${intBelow(rng, 5)}`,
      });
      if (shapes.length % 80 !== 40) continue;
      for (let burst = 0; burst < 40; burst++) {
        shapes.push({ atMs, model: intBelow(rng, 4), tokensMs: tokens(rng), tenant: 'greedy' });
      }
    }
    const requests = shapes.slice(0, requestCount).map((shape, index) => requestOf({ ...shape, index }));
    return plain(modelsOf(4), requests, 1);
  },
};

const bursts: Workload = {
  name: 'bursts',
  what: '6 models; a minute of calm, then 10 s at five times the rate, mostly one model',
  plan: (seed, requestCount) => {
    const rng = rngOf(seed);
    const next = zipf(rng, 6);
    let atMs = 0;
    const requests = Array.from({ length: requestCount }, (_, index) => {
      const inBurst = atMs % 70_000 > 60_000;
      atMs += exponential(rng, inBurst ? 200 : 1_000);
      const hot = Math.floor(atMs / 70_000) % 6;
      const model = inBurst && rng() < 0.7 ? hot : next();
      return requestOf({ index, atMs, model, tokensMs: tokens(rng) });
    });
    return plain(modelsOf(6), requests, 1);
  },
};

const mixedContexts: Workload = {
  name: 'mixed-num-ctx',
  what: '4 models, a third of the requests with num_ctx 8192 or 32768: another runner of the same weights',
  plan: (seed, requestCount) => {
    const rng = rngOf(seed);
    const next = zipf(rng, 4);
    let atMs = 0;
    const requests = Array.from({ length: requestCount }, (_, index) => {
      atMs += exponential(rng, 400);
      const dice = rng();
      const options = dice < 0.2 ? { num_ctx: 8_192 } : dice < 0.33 ? { num_ctx: 32_768 } : {};
      return requestOf({ index, atMs, model: next(), tokensMs: tokens(rng), options });
    });
    return plain(modelsOf(4), requests, 1);
  },
};

export const WORKLOADS: readonly Workload[] = [
  zipfWorkload(8, 3),
  zipfWorkload(8, 6),
  zipfWorkload(12, 3),
  zipfWorkload(12, 6),
  conversations,
  greedyClient,
  bursts,
  mixedContexts,
];
