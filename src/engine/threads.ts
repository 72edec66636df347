// How many threads an engine computes with. One too many is far worse than one too few: the threads wait for each other by spinning.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Asked for, else BIGO_ENGINE_THREADS, else physical cores shared by all engines of this machine. */
export function engineThreads(asked: number | undefined, engines: number): number {
  const wanted = asked ?? Number(process.env['BIGO_ENGINE_THREADS'] ?? 0);
  if (Number.isInteger(wanted) && wanted > 0) return wanted;
  return Math.max(1, Math.floor(physicalCores() / Math.max(1, engines)));
}

function physicalCores(): number {
  const usable = availableParallelism();
  try {
    return Math.min(usable, countCores(readFileSync('/proc/cpuinfo', 'utf8')) ?? usable);
  } catch {
    return usable;
  }
}

/** Distinct (socket, core) pairs of Linux' /proc/cpuinfo; undefined where it does not tell. */
export function countCores(cpuinfo: string): number | undefined {
  const cores = new Set<string>();
  for (const cpu of cpuinfo.split(/\n\s*\n/)) {
    const socket = /^physical id\s*:\s*(\d+)/m.exec(cpu)?.[1];
    const core = /^core id\s*:\s*(\d+)/m.exec(cpu)?.[1];
    if (socket !== undefined && core !== undefined) cores.add(`${socket}/${core}`);
  }
  return cores.size === 0 ? undefined : cores.size;
}
