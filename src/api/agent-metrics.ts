// Names, meaning and units of every metric that `bigo agent` exports. Labels come from fixed lists; never the name of a model.
import type { MetricSpec } from './metrics.ts';

export const AGENT_METRICS = {
  bigo_agent_models: {
    type: 'gauge',
    help: 'Assigned models by state (pending, pulling, creating, present, corrupt, failed).',
    labels: ['state'],
  },
  bigo_agent_pulls_total: {
    type: 'counter',
    help: 'Pulls that ended, by outcome: ok, given_up, or the reason of the failure.',
    labels: ['outcome'],
  },
  bigo_agent_pull_bytes_total: {
    type: 'counter',
    help: 'Bytes of models that pulls brought.',
    labels: [],
  },
  bigo_agent_creates_total: {
    type: 'counter',
    help: 'Derived models made, by outcome: ok or failed.',
    labels: ['outcome'],
  },
  bigo_agent_deletes_total: {
    type: 'counter',
    help: 'Models deleted because nobody declared them.',
    labels: [],
  },
  bigo_agent_hashed_bytes_total: {
    type: 'counter',
    help: 'Bytes of blobs that were read and hashed.',
    labels: [],
  },
  bigo_agent_wrong_blobs_total: {
    type: 'counter',
    help: 'Blobs whose bytes were not what their name says.',
    labels: [],
  },
  bigo_agent_repairs_total: {
    type: 'counter',
    help: 'Wrong blobs that were taken away so that their models could be pulled again, by outcome: ok or failed.',
    labels: ['outcome'],
  },
  bigo_agent_disk_free_bytes: { type: 'gauge', help: 'Bytes free in the models folder.', labels: [] },
  bigo_agent_disk_total_bytes: {
    type: 'gauge',
    help: 'Size of the volume of the models folder.',
    labels: [],
  },
  bigo_agent_ollama_up: { type: 'gauge', help: '1 when the Ollama of this pod answers, else 0.', labels: [] },
  bigo_agent_ready: { type: 'gauge', help: '1 when /readyz answers 200, else 0.', labels: [] },
  bigo_agent_draining: {
    type: 'gauge',
    help: '1 while the end of the pod waits for running requests, else 0.',
    labels: [],
  },
  bigo_agent_drains_total: {
    type: 'counter',
    help: 'Drains that ended, by outcome: drained, or expired with requests still running.',
    labels: ['outcome'],
  },
  bigo_agent_file_errors_total: {
    type: 'counter',
    help: 'Times the file of models could not be read or was wrong; the last good one stays in force.',
    labels: [],
  },
} as const satisfies Record<string, MetricSpec>;
