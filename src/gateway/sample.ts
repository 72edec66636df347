// What the scheduler learns from a backend's own figures. Never invents a number that was not told.
import type { ServiceSample } from './core/scheduler/messages.ts';
import type { Usage } from './core/stream/types.ts';

export function sampleOf(usage: Usage): ServiceSample | undefined {
  const { promptMs, evalMs, promptTokens, completionTokens } = usage;
  const sample: { -readonly [field in keyof ServiceSample]: ServiceSample[field] } = {};
  if (promptMs !== undefined) sample.promptMs = promptMs;
  if (evalMs !== undefined) sample.evalMs = evalMs;
  if (promptTokens !== undefined) sample.promptTokens = promptTokens;
  if (completionTokens !== undefined) sample.tokens = completionTokens;
  const told = promptMs ?? evalMs ?? promptTokens ?? completionTokens;
  return told === undefined ? undefined : sample;
}
