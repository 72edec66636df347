// Plans of random days: arrivals, models, slots, crashes, drains and clients that leave, all from one seed. Never fair to anybody.
import type { Priority } from '../gateway/core/scheduler/messages.ts';
import { exponential, intBelow, lognormal, pick, rngOf } from './rng.ts';
import type { Rng } from './rng.ts';
import type { SimBackend, SimFault, SimModel, SimPlan, SimRequest } from './types.ts';

const PRIORITIES: readonly Priority[] = ['high', 'normal', 'normal', 'low', 'batch'];

export function chaosPlan(seed: number, requestCount: number): SimPlan {
  const rng = rngOf(seed);
  const models = Array.from({ length: 1 + intBelow(rng, 6) }, (_, index) => modelOf(rng, index));
  const backends = Array.from({ length: 1 + intBelow(rng, 4) }, (_, index) => backendOf(rng, index, models));
  const meanGapMs = pick(rng, [20, 100, 400]);
  const requests: SimRequest[] = [];
  let atMs = 0;
  for (let index = 0; index < requestCount; index++) {
    atMs += exponential(rng, meanGapMs);
    requests.push(requestOf(rng, { index, atMs, models }));
  }
  return { backends, requests, faults: faultsOf(rng, backends, atMs), pollMs: pick(rng, [500, 2_500]) };
}

function modelOf(rng: Rng, index: number): SimModel {
  const size = pick(rng, [1, 2, 4]);
  const failing = index > 0 && rng() < 0.1;
  return {
    name: `m${index}:latest`,
    weights: `w${index}`,
    sizeBytes: size * 1e9,
    loadMs: size * pick(rng, [50, 400, 1_500]),
    ...(failing ? { loadError: 'unable to load model' } : {}),
  };
}

function backendOf(rng: Rng, index: number, models: readonly SimModel[]): SimBackend {
  const held = models.filter(() => rng() < 0.8);
  const placesPerRunner = pick(rng, [1, 1, 2, 4]);
  const given = rng() < 0.6 ? { slots: placesPerRunner } : {};
  return {
    spec: { name: `b${index}`, url: `http://b${index}`, store: `b${index}`, class: 'default', ...given },
    params: { placesPerRunner, runnersMax: 1 + intBelow(rng, 3), unloadMs: pick(rng, [0, 300]) },
    models: index === 0 ? models : held,
    slowness: pick(rng, [1, 1, 3]),
  };
}

function requestOf(rng: Rng, at: { index: number; atMs: number; models: readonly SimModel[] }): SimRequest {
  const promptBytes = 1 + intBelow(rng, 4_000);
  const talk = intBelow(rng, 8);
  return {
    id: `r${at.index}`,
    atMs: at.atMs,
    model: pick(rng, at.models).name,
    options: rng() < 0.1 ? { num_ctx: pick(rng, [2_048, 8_192]) } : {},
    promptMs: promptBytes * 0.05,
    promptBytes,
    tokensMs: lognormal(rng, 150, 1),
    tenant: `t${intBelow(rng, 3)}`,
    priority: pick(rng, PRIORITIES),
    prefix: rng() < 0.3 ? [{ hash: `p${talk}`, bytes: Math.floor(promptBytes / 2) }] : [],
    waitMsMax: pick(rng, [500, 10_000, 60_000]),
    ...(rng() < 0.15 ? { leavesAtMs: at.atMs + exponential(rng, 300) } : {}),
  };
}

/** Whatever goes down comes back and whatever is drained is opened again before the end, so that every wait can end. */
function faultsOf(rng: Rng, backends: readonly SimBackend[], endMs: number): SimFault[] {
  const faults: SimFault[] = [];
  const count = intBelow(rng, 4);
  for (let index = 0; index < count; index++) {
    const backend = pick(rng, backends).spec.name;
    const atMs = rng() * endMs;
    const lastsMs = exponential(rng, endMs / 10);
    const [down, up] = rng() < 0.7 ? (['crash', 'back'] as const) : (['drain', 'undrain'] as const);
    faults.push({ atMs, backend, kind: down }, { atMs: atMs + lastsMs, backend, kind: up });
  }
  return faults;
}
