// One simulated backend as the world holds it, and what the gateway's side of a request looks like. Never advances time.
import type { BackendView, ModelOnDisk } from '../api/fleet.ts';
import { modelKey } from '../api/names.ts';
import type { TicketSpec } from '../gateway/core/scheduler/messages.ts';
import { onDisk, viewOf } from './fleet-view.ts';
import { createOllamaModel } from './ollama-model.ts';
import type { OllamaModel } from './ollama-model.ts';
import type { SimBackend, SimModel, SimRequest, SimResult } from './types.ts';

export interface Server {
  readonly backend: SimBackend;
  readonly models: ReadonlyMap<string, ModelOnDisk>;
  readonly byName: ReadonlyMap<string, SimModel>;
  readonly ollama: OllamaModel;
  up: boolean;
  draining: boolean;
  view: BackendView;
  nextPollMs: number;
  /** Load calls of the gateway under way: request id → runner key. */
  readonly loads: Map<string, string>;
  readonly running: Map<string, number>;
}

export function serverOf(backend: SimBackend): Server {
  const models = new Map<string, ModelOnDisk>();
  const byName = new Map<string, SimModel>();
  for (const model of backend.models) {
    const disk = onDisk(model);
    models.set(disk.key, disk);
    byName.set(disk.key, model);
  }
  const seen = { up: true, draining: false, polledAtMs: 0, runners: [] };
  return {
    backend,
    models,
    byName,
    ollama: createOllamaModel(backend.params),
    up: true,
    draining: false,
    view: viewOf(backend, models, seen),
    nextPollMs: 0,
    loads: new Map(),
    running: new Map(),
  };
}

export function openResult(request: SimRequest): SimResult {
  return {
    id: request.id,
    request,
    outcome: 'open',
    code: undefined,
    dispatchedMs: undefined,
    firstTokenMs: undefined,
    endMs: undefined,
    backend: undefined,
    reason: undefined,
    estimateMs: undefined,
    attempts: 0,
  };
}

export function ticketOf(request: SimRequest, tried: readonly string[]): TicketSpec {
  return {
    id: request.id,
    model: modelKey(request.model) ?? request.model,
    kind: 'generate',
    versionMin: '0.0.0',
    options: request.options,
    priority: request.priority,
    tenant: request.tenant,
    bodyBytes: request.promptBytes,
    promptBytes: request.promptBytes,
    prefix: request.prefix,
    arrivedAtMs: request.atMs,
    queueDeadlineMs: request.atMs + request.waitMsMax,
    tried,
  };
}
