// Reads usage and error of an answer that was held complete. Never decides what becomes of it.
import { JsonProbe } from './probe.ts';
import { createTap } from './taps.ts';
import type { TapReport, Usage } from './types.ts';

/** `terminated` says whether the JSON is complete; `error` is set when it is an error in any dialect. */
export function readWhole(body: Uint8Array): TapReport {
  const tap = createTap('json');
  tap.push(body);
  return tap.report();
}

export function usageOfJson(body: Uint8Array): Usage {
  const probe = new JsonProbe();
  let at = 0;
  while (at < body.length) at = probe.feed(body, at) + 1;
  return probe.usage();
}
