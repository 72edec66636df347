// What the agent tells: readiness, /status, gauges. Never asks anybody; it tells what the last look saw.
import type { AgentModelState, AgentModelStatus, AgentStatus } from '../api/agent-status.ts';
import type { Checker } from './checker.ts';
import type { AgentContext } from './context.ts';
import { countsByState, modelStatuses } from './core/status.ts';
import type { Drainer } from './drainer.ts';
import type { WatchedModelsFile } from './models-file.ts';

export interface ReportParts {
  readonly context: AgentContext;
  readonly checker: Checker;
  readonly drainer: Drainer;
  readonly file: WatchedModelsFile;
}

const silentMsMax = 15_000;

/** Undefined = ready. */
export function notReady(parts: ReportParts): string | undefined {
  const { context, drainer, file } = parts;
  if (drainer.draining) return 'draining';
  if (context.assignment === undefined) return file.state.error ?? 'the file of models was not read yet';
  if (context.nowMs() - context.heardAtMs > silentMsMax) return 'Ollama does not answer';
  if (context.state.settled) return undefined;
  const missing = statuses(context).filter(model => model.declared && model.state !== 'present');
  return `waits for ${missing.map(model => `${model.name} (${model.state})`).join(', ')}`;
}

export function statusOf(parts: ReportParts): AgentStatus {
  const { context, checker, drainer } = parts;
  const { settings, deps, ollamaVersion, disk, state } = context;
  return {
    pod: settings.podName,
    version: deps.version,
    at: deps.clock.wallIso(),
    ollama: {
      up: context.models !== undefined,
      ...(ollamaVersion !== undefined && { version: ollamaVersion }),
    },
    ready: notReady(parts) === undefined,
    settled: state.settled,
    draining: drainer.draining,
    models: statuses(context),
    ...(disk !== undefined && { disk }),
    blobs: { ...checker.counts(), wrong: checker.wrong(), repaired: context.repaired },
    errors: context.errors,
  };
}

export function setGauges(parts: ReportParts): void {
  const { context, drainer } = parts;
  const { families } = context;
  families.bigo_agent_models.collect = () => {
    const counts = Object.entries(countsByState(statuses(context))) as [AgentModelState, number][];
    for (const [state, count] of counts) families.bigo_agent_models.with(state).value = count;
    families.bigo_agent_disk_free_bytes.with().value = context.disk?.freeBytes ?? 0;
    families.bigo_agent_disk_total_bytes.with().value = context.disk?.totalBytes ?? 0;
    families.bigo_agent_ollama_up.with().value = context.models === undefined ? 0 : 1;
    families.bigo_agent_ready.with().value = notReady(parts) === undefined ? 1 : 0;
    families.bigo_agent_draining.with().value = drainer.draining ? 1 : 0;
  };
}

function statuses(context: AgentContext): AgentModelStatus[] {
  const { assignment = { wanted: [], deletesUndeclared: false }, state, models, deps } = context;
  const offsetMs = Date.parse(deps.clock.wallIso()) - context.nowMs();
  return modelStatuses({
    assignment,
    state,
    models,
    isoAt: atMs => new Date(atMs + offsetMs).toISOString(),
  });
}
