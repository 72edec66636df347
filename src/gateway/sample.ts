// What the scheduler learns from a backend's own figures. Never invents a number that was not told.
import type { ServiceSample } from './core/scheduler/messages.ts';
import type { Usage } from './core/stream/types.ts';

export function sampleOf(usage: Usage): ServiceSample | undefined {
  const waitedMs = waitedMsOf(usage);
  const sample = {
    ...(waitedMs !== undefined && { waitedMs }),
    ...(usage.promptMs !== undefined && { promptMs: usage.promptMs }),
    ...(usage.evalMs !== undefined && { evalMs: usage.evalMs }),
    ...(usage.promptTokens !== undefined && { promptTokens: usage.promptTokens }),
    ...(usage.completionTokens !== undefined && { tokens: usage.completionTokens }),
  };
  return Object.keys(sample).length === 0 ? undefined : sample;
}

/** Ollama waits for a slot after it has loaded and before it reads the prompt; no figure of its own tells how long. */
function waitedMsOf({ totalMs, loadMs, promptMs, evalMs }: Usage): number | undefined {
  if (totalMs === undefined || promptMs === undefined || evalMs === undefined) return undefined;
  return Math.max(0, totalMs - (loadMs ?? 0) - promptMs - evalMs);
}
