// One simulated backend as the world holds it, and what the gateway's side of a request looks like. Never advances time.
import type { BackendView, ModelOnDisk } from '../api/fleet.ts';
import { modelKey } from '../api/names.ts';
import type { ServiceSample, TicketSpec } from '../gateway/core/scheduler/messages.ts';
import type { Call } from './calls.ts';
import { onDisk, viewOf } from './fleet-view.ts';
import { createOllamaModel } from './ollama-model.ts';
import type { OllamaModel } from './ollama-model.ts';
import type { OllamaRequest, RunnerView } from './ollama-types.ts';
import type { SimBackend, SimFault, SimModel, SimRequest, SimResult } from './types.ts';

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
  /** Present faults; see SimFault. */
  slowness: number;
  loadFactor: number;
  shows: 'truth' | 'nothing' | 'everything';
  diesLoading: boolean;
  /** Since when it is frozen, and what it will hear when it thaws. */
  frozenAtMs: number | undefined;
  held: (() => void)[];
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
    slowness: backend.slowness ?? 1,
    loadFactor: 1,
    shows: 'truth',
    diesLoading: false,
    frozenAtMs: undefined,
    held: [],
  };
}

/** Faults that only change how the backend behaves from now on; true = this was one. */
export function changeManners(server: Server, fault: SimFault): boolean {
  switch (fault.kind) {
    case 'drain':
    case 'undrain':
      server.draining = fault.kind === 'drain';
      return true;
    case 'die_loading':
      server.diesLoading = true;
      return true;
    case 'lie':
      server.shows = fault.shows;
      return true;
    case 'honest':
      server.shows = 'truth';
      return true;
    case 'slow':
      server.slowness = (server.backend.slowness ?? 1) * fault.factor;
      return true;
    case 'slow_loads':
      server.loadFactor = fault.factor;
      return true;
    default:
      return false;
  }
}

/** What a poll of /api/ps is told. */
export function shownBy(server: Server, nowMs: number): RunnerView[] {
  if (server.shows === 'truth') return server.ollama.runners();
  if (server.shows === 'nothing') return [];
  return [...server.byName.values()].map(model => ({
    model: model.name,
    weights: model.weights,
    options: {},
    sizeBytes: model.sizeBytes,
    loading: false,
    expiresAtMs: nowMs,
    refs: 0,
    places: 1,
  }));
}

interface Work {
  readonly id: string;
  readonly model: SimModel;
  readonly options: SimRequest['options'];
  /** Absent = the gateway's own load. */
  readonly request?: SimRequest;
}

export function ollamaRequest(server: Server, work: Work): OllamaRequest {
  const { id, model, options, request } = work;
  const { slowness, loadFactor } = server;
  return {
    id,
    model: model.name,
    weights: model.weights,
    options,
    kind: request === undefined ? 'load' : 'generate',
    promptMs: (request?.promptMs ?? 0) * slowness,
    promptBytes: request?.promptBytes ?? 0,
    ...(request === undefined ? {} : { prefix: request.prefix }),
    tokensMs: (request?.tokensMs ?? 0) * slowness,
    loadMs: model.loadMs * slowness * loadFactor,
    sizeBytes: model.sizeBytes,
    ...(model.loadError === undefined ? {} : { loadError: model.loadError }),
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

/** A token takes this long on a backend of the usual pace. */
export const tokenMs = 5;

/** What the last line of an answer tells of its times (gateway/sample.ts). */
export function sampleOf(call: Call, request: SimRequest, nowMs: number): ServiceSample {
  const { runnerAtMs, firstTokenMs, promptMs } = call;
  const waitedMs = Math.max(0, firstTokenMs - promptMs - runnerAtMs);
  const tokens = Math.max(1, Math.round(request.tokensMs / tokenMs));
  return { waitedMs, promptMs, evalMs: nowMs - firstTokenMs, tokens };
}

/** `skewMs`: how far the gateway's clock is ahead of simulated time. */
export function ticketOf(request: SimRequest, skewMs: number): TicketSpec {
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
    ...(request.tokensMax === undefined ? {} : { tokensMax: request.tokensMax }),
    prefix: request.prefix,
    arrivedAtMs: request.atMs + skewMs,
    queueDeadlineMs: request.atMs + skewMs + request.waitMsMax,
    tried: [],
  };
}
