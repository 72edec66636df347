// Names, meaning and units of every metric that `bigo operator` exports; those of every operator have controller-runtime's names.
// Labels are bounded by the kinds that are watched and by the resources that exist; a resource that is gone leaves no series.
import type { MetricSpec } from './metrics.ts';

const PASS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const QUEUE_SECONDS = [0.001, 0.01, 0.1, 1, 10, 100, 1000];

export const OPERATOR_METRICS = {
  controller_runtime_reconcile_total: {
    type: 'counter',
    help: 'Passes over a resource, by result (success, requeue_after, requeue, error).',
    labels: ['controller', 'result'],
  },
  controller_runtime_reconcile_errors_total: {
    type: 'counter',
    help: 'Passes that ended in an error.',
    labels: ['controller'],
  },
  controller_runtime_terminal_reconcile_errors_total: {
    type: 'counter',
    help: 'Passes that ended in an error which only a change of the resource can mend.',
    labels: ['controller'],
  },
  controller_runtime_reconcile_panics_total: {
    type: 'counter',
    help: 'Passes that ended in an error nobody expected: a fault of the operator.',
    labels: ['controller'],
  },
  controller_runtime_reconcile_time_seconds: {
    type: 'histogram',
    help: 'Seconds of one pass.',
    labels: ['controller'],
    buckets: PASS_SECONDS,
  },
  controller_runtime_max_concurrent_reconciles: {
    type: 'gauge',
    help: 'Workers.',
    labels: ['controller'],
  },
  controller_runtime_active_workers: { type: 'gauge', help: 'Workers at work.', labels: ['controller'] },
  workqueue_depth: { type: 'gauge', help: 'Resources that wait for a worker.', labels: ['name'] },
  workqueue_adds_total: { type: 'counter', help: 'Times a resource was queued.', labels: ['name'] },
  workqueue_retries_total: {
    type: 'counter',
    help: 'Times a resource was queued again after an error.',
    labels: ['name'],
  },
  workqueue_queue_duration_seconds: {
    type: 'histogram',
    help: 'Seconds a resource waited for a worker.',
    labels: ['name'],
    buckets: QUEUE_SECONDS,
  },
  leader_election_master_status: {
    type: 'gauge',
    help: '1 while this operator leads, else 0.',
    labels: ['name'],
  },
  bigo_operator_lists_total: {
    type: 'counter',
    help: 'Lists that filled the cache, by kind.',
    labels: ['kind'],
  },
  bigo_operator_watches_total: {
    type: 'counter',
    help: 'Watches that were started, by kind.',
    labels: ['kind'],
  },
  bigo_operator_writes_total: {
    type: 'counter',
    help: 'Writes to the API server, by verb and kind.',
    labels: ['verb', 'kind'],
  },
  bigo_operator_events_total: { type: 'counter', help: 'Events written.', labels: [] },
  bigo_operator_models: {
    type: 'gauge',
    help: 'Declared models of a resource by state (pending, pulling, creating, present, corrupt, failed).',
    labels: ['namespace', 'fleet', 'state'],
  },
  bigo_operator_ready: {
    type: 'gauge',
    help: '1 when the resource is ready, else 0.',
    labels: ['namespace', 'fleet'],
  },
} as const satisfies Record<string, MetricSpec>;
