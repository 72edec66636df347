// Alerts and dashboards ask only for metrics that a gateway exports, with labels that it gives them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GATEWAY_METRICS, type MetricSpec } from '../../../api/metrics.ts';
import { resolve } from '../../../api/ollama-deployment/resolve.ts';
import { resourceSchema } from '../../../api/ollama-deployment/resource.ts';
import { desired } from './desired.ts';

const settings = { image: 'bigo:1', clusterDomain: 'cluster.local', ollamaTag: '0.24.0' };
const resource = resourceSchema.parse({
  apiVersion: 'llm.geeper.io/v1alpha1',
  kind: 'OllamaDeployment',
  metadata: { name: 'x' },
  spec: {
    ollama: { models: ['a:1'] },
    autoscaling: { enabled: true, engine: 'keda', prometheusAddress: 'http://prometheus' },
    monitoring: { alerts: { enabled: true }, dashboards: { enabled: true } },
  },
});
const apis = new Set(['monitoring.coreos.com/v1/PrometheusRule', 'keda.sh/v1alpha1/ScaledObject']);
const { objects } = desired({ resolved: resolve(resource, settings), settings, secrets: {}, apis });

function queries(value: unknown): string[] {
  if (typeof value === 'string') return value.startsWith('{') ? queries(JSON.parse(value)) : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key === 'expr' || key === 'query' ? [String(item)] : queries(item),
  );
}

const asked = objects
  .filter(
    ({ kind, metadata }) =>
      kind === 'PrometheusRule' || kind === 'ScaledObject' || metadata.name === 'x-dashboards',
  )
  .flatMap(queries);

test('there are alerts and panels to look at', () => {
  assert.ok(asked.length >= 13);
});

for (const query of asked) {
  test(`every metric and label is exported: ${query}`, () => {
    const metrics = [...query.matchAll(/\bbigo_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''));
    assert.ok(metrics.length > 0);
    for (const name of metrics) {
      const spec = (GATEWAY_METRICS as Readonly<Record<string, MetricSpec>>)[name];
      assert.ok(spec !== undefined, `${name} is not exported`);
      const grouped = /by \(([^)]*)\)/.exec(query)?.[1]?.split(', ') ?? [];
      const labels: readonly string[] = [...spec.labels, 'le'];
      for (const label of grouped) assert.ok(labels.includes(label), `${name} has no label ${label}`);
    }
  });
}
