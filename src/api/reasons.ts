// The one list of reasons. The same word is the log field, the metric label and the header x-bigo-reason.
// Never add a decision without its word here; docs/routing.md explains each (a test compares the two).

/** Why a ticket went where it went. */
export const DISPATCH_REASONS = {
  warm_free: 'the model is loaded there and a slot was free',
  warm_prefix: 'as warm_free, and this conversation ran there lately',
  warm_waited: 'the ticket waited for a slot of a loaded runner: sooner than loading elsewhere',
  cold_free: 'the model was loaded nowhere usable; this backend had room for it',
  cold_evict: 'the model was loaded nowhere usable; another model gave way on this backend',
  hot_copy: 'the model is loaded elsewhere but busy; one more place pays for all who wait',
  starved: 'the ticket waited longer than maxWaitForWarmMs, so a load was forced',
  retry: 'an earlier backend failed before the first byte',
  fail_open: 'every backend with the model was shut by its breaker; the least bad was tried',
  cloud: 'the model runs on a remote host; it takes no slot here',
  holder: 'the request needs no runner; this backend holds the model',
  fan_out: 'the request changes models and went to every store that it concerns',
} as const;
export type DispatchReason = keyof typeof DISPATCH_REASONS;

/** Why a model was loaded or unloaded. */
export const PLACE_REASONS = {
  load_cold: 'a ticket waits and no usable backend has the model loaded',
  load_copy: 'its places are busy and the queue saves more than the eviction costs',
  load_starved: 'a ticket waited longer than maxWaitForWarmMs',
  evict_idle: 'it was the cheapest model to unload: nobody waits for it',
  evict_cheapest: 'it was the cheapest model to unload, though it is used',
  reload_options: 'the same weights are wanted with other options',
} as const;
export type PlaceReason = keyof typeof PLACE_REASONS;

/** Why a backend is not a candidate for a ticket. */
export const SKIP_REASONS = {
  down: 'it does not answer',
  unknown: 'it was not asked yet',
  draining: 'it is being drained',
  loop: 'it is this gateway itself',
  breaker_open: 'too many failures lately',
  model_breaker_open: 'this model failed there too often lately',
  model_absent: 'it does not have the model',
  version_too_old: 'its version does not serve the route',
  rule: 'a routing rule or placement keeps the model elsewhere',
  tried: 'this request failed there already',
  too_big: 'the model did not fit there',
} as const;
export type SkipReason = keyof typeof SKIP_REASONS;
