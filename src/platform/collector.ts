// How the garbage of a process that serves many short requests is collected. Never changes what a collection frees.
import { setFlagsFromString } from 'node:v8';

/**
 * Of short requests little survives, so one thread is through it in milliseconds. V8's helpers for it wait for each other by turning
 * in a loop: on one core, a container's usual share, they cost several times what they do.
 */
export function collectOnOneThread(): void {
  setFlagsFromString('--no-parallel-scavenge');
}
