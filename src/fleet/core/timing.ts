// How often backends are asked, how long they may take, how much they may say. Constants only.

export interface Timing {
  /** Liveness (/api/version): while up, right after a failure that proves nothing yet, and the cap of the back-off while down. */
  readonly versionEveryMs: number;
  readonly versionRetryMs: number;
  readonly versionDownEveryMsMax: number;
  /** /api/ps while something is loaded, and while nothing is. */
  readonly psEveryMs: number;
  readonly psIdleEveryMs: number;
  readonly tagsEveryMs: number;
  /** Each interval is drawn from ± this part of it, so that many gateways never ask in step. */
  readonly jitter: number;
  readonly versionMsMax: number;
  readonly psMsMax: number;
  /** Ollama may first read every manifest of a large store. */
  readonly tagsMsMax: number;
  readonly showMsMax: number;
  readonly versionBytesMax: number;
  readonly psBytesMax: number;
  readonly tagsBytesMax: number;
  /** A longer answer is not read: it is parsed in one go, and only conversations or licences make it that long. */
  readonly showBytesMax: number;
  /** Models beyond this many of one backend are not seen; it is said in the log. */
  readonly modelsMax: number;
  /** What /api/show taught, kept for this many (store, digest) pairs of the whole fleet. */
  readonly factsMax: number;
  readonly showsAtOncePerBackend: number;
}

export const DEFAULT_TIMING: Timing = {
  versionEveryMs: 2_000,
  versionRetryMs: 300,
  versionDownEveryMsMax: 10_000,
  psEveryMs: 2_500,
  psIdleEveryMs: 5_000,
  tagsEveryMs: 20_000,
  jitter: 0.15,
  versionMsMax: 2_000,
  psMsMax: 10_000,
  tagsMsMax: 30_000,
  showMsMax: 30_000,
  versionBytesMax: 64 * 1024,
  psBytesMax: 4 * 1024 * 1024,
  tagsBytesMax: 64 * 1024 * 1024,
  showBytesMax: 2 * 1024 * 1024,
  modelsMax: 100_000,
  factsMax: 20_000,
  showsAtOncePerBackend: 2,
};
