// The fleet snapshot that a gateway would hold of simulated backends. Never invents what /api/tags or /api/ps would not say.
import type { BackendView, LoadedModel, ModelOnDisk } from '../api/fleet.ts';
import { modelKey } from '../api/names.ts';
import type { RunnerView } from './ollama-types.ts';
import type { SimBackend, SimModel } from './types.ts';

export function onDisk(model: SimModel): ModelOnDisk {
  return {
    name: model.name,
    key: modelKey(model.name) ?? model.name,
    digest: `manifest-${model.weights}`,
    sizeBytes: model.sizeBytes,
    modifiedAt: '2026-01-01T00:00:00Z',
    details: {},
    capabilities: ['completion'],
    weights: model.weights,
    reloadDefaults: {},
    raw: {},
  };
}

function loadedOf(runner: RunnerView): LoadedModel {
  return {
    name: runner.model,
    key: modelKey(runner.model) ?? runner.model,
    digest: `manifest-${runner.weights}`,
    sizeBytes: runner.sizeBytes,
    sizeVramBytes: runner.sizeBytes,
    contextLength: runner.options.num_ctx,
    expiresAt: '',
    raw: {},
  };
}

export interface Observation {
  readonly up: boolean;
  readonly draining: boolean;
  readonly polledAtMs: number;
  readonly runners: readonly RunnerView[];
}

export function viewOf(
  backend: SimBackend,
  models: ReadonlyMap<string, ModelOnDisk>,
  seen: Observation,
): BackendView {
  return {
    spec: backend.spec,
    state: seen.up ? 'up' : 'down',
    stateSinceMs: 0,
    draining: seen.draining,
    version: '0.24.0',
    polledAtMs: seen.polledAtMs,
    models,
    loaded: seen.runners.filter(runner => !runner.loading).map(loadedOf),
  };
}
