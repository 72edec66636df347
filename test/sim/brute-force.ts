// The best schedule of a tiny plan by trying every one: same laws as src/sim/ollama-model.ts (one loader per backend,
// room, slots, nothing is cut off). Never waits after an unload: a router that unloads by itself need not.
import { RELOAD_OPTION_NAMES } from '../../src/api/fleet.ts';
import type { SimBackend, SimModel, SimPlan, SimRequest } from '../../src/sim/types.ts';

interface Runner {
  readonly key: string;
  readonly weights: string;
  /** When each slot is free again; also when the runner is idle at the earliest. */
  readonly freeMs: readonly number[];
}

interface Server {
  readonly backend: SimBackend;
  readonly loaderFreeMs: number;
  readonly runners: readonly Runner[];
}

interface Step {
  readonly server: Server;
  readonly startMs: number;
}

/** Least sum of times to first token. Every useful order of starts is tried, and each start is as early as it can be. */
export function leastSumMs(plan: SimPlan): number {
  const servers = plan.backends.map(backend => ({ backend, loaderFreeMs: 0, runners: [] }));
  let bestMs = Infinity;
  const search = (left: readonly SimRequest[], now: readonly Server[], spentMs: number): void => {
    if (spentMs >= bestMs) return;
    if (left.length === 0) bestMs = spentMs;
    for (const request of left) {
      const rest = left.filter(other => other !== request);
      for (const [index, server] of now.entries()) {
        for (const step of waysToServe(server, request)) {
          const slowness = server.backend.slowness ?? 1;
          const tookMs = step.startMs - request.atMs + slowness * request.promptMs;
          search(rest, now.with(index, step.server), spentMs + tookMs);
        }
      }
    }
  };
  search(plan.requests, servers, 0);
  return bestMs;
}

function keyOf(model: SimModel, request: SimRequest): string {
  return JSON.stringify([model.weights, ...RELOAD_OPTION_NAMES.map(name => request.options[name])]);
}

/** On the runner that is there, else on a new one in the place of nothing or of each that could give way. */
function waysToServe(server: Server, request: SimRequest): Step[] {
  const model = server.backend.models.find(candidate => candidate.name === request.model);
  if (model === undefined) return [];
  const key = keyOf(model, request);
  const there = server.runners.find(runner => runner.key === key);
  if (there !== undefined) return [serveOn(server, there, request)];
  const twin = server.runners.find(runner => runner.weights === model.weights);
  const room = server.backend.params.runnersMax ?? 1;
  const victims = twin !== undefined ? [twin] : server.runners.length < room ? [undefined] : server.runners;
  return victims.map(victim => {
    const idleMs = Math.max(0, ...(victim?.freeMs ?? []));
    const readyMs = Math.max(server.loaderFreeMs, idleMs) + model.loadMs * (server.backend.slowness ?? 1);
    const slots = server.backend.params.placesPerRunner ?? 1;
    const runner = { key, weights: model.weights, freeMs: Array.from({ length: slots }, () => readyMs) };
    const runners = [...server.runners.filter(other => other !== victim), runner];
    return serveOn({ ...server, loaderFreeMs: readyMs, runners }, runner, request);
  });
}

function serveOn(server: Server, runner: Runner, request: SimRequest): Step {
  const slowness = server.backend.slowness ?? 1;
  const slot = runner.freeMs.indexOf(Math.min(...runner.freeMs));
  const startMs = Math.max(request.atMs, runner.freeMs[slot] ?? 0);
  const endMs = startMs + slowness * (request.promptMs + request.tokensMs);
  const used = { ...runner, freeMs: runner.freeMs.with(slot, endMs) };
  const runners = server.runners.map(other => (other === runner ? used : other));
  return { server: { ...server, runners }, startMs };
}
