// How the garbage of a process that serves many short requests is collected. Never changes what a collection frees.
import { setFlagsFromString } from 'node:v8';

/**
 * Of short requests little survives, so one thread is through it in milliseconds. V8's helpers for it wait for each other by turning
 * in a loop: on one core, a container's usual share, they cost several times what they do.
 */
export function collectOnOneThread(): void {
  setFlagsFromString('--no-parallel-scavenge');
}

/**
 * V8 makes what used to live long straight in the old space. Of a request it once saw wait, it then makes all later ones there:
 * they keep what they point to until the next full collection, and a quick collection took 25 to 40 ms instead of 5 to 10.
 */
export function collectRequestsYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
}
