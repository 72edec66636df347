// A Grafana dashboard of one fleet, as a ConfigMap that Grafana's sidecar finds by its label. Never a query on what gateways do not export.
import type { KubeObject } from '../../../api/kube-object.ts';
import type { Context } from './input.ts';
import { configMap } from './object.ts';

type Panel = readonly [title: string, unit: string, query: string];

function panels(of: string): readonly Panel[] {
  const p95 = (metric: string) =>
    `histogram_quantile(0.95, sum by (le, model) (rate(${metric}_bucket{${of}}[5m])))`;
  return [
    ['Requests per second', 'reqps', `sum by (model) (rate(bigo_requests_total{${of}}[5m]))`],
    ['Time to first token, 95 %', 's', p95('bigo_time_to_first_token_seconds')],
    ['Queue length', 'short', `sum(bigo_queue_length{${of}})`],
    ['In flight by backend', 'short', `sum by (backend) (bigo_in_flight{${of}})`],
    ['Model load, 95 %', 's', p95('bigo_model_load_seconds')],
    ['Tokens per second', 'short', `sum by (model) (rate(bigo_tokens_total{${of}}[5m]))`],
    ['Backends that answer', 'short', `sum(bigo_backend_up{${of}})`],
    ['Dollars per hour', 'currencyUSD', `sum(rate(bigo_cost_dollars_total{${of}}[1h])) * 3600`],
  ];
}

export function dashboards(context: Context): KubeObject[] {
  const { monitoring, name, namespace, gateway } = context.resolved;
  if (!monitoring.dashboards || gateway === undefined) return [];
  const of = `namespace="${namespace}",job="${context.names.gateway}"`;
  const board = {
    title: `BigO: ${namespace}/${name}`,
    uid: `bigo-${namespace}-${name}`.slice(0, 40),
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    panels: panels(of).map(([title, unit, expr], index) => ({
      id: index + 1,
      type: 'timeseries',
      title,
      gridPos: { x: (index % 2) * 12, y: Math.floor(index / 2) * 8, w: 12, h: 8 },
      fieldConfig: { defaults: { unit }, overrides: [] },
      targets: [{ refId: 'A', expr }],
    })),
  };
  const identity = {
    name: context.names.dashboards,
    app: 'gateway',
    labels: { grafana_dashboard: '1' },
  } as const;
  return [configMap(context, identity, { 'bigo.json': `${JSON.stringify(board, undefined, 2)}\n` })];
}
