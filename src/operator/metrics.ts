// Counts what the operator does. Gauges of resources are set anew at each export, so that a resource that is gone leaves no series.
// Never a label that a person can make endless.
import type { KubeObject } from '../api/kube-object.ts';
import type { Status } from '../api/ollama-deployment/status.ts';
import { OPERATOR_METRICS } from '../api/operator-metrics.ts';
import { createMetrics, type Families, type MetricsText } from '../platform/metrics.ts';
import type { ReconcileResult } from './controller.ts';

const CONTROLLER = 'ollamadeployment';
const LEASE_NAME = 'bigo-operator';

export interface OperatorMetrics {
  readonly exporter: MetricsText;
  onResult(result: ReconcileResult, tookMs: number): void;
  onTerminal(): void;
  onPanic(): void;
  onTaken(waitedMs: number): void;
  onAdd(): void;
  onRetry(): void;
  onList(kind: string): void;
  onWatch(kind: string): void;
  onWrite(verb: string, kind: string): void;
  onEvent(): void;
}

export interface MetricsView {
  readonly resources: () => readonly KubeObject[];
  readonly depth: () => number;
  readonly active: () => number;
  readonly isLeader: () => boolean;
  readonly workers: number;
}

export function createOperatorMetrics(view: MetricsView): OperatorMetrics {
  const { families, exporter } = createMetrics(OPERATOR_METRICS);
  const passSeconds = families.controller_runtime_reconcile_time_seconds.with(CONTROLLER);
  const waitSeconds = families.workqueue_queue_duration_seconds.with(CONTROLLER);
  const add = (name: CounterName, ...labels: readonly string[]): void => {
    families[name].with(...labels).value += 1;
  };
  collectGauges(families, view);
  return {
    exporter,
    onResult: (result, tookMs) => {
      passSeconds.observe(tookMs / 1000);
      add('controller_runtime_reconcile_total', CONTROLLER, result);
      if (result === 'error') add('controller_runtime_reconcile_errors_total', CONTROLLER);
    },
    onTerminal: () => add('controller_runtime_terminal_reconcile_errors_total', CONTROLLER),
    onPanic: () => add('controller_runtime_reconcile_panics_total', CONTROLLER),
    onTaken: waitedMs => waitSeconds.observe(waitedMs / 1000),
    onAdd: () => add('workqueue_adds_total', CONTROLLER),
    onRetry: () => add('workqueue_retries_total', CONTROLLER),
    onList: kind => add('bigo_operator_lists_total', kind),
    onWatch: kind => add('bigo_operator_watches_total', kind),
    onWrite: (verb, kind) => add('bigo_operator_writes_total', verb, kind),
    onEvent: () => add('bigo_operator_events_total'),
  };
}

type CounterName = Exclude<
  keyof typeof OPERATOR_METRICS,
  'controller_runtime_reconcile_time_seconds' | 'workqueue_queue_duration_seconds'
>;

function collectGauges(families: Families<typeof OPERATOR_METRICS>, view: MetricsView): void {
  const gauge = (name: CounterName, read: () => number, label: string) => {
    const family = families[name];
    family.collect = () => {
      family.with(label).value = read();
    };
  };
  gauge('controller_runtime_max_concurrent_reconciles', () => view.workers, CONTROLLER);
  gauge('controller_runtime_active_workers', view.active, CONTROLLER);
  gauge('workqueue_depth', view.depth, CONTROLLER);
  gauge('leader_election_master_status', () => (view.isLeader() ? 1 : 0), LEASE_NAME);
  const { bigo_operator_models: models, bigo_operator_ready: ready } = families;
  models.collect = () => {
    models.reset();
    for (const { metadata, ...fields } of view.resources()) {
      for (const row of statusOf(fields).models ?? []) {
        models.with(metadata.namespace ?? '', metadata.name, row.state).value += 1;
      }
    }
  };
  ready.collect = () => {
    ready.reset();
    for (const { metadata, ...fields } of view.resources()) {
      const isReady = statusOf(fields).conditions?.some(
        ({ type, status }) => type === 'Ready' && status === 'True',
      );
      ready.with(metadata.namespace ?? '', metadata.name).value = isReady === true ? 1 : 0;
    }
  };
}

function statusOf(fields: Readonly<Record<string, unknown>>): Status {
  return fields['status'] ?? {};
}
