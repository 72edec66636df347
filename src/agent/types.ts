// What the parts of one running agent share, and what a caller must give it. Never holds state that two parts write.
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Disk } from './core/disk.ts';

/** Times that tests shorten. */
export interface AgentTiming {
  readonly lookMs: number;
  readonly scanMs: number;
  readonly drainLookMs: number;
  /** After a drain whose pod goes on living, serving begins again. */
  readonly undoDrainMs: number;
  /** Longer than Ollama's own limit for a part that stands still (30 s), so that it can help itself first. */
  readonly stallMsMax: number;
}

export const DEFAULT_TIMING: AgentTiming = {
  lookMs: 2_000,
  scanMs: 15_000,
  drainLookMs: 500,
  undoDrainMs: 45_000,
  stallMsMax: 120_000,
};

export interface AgentDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly rng: () => number;
  readonly version: string;
  readonly timing?: Partial<AgentTiming>;
  /** How full the volume is; absent = ask the file system. */
  readonly disk?: (folder: string) => Promise<Disk>;
  /** Text of /proc/net/tcp and tcp6; absent = read them. */
  readonly connections?: () => Promise<readonly string[]>;
}
