// Health, fleets, requests, settings, drain, and what needs a cluster. Never says healthy when no gateway answers.
import { sendJson, type Call, type Handler } from '../call.ts';
import { linkOf, type ManagerContext } from '../context.ts';
import { gpuStatus, recommendations, type GpuStatus } from '../core/gpu.ts';
import { openApi } from '../core/openapi.ts';
import { clusterProblems, problemsOf } from '../core/problems.ts';
import type { RouteId } from '../core/routes.ts';
import type { HealthReport } from '../core/schemas.ts';

const rowsMax = 1_000;
const reportsShown = 200;

export function systemHandlers(context: ManagerContext): Partial<Record<RouteId, Handler>> {
  return {
    health: call => health(context, call),
    whoami: async ({ caller }) => ({ tenant: caller.tenant, role: caller.role, keys: caller.keys }),
    openapi: async call => openApi({ version: context.version, server: call.prefix }),
    gpu: () => gpu(context),
    report: call => report(context, call),
    reports: async call => {
      const { limit = reportsShown } = call.query as { limit?: number };
      return { success: true, reports: await context.store.reports(limit) };
    },
    problems: () => problems(context),
    fleet: () => fleet(context),
    events: async call => {
      await context.live.subscribe(call.res);
      return undefined;
    },
    requests: call => requests(context, call),
    settings: () => settings(context),
    drain: call => drain(context, call),
  };
}

async function health(context: ManagerContext, call: Call): Promise<undefined> {
  const gateways = await Promise.all(
    context.links.map(async link => {
      const error = await link.fleet().then(
        () => '',
        (failure: Error) => failure.message,
      );
      return { name: link.name, url: link.address.url, answers: error === '', error };
    }),
  );
  const { cluster } = context;
  const kubernetes = cluster === undefined ? 'not used' : cluster.error === '' ? 'connected' : 'disconnected';
  // A cluster without a gateway may still be well: its Ollamas are asked directly.
  const answers =
    gateways.some(gateway => gateway.answers) || (cluster !== undefined && gateways.length === 0);
  const isHealthy = answers && kubernetes !== 'disconnected';
  const status = isHealthy ? 'healthy' : 'unhealthy';
  sendJson(call.res, isHealthy ? 200 : 503, { status, kubernetes, gateways });
  return undefined;
}

async function gpu(context: ManagerContext): Promise<object> {
  const status = await gpuNow(context);
  return { success: true, gpu_info: status, recommendations: recommendations(status) };
}

/** Memory of the nodes' GPUs, and what the models that are loaded take of it. */
export async function gpuNow(context: ManagerContext): Promise<GpuStatus> {
  const sights = await context.sights.all();
  return gpuStatus(
    sights.flatMap(({ fleet: seen }) => seen ?? []),
    context.cluster?.gpus,
  );
}

async function report(context: ManagerContext, call: Call): Promise<object> {
  await context.store.addReport({
    ...(call.body as unknown as HealthReport),
    receivedAt: context.clock.wallIso(),
  });
  return { success: true };
}

async function problems(context: ManagerContext): Promise<object> {
  const { cluster } = context;
  const found = problemsOf(await context.sights.all());
  return { success: true, problems: [...clusterProblems(cluster?.error ?? ''), ...found] };
}

async function fleet(context: ManagerContext): Promise<object> {
  const gateways = await Promise.all(
    context.links.map(async link => {
      const { name, address } = link;
      const seen = await link.fleet().then(
        value => ({ fleet: value, error: '' }),
        (error: Error) => ({ fleet: null, error: error.message }),
      );
      return { name, url: address.url, ...seen };
    }),
  );
  return { success: true, gateways };
}

async function requests(context: ManagerContext, call: Call): Promise<object> {
  const { limit = rowsMax } = call.query as { limit?: number };
  const lists = await Promise.all(
    context.links.map(async link => {
      const rows = await link.requests(limit).catch(() => []);
      return rows.map(row => ({ ...row, gateway: link.name }));
    }),
  );
  const all = lists.flat().sort((a, b) => (a.at < b.at ? 1 : -1));
  return { success: true, requests: all.slice(0, limit) };
}

async function settings(context: ManagerContext): Promise<object> {
  const gateways = await Promise.all(
    context.links.map(async link => {
      const known = await link.settings().then(
        value => ({ ...value, error: '' }),
        (error: Error) => ({ error: error.message }),
      );
      return { name: link.name, url: link.address.url, ...known };
    }),
  );
  return { success: true, gateways };
}

async function drain(context: ManagerContext, call: Call): Promise<object> {
  const wish = call.body as unknown as { backend: string; drain: boolean; gateway?: string };
  const { fleetName } = linkOf(context, wish.gateway);
  // Each gateway of the fleet sends to this backend.
  const links = context.links.filter(link => link.fleetName === fleetName);
  const answers = await Promise.allSettled(links.map(link => link.drain(wish.backend, wish.drain)));
  const done = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []));
  const [failed] = answers.flatMap(answer => (answer.status === 'rejected' ? [answer.reason as Error] : []));
  if (failed !== undefined) throw failed;
  const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);
  return {
    success: true,
    state: done.find(({ state }) => state === 'draining')?.state ?? done[0]?.state,
    inFlight: sum(done.map(({ inFlight }) => inFlight)),
    queued: sum(done.map(({ queued }) => queued)),
  };
}
