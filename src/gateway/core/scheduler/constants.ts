// Every constant of the routing policy, with its unit. Never tune one by feel: the simulator measures it (docs/routing.md).

export interface PolicyConstants {
  /** Weight of the newest sample in learned times. */
  readonly learnWeight: number;
  /** A request holds its slot this long until its model was seen. */
  readonly serviceMsPrior: number;
  /** A load takes this long beside reading the weights, until seen. */
  readonly loadMsBase: number;
  /** Weights are read this fast until a load of the class was seen. */
  readonly loadBytesPerMsPrior: number;
  /** Prompt time per byte until seen. */
  readonly promptMsPerBytePrior: number;
  /** Unloading takes about this long (Ollama waits for VRAM to return). */
  readonly unloadMsPrior: number;
  /** Arrival rates forget with this time constant. */
  readonly rateMemoryMs: number;
  /** How far ahead the cost of an eviction and the gain of one more place are counted. */
  readonly horizonMs: number;
  /** A model gets one more place only when its places are busier than this. */
  readonly busyShareMin: number;
  /** The same where there is room, so that nothing has to give way. */
  readonly busyShareMinFree: number;
  /** One more place must save this many times its cost. */
  readonly copyGainMin: number;
  /** A load that takes this many times as long as expected is not waited for: another backend may load too. */
  readonly overdueShare: number;
  /** A cold ticket's queue waits until its waiting reaches this share of the eviction's cost. */
  readonly patienceShare: number;
  /** Runners of the same weights with options never loaded before: so many at once, and then one in this time. */
  readonly newOptionsMax: number;
  readonly newOptionsMs: number;
  /** A ticket that waited longer than this may force a load. */
  readonly waitForWarmMsMax: number;
  /** Weight of other models' requests in flight on a backend, as ms per request, when choosing where to load. */
  readonly crowdMs: number;
  readonly slotsMax: number;
  /** Pause after an undone slot probe; doubles up to the max. */
  readonly slotProbePauseMs: number;
  readonly slotProbePauseMsMax: number;
  /** Consecutive failures that open a breaker. */
  readonly breakerFailures: number;
  readonly modelBreakerFailures: number;
  readonly breakerOpenMs: number;
  readonly breakerOpenMsMax: number;
  /** Remembered conversation prefixes per fleet. */
  readonly prefixesMax: number;
  /** Backends that a prefix is remembered for. */
  readonly prefixMemoryMs: number;
  /** Stickiness never waits longer than this for a busy runner instead of a free one. */
  readonly prefixWaitMsMax: number;
  /** And only when the prompt time saved is this many times the wait, which others may yet make longer. */
  readonly prefixGainMin: number;
  readonly retryAfterMsMin: number;
  readonly retryAfterMsMax: number;
  /** Learned figures kept per fleet (models × classes); the oldest go first. */
  readonly learnedMax: number;
}

export const POLICY: PolicyConstants = {
  learnWeight: 0.2,
  serviceMsPrior: 2_000,
  loadMsBase: 300,
  loadBytesPerMsPrior: 500_000,
  promptMsPerBytePrior: 0.05,
  unloadMsPrior: 300,
  rateMemoryMs: 60_000,
  horizonMs: 30_000,
  busyShareMin: 0.75,
  busyShareMinFree: 0.4,
  copyGainMin: 1,
  overdueShare: 2,
  patienceShare: 0.25,
  newOptionsMax: 8,
  newOptionsMs: 2_000,
  waitForWarmMsMax: 20_000,
  crowdMs: 20,
  slotsMax: 256,
  slotProbePauseMs: 500,
  slotProbePauseMsMax: 300_000,
  breakerFailures: 5,
  modelBreakerFailures: 3,
  breakerOpenMs: 1_000,
  breakerOpenMsMax: 30_000,
  prefixesMax: 20_000,
  prefixMemoryMs: 600_000,
  prefixWaitMsMax: 2_000,
  prefixGainMin: 4,
  retryAfterMsMin: 1_000,
  retryAfterMsMax: 60_000,
  learnedMax: 4_096,
};
