// What the manager reads of a gateway's answers. Never trusts a field to be there: the gateway may be another version.
import * as z from 'zod';

const text = z.string().catch('');
const count = z.number().catch(0);
const perhaps = z.number().optional().catch(undefined);
const perhapsText = z.string().optional().catch(undefined);

const Slots = z.object({ value: z.number().catch(1), source: text }).catch({ value: 1, source: '' });

const DiskModel = z.object({ name: text, digest: text, sizeBytes: count });
const LoadedModel = z.object({
  name: text,
  digest: text,
  sizeBytes: count,
  sizeVramBytes: count,
  contextLength: perhaps,
  expiresAt: perhapsText,
});
const Place = z.object({ model: text, state: text, inFlight: count, slots: Slots });
const Load = z.object({ model: text, phase: text, remainingMs: count, reason: text });

const Coming = z.object({ name: text, state: z.enum(['pulling', 'failed']), percent: count, message: text });

const Backend = z.object({
  name: text,
  url: text,
  state: text,
  stateForMs: count,
  error: perhapsText,
  store: text,
  version: perhapsText,
  draining: z.boolean().catch(false),
  models: z.array(DiskModel).catch([]),
  loaded: z.array(LoadedModel).catch([]),
  slots: Slots,
  inFlight: count,
  queued: count,
  breaker: text,
  places: z.array(Place).catch([]),
  load: Load.optional().catch(undefined),
  /** Of the pod's agent; the manager adds it. */
  coming: z.array(Coming).optional().catch(undefined),
});
export type FleetBackend = z.infer<typeof Backend>;

const Considered = z.object({
  backend: text,
  estimateMs: perhaps,
  loaded: z.boolean().catch(false),
  skipped: perhapsText,
});
const Ticket = z.object({
  id: text,
  model: text,
  state: text,
  priority: text,
  tenant: text,
  waitMs: count,
  position: perhaps,
  backend: perhapsText,
  estimateMs: perhaps,
  reason: perhapsText,
  considered: z.array(Considered).catch([]),
});

const Differing = z.object({
  model: text,
  digests: z.array(z.object({ digest: text, backends: z.array(z.string()).catch([]) })).catch([]),
});

export const Fleet = z.object({
  at: text,
  version: text,
  draining: z.boolean().catch(false),
  inFlight: count,
  backends: z.array(Backend).catch([]),
  queue: z
    .object({ length: count, lengthMax: count, bytes: count, bytesMax: count })
    .catch({ length: 0, lengthMax: 0, bytes: 0, bytesMax: 0 }),
  tickets: z.array(Ticket).catch([]),
  differing: z.array(Differing).catch([]),
});
export type Fleet = z.infer<typeof Fleet>;

export const RequestRow = z.object({
  at: text,
  id: text,
  tenant: text,
  route: text,
  model: text,
  backend: perhapsText,
  reason: perhapsText,
  priority: text,
  code: count,
  error: perhapsText,
  attempts: count,
  waitMs: count,
  firstByteMs: perhaps,
  durationMs: count,
  promptTokens: perhaps,
  tokens: perhaps,
  costDollars: perhaps,
});
export type RequestRow = z.infer<typeof RequestRow>;
export const RequestRows = z.object({ requests: z.array(RequestRow).catch([]) });

/** One entry of a gateway's usage journal. A record without its place cannot be counted once, so it is refused. */
const UsageRecord = z.object({
  epoch: z.string().min(1).max(64),
  seq: z.number().int().nonnegative(),
  at: text,
  model: text,
  tenant: text,
  code: count,
  error: perhapsText,
  promptTokens: perhaps,
  completionTokens: perhaps,
  costDollars: count,
});
export type UsageRecord = z.infer<typeof UsageRecord>;
export const UsagePage = z.object({
  records: z.array(UsageRecord),
  next: z.string().min(1).max(100),
  more: z.boolean().catch(false),
  lost: z.boolean().catch(false),
});
export type UsagePage = z.infer<typeof UsagePage>;

export const GatewaySettings = z.object({
  aliases: z.record(z.string(), z.string()).catch({}),
  declaredModels: z.array(z.string()).catch([]),
  routing: z.array(z.object({ model: text, backends: z.array(z.string()).catch([]) })).catch([]),
  keys: z
    .object({
      on: z.boolean().catch(false),
      entries: z
        .array(
          z.object({
            id: text,
            role: text,
            priority: text,
            models: z.array(z.string()).optional().catch(undefined),
          }),
        )
        .catch([]),
    })
    .catch({ on: false, entries: [] }),
});
export type GatewaySettings = z.infer<typeof GatewaySettings>;

export const WhoAmI = z.object({ tenant: text, role: z.enum(['user', 'admin']), keys: z.boolean() });
export type WhoAmI = z.infer<typeof WhoAmI>;

export const Tags = z.object({
  models: z.array(z.looseObject({ name: text, size: count, digest: text })).catch([]),
});
