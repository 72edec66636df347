// The metric families as Prometheus reads them.
import assert from 'node:assert/strict';
import test from 'node:test';
import { createMetrics } from './metrics.ts';

const SPECS = {
  t_total: { type: 'counter', help: 'A counter.', labels: ['model'] },
  t_seconds: { type: 'histogram', help: 'A histogram.', labels: ['model'], buckets: [0.1, 1] },
  t_now: { type: 'gauge', help: 'A gauge.', labels: [] },
} as const;

test('a histogram counts each value in every bucket at or above it', async () => {
  const { families, exporter } = createMetrics(SPECS);
  const child = families.t_seconds.with('m');
  for (const value of [0.05, 0.1, 0.5, 7]) child.observe(value);
  const text = await exporter.text();
  assert.match(text, /t_seconds_bucket\{model="m",le="0.1"\} 2\n/);
  assert.match(text, /t_seconds_bucket\{model="m",le="1"\} 3\n/);
  assert.match(text, /t_seconds_bucket\{model="m",le="\+Inf"\} 4\n/);
  assert.match(text, /t_seconds_count\{model="m"\} 4\n/);
  assert.match(text, /t_seconds_sum\{model="m"\} 7.65\n/);
});

test('a counter with 10,000 label values exports a bounded number of series, and loses no count', async () => {
  const { families, exporter } = createMetrics(SPECS);
  for (let index = 0; index < 10_000; index += 1) families.t_total.with(`model-${index}`).value += 1;
  const lines = (await exporter.text()).split('\n').filter(line => line.startsWith('t_total{'));
  assert.ok(lines.length <= 2_001, `${lines.length} series`);
  const sum = lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
  assert.equal(sum, 10_000);
});

test('a gauge is set just before it is read', async () => {
  const { families, exporter } = createMetrics(SPECS);
  families.t_now.collect = () => {
    families.t_now.with().value = 42;
  };
  assert.match(await exporter.text(), /t_now 42\n/);
});

test('a label value with quotes and line ends cannot break the format', async () => {
  const { families, exporter } = createMetrics(SPECS);
  families.t_total.with('a"b\nc').value = 1;
  assert.match(await exporter.text(), /t_total\{model="a\\"b\\nc"\} 1\n/);
});

test('Node’s own metrics come without those that must be sampled: a process that has nothing to do is not woken for them', async () => {
  const text = await createMetrics({}).exporter.text();
  assert.match(text, /^nodejs_eventloop_lag_seconds /m);
  assert.doesNotMatch(text, /nodejs_eventloop_lag_(?:min|max|mean|stddev|p\d\d)_/);
});
