// Usage and health reports in the text format of Prometheus. Never more than a hundred models by name: the rest are `other`.
import type { MetricSpec } from '../../api/metrics.ts';
import { add, NO_USAGE, type Counters } from './usage.ts';

export const MANAGER_METRICS = {
  bigo_manager_requests_total: counter('Answers that came to their end.'),
  bigo_manager_errors_total: counter('Requests that failed.'),
  bigo_manager_cancelled_total: counter('Requests whose client left.'),
  bigo_manager_prompt_tokens_total: counter('Tokens of prompts.'),
  bigo_manager_completion_tokens_total: counter('Tokens of answers.'),
  bigo_manager_cost_dollars_total: counter('Cost of the time that backends were busy.'),
  bigo_manager_missing_models: gauge('Desired models that at least one backend that answers lacks.'),
  bigo_manager_health_report_age_seconds: gauge('Time since the last health report; absent without one.'),
  bigo_manager_health_report_missing_models: gauge('Models that the last health report missed.'),
} as const satisfies Record<string, MetricSpec>;

function counter(help: string): MetricSpec {
  return { type: 'counter', labels: ['model'], help };
}

function gauge(help: string): MetricSpec {
  return { type: 'gauge', labels: [], help };
}

const FIELDS = {
  bigo_manager_requests_total: 'requests',
  bigo_manager_errors_total: 'errors',
  bigo_manager_cancelled_total: 'cancelled',
  bigo_manager_prompt_tokens_total: 'promptTokens',
  bigo_manager_completion_tokens_total: 'completionTokens',
  bigo_manager_cost_dollars_total: 'costUsd',
} as const;

const modelsMax = 100;

export interface MetricsInput {
  readonly usage: ReadonlyMap<string, Counters>;
  readonly missing: number;
  readonly report: { readonly ageSeconds: number; readonly missing: number } | undefined;
}

export function metricsText({ usage, missing, report }: MetricsInput): string {
  const models = bounded(usage);
  const lines = Object.entries(FIELDS).flatMap(([name, field]) => [
    ...head(name as keyof typeof FIELDS),
    ...[...models].map(([model, counters]) => `${name}{model="${escaped(model)}"} ${counters[field]}`),
  ]);
  const gauges: [keyof typeof MANAGER_METRICS, number][] = [['bigo_manager_missing_models', missing]];
  if (report !== undefined) {
    gauges.push(
      ['bigo_manager_health_report_age_seconds', report.ageSeconds],
      ['bigo_manager_health_report_missing_models', report.missing],
    );
  }
  for (const [name, value] of gauges) lines.push(...head(name), `${name} ${value}`);
  return `${lines.join('\n')}\n`;
}

function head(name: keyof typeof MANAGER_METRICS): string[] {
  const { help, type } = MANAGER_METRICS[name];
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

/** The most used ones by name. */
function bounded(usage: ReadonlyMap<string, Counters>): ReadonlyMap<string, Counters> {
  if (usage.size <= modelsMax) return usage;
  const sorted = [...usage].toSorted(([, a], [, b]) => b.requests - a.requests);
  const rest = sorted.slice(modelsMax).reduce((sum, [, counters]) => add(sum, counters), NO_USAGE);
  return new Map([...sorted.slice(0, modelsMax), ['other', rest]]);
}

/** As the text format wants label values (Prometheus exposition formats). */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
