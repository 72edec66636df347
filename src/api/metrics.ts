// Names, meaning and units of every metric a gateway exports. Dashboards, alerts and docs/metrics.md are checked against this list.
// Labels are bounded: `model` is a known model, `other`, or `none` where a route names none; `backend` a configured name, the rest come from fixed lists.

export type MetricType = 'counter' | 'gauge' | 'histogram';

export interface MetricSpec {
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

const WAIT_SECONDS = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const GAP_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export const GATEWAY_METRICS = {
  bigo_requests_total: {
    type: 'counter',
    help: 'Requests answered, by model (none = the route names none), dialect, route and status code (499 = the client left).',
    labels: ['model', 'dialect', 'route', 'code'],
  },
  bigo_request_errors_total: {
    type: 'counter',
    help: 'Requests that ended in an error of the gateway, by error code.',
    labels: ['error'],
  },
  bigo_time_to_first_token_seconds: {
    type: 'histogram',
    help: 'Seconds from the arrival of a request to the first byte of its answer.',
    labels: ['model'],
    buckets: WAIT_SECONDS,
  },
  bigo_request_duration_seconds: {
    type: 'histogram',
    help: 'Seconds from the arrival of a request to the end of its answer.',
    labels: ['model'],
    buckets: WAIT_SECONDS,
  },
  bigo_chunk_gap_seconds: {
    type: 'histogram',
    help: 'Seconds between two chunks of a streamed answer.',
    labels: ['model'],
    buckets: GAP_SECONDS,
  },
  bigo_tokens_total: {
    type: 'counter',
    help: 'Tokens as the backends counted them, by model and direction (in = prompt, out = answer).',
    labels: ['model', 'direction'],
  },
  bigo_wasted_tokens_total: {
    type: 'counter',
    help: 'Chunks of answers whose client left before the end, about one token each.',
    labels: ['model'],
  },
  bigo_cost_dollars_total: {
    type: 'counter',
    help: 'Dollars of accelerator time spent on answers, by model.',
    labels: ['model'],
  },
  bigo_queue_length: { type: 'gauge', help: 'Tickets that wait for a backend.', labels: [] },
  bigo_queue_bytes: { type: 'gauge', help: 'Bytes of request bodies held in memory.', labels: [] },
  bigo_queue_wait_seconds: {
    type: 'histogram',
    help: 'Seconds a ticket waited before it was sent to a backend.',
    labels: ['model'],
    buckets: WAIT_SECONDS,
  },
  bigo_in_flight: {
    type: 'gauge',
    help: 'Requests now running on a backend.',
    labels: ['backend'],
  },
  bigo_fleet_demand: {
    type: 'gauge',
    help: 'Requests of this gateway that wait or run: the sum over all gateways is what a fleet is scaled by. `fleet` is `gateway.kubernetes.fleet`.',
    labels: ['fleet'],
  },
  bigo_decisions_total: {
    type: 'counter',
    help: 'Tickets sent to a backend, by the reason of the decision (docs/routing.md).',
    labels: ['reason'],
  },
  bigo_retries_total: {
    type: 'counter',
    help: 'Attempts repeated before the first byte, by what failed.',
    labels: ['reason'],
  },
  bigo_stream_failures_total: {
    type: 'counter',
    help: 'Answers that failed after their first byte, by what failed.',
    labels: ['reason'],
  },
  bigo_clients_gone_total: {
    type: 'counter',
    help: 'Requests whose client left before the end, by phase.',
    labels: ['phase'],
  },
  bigo_model_load_seconds: {
    type: 'histogram',
    help: 'Seconds that loading a model took.',
    labels: ['model'],
    buckets: WAIT_SECONDS,
  },
  bigo_loads_total: {
    type: 'counter',
    help: 'Models loaded by the gateway, by reason and outcome.',
    labels: ['reason', 'outcome'],
  },
  bigo_unloads_total: {
    type: 'counter',
    help: 'Models unloaded by the gateway, by reason.',
    labels: ['reason'],
  },
  bigo_backend_up: { type: 'gauge', help: '1 when the backend answers, else 0.', labels: ['backend'] },
  bigo_backend_draining: {
    type: 'gauge',
    help: '1 while the backend is drained, else 0.',
    labels: ['backend'],
  },
  bigo_backend_frozen_total: {
    type: 'counter',
    help: 'Times a backend kept silent on three probes in a row while a request waited for it.',
    labels: ['backend'],
  },
  bigo_connections: { type: 'gauge', help: 'Open client connections on the main port.', labels: [] },
  bigo_journal_records_total: { type: 'counter', help: 'Usage records appended to the journal.', labels: [] },
  bigo_journal_failures_total: {
    type: 'counter',
    help: 'Usage records that could not be written to disk and are kept in memory only.',
    labels: [],
  },
  bigo_build_info: { type: 'gauge', help: 'Always 1; the label tells the version.', labels: ['version'] },
} as const satisfies Record<string, MetricSpec>;
