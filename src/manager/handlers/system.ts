// Health, fleets, requests, settings, drain, and what needs a cluster. Never says healthy when no gateway answers.
import { BigoError } from '../../api/errors.ts';
import { sendJson, type Call, type Handler } from '../call.ts';
import { linkOf, type ManagerContext } from '../context.ts';
import { gpuStatus, recommendations } from '../core/gpu.ts';
import { openApi } from '../core/openapi.ts';
import { problemsOf, type GatewaySight } from '../core/problems.ts';
import type { RouteId } from '../core/routes.ts';
import type { GatewayLink } from '../gateway-link.ts';
import type { HealthReport } from '../types.ts';

const rowsMax = 1_000;
const reportsShown = 200;

export function systemHandlers(context: ManagerContext): Partial<Record<RouteId, Handler>> {
  return {
    health: call => health(context, call),
    whoami: async ({ caller }) => ({ tenant: caller.tenant, role: caller.role, keys: caller.keys }),
    openapi: async call => openApi({ version: context.version, server: call.prefix }),
    deployments: async () => ({ success: true, models: [], count: 0, note: outside }),
    deploy: () => needsCluster(),
    undeploy: () => needsCluster(),
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

const outside = 'This manager runs outside a cluster: there are no OllamaDeployment resources here.';

function needsCluster(): Promise<never> {
  return Promise.reject(
    new BigoError('not_implemented', `${outside} On this machine \`bigo up\` and \`bigo pull\` do the same.`),
  );
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
  const isHealthy = gateways.some(gateway => gateway.answers);
  const status = isHealthy ? 'healthy' : 'unhealthy';
  sendJson(call.res, isHealthy ? 200 : 503, { status, kubernetes: 'not used', gateways });
  return undefined;
}

async function gpu(context: ManagerContext): Promise<object> {
  const fleets = await Promise.all(context.links.map(link => link.fleet()));
  const status = gpuStatus(fleets);
  return { success: true, gpu_info: status, recommendations: recommendations(status) };
}

async function report(context: ManagerContext, call: Call): Promise<object> {
  await context.store.addReport({
    ...(call.body as unknown as HealthReport),
    receivedAt: context.clock.wallIso(),
  });
  return { success: true };
}

async function problems(context: ManagerContext): Promise<object> {
  const sights = await Promise.all(context.links.map(sightOf));
  return { success: true, problems: problemsOf(sights) };
}

async function sightOf(link: GatewayLink): Promise<GatewaySight> {
  try {
    const [seen, { declaredModels }] = await Promise.all([link.fleet(), link.settings()]);
    return { name: link.name, fleet: seen, error: '', desired: declaredModels };
  } catch (error) {
    return { name: link.name, fleet: undefined, error: (error as Error).message, desired: [] };
  }
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
  return { success: true, ...(await linkOf(context, wish.gateway).drain(wish.backend, wish.drain)) };
}
