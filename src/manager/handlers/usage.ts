// Usage: counters, ranking, hours, counting from outside, reset. Never counts what the gateways' journals count already.
import type { Call, Handler } from '../call.ts';
import type { ManagerContext } from '../context.ts';
import { metricsText } from '../core/metrics-text.ts';
import { missingModels } from '../core/models.ts';
import type { RouteId } from '../core/routes.ts';
import { ranking, usageName } from '../core/usage.ts';

const hoursShown = 24;
const hourMs = 3_600_000;

export function usageHandlers(context: ManagerContext): Partial<Record<RouteId, Handler>> {
  const { store, clock, sync } = context;
  return {
    usage: async () => {
      await sync.current();
      return { success: true, models: Object.fromEntries(await store.read()) };
    },
    ranking: async () => {
      await sync.current();
      const { total, models } = ranking(await store.read());
      return { success: true, total_requests: total, models };
    },
    history: call => history(context, call),
    metrics: call => metrics(context, call),
    track: async call => {
      const model = usageName((call.body as { model: string }).model);
      await store.count(model, 'requests', clock.wallIso());
      return { success: true, model, current_count: (await store.read()).get(model)?.requests ?? 0 };
    },
    reset: async () => {
      // What was served before must not come back after it.
      await sync.current();
      await store.reset();
      return { success: true };
    },
  };
}

async function history({ store, clock, sync }: ManagerContext, call: Call): Promise<object> {
  await sync.current();
  const { hours = hoursShown } = call.query as { hours?: number };
  const from = new Date(Date.parse(clock.wallIso()) - hours * hourMs).toISOString().slice(0, 13);
  return { success: true, hours: await store.history(from) };
}

async function metrics(context: ManagerContext, { res }: Call): Promise<undefined> {
  const { store, clock, sync, sights } = context;
  const [all, [last]] = await Promise.all([sights.all(), store.reports(1), sync.current()]);
  const missing = all.flatMap(({ fleet, desired }) => (fleet ? missingModels([fleet], desired) : []));
  const ageMs = last === undefined ? 0 : Date.parse(clock.wallIso()) - Date.parse(last.receivedAt);
  const report = last && { ageSeconds: Math.max(0, ageMs / 1000), missing: last.missing_models.length };
  const text = metricsText({ usage: await store.read(), missing: missing.length, report });
  res.writeHead(200, {
    'content-type': 'text/plain; version=0.0.4; charset=utf-8',
    'cache-control': 'no-store',
  });
  res.end(res.req.method === 'HEAD' ? undefined : text);
  return undefined;
}
