// What the scheduler learns from a backend's own figures. Never invents a number that was not told.
import type { ServiceSample } from './core/scheduler/messages.ts';
import type { Usage } from './core/stream/types.ts';

export function sampleOf(usage: Usage): ServiceSample | undefined {
  const { promptMs, evalMs, promptTokens, completionTokens } = usage;
  const sample: { -readonly [field in keyof ServiceSample]: ServiceSample[field] } = {};
  if (promptMs !== undefined) sample.promptMs = promptMs;
  if (evalMs !== undefined) sample.evalMs = evalMs;
  const waitedMs = waitedMsOf(usage);
  if (waitedMs !== undefined) sample.waitedMs = waitedMs;
  if (promptTokens !== undefined) sample.promptTokens = promptTokens;
  if (completionTokens !== undefined) sample.tokens = completionTokens;
  const told = promptMs ?? evalMs ?? promptTokens ?? completionTokens;
  return told === undefined ? undefined : sample;
}

/** Ollama waits for a slot after it has loaded and before it reads the prompt; no figure of its own tells how long. */
function waitedMsOf({ totalMs, loadMs, promptMs, evalMs }: Usage): number | undefined {
  if (totalMs === undefined || promptMs === undefined || evalMs === undefined) return undefined;
  return Math.max(0, totalMs - (loadMs ?? 0) - promptMs - evalMs);
}
