// What the scheduler learns from a backend's own figures. Never invents a number that was not told.
import type { ServiceSample } from './core/scheduler/messages.ts';
import type { Usage } from './core/stream/types.ts';

export function sampleOf(usage: Usage): ServiceSample | undefined {
  const sample = {
    ...(usage.promptMs !== undefined && { promptMs: usage.promptMs }),
    ...(usage.evalMs !== undefined && { evalMs: usage.evalMs }),
    ...(usage.promptTokens !== undefined && { promptTokens: usage.promptTokens }),
    ...(usage.completionTokens !== undefined && { tokens: usage.completionTokens }),
  };
  return Object.keys(sample).length === 0 ? undefined : sample;
}
