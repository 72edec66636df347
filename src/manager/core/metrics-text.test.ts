// The text that Prometheus reads: every metric of the list, escaped names, a bound on them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MANAGER_METRICS, metricsText } from './metrics-text.ts';
import { NO_USAGE } from './usage.ts';

test('every metric of the list is told, with its help and its type', () => {
  const usage = new Map([['m:1', { ...NO_USAGE, requests: 3, costUsd: 0.5 }]]);
  const text = metricsText({ usage, missing: 2, report: { ageSeconds: 9, missing: 1 } });
  for (const [name, { type }] of Object.entries(MANAGER_METRICS)) {
    assert.match(text, new RegExp(`^# TYPE ${name} ${type}$`, 'm'));
    assert.match(text, new RegExp(`^${name}(\\{model="m:1"\\})? [\\d.]+$`, 'm'));
  }
  assert.match(text, /^bigo_manager_requests_total\{model="m:1"\} 3$/m);
});

test('a name cannot break out of its label, and beyond a hundred names the rest are counted together', () => {
  const usage = new Map([['a"} 1\n\\evil', { ...NO_USAGE, requests: 1_000 }]]);
  for (let n = 0; n < 150; n++) usage.set(`m${n}`, { ...NO_USAGE, requests: 1 });
  const text = metricsText({ usage, missing: 0, report: undefined });
  assert.ok(text.includes('model="a\\"} 1\\n\\\\evil"'));
  const rows = text.split('\n').filter(line => line.startsWith('bigo_manager_requests_total{'));
  assert.equal(rows.length, 101);
  assert.ok(rows.includes('bigo_manager_requests_total{model="other"} 51'));
  assert.doesNotMatch(text, /report/);
});
