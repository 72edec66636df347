// The scheduler's own state: what it believes of backends, runners and tickets. Never shared: one owner changes it, on one thread.
import type { BackendView, FleetSnapshot, ModelOnDisk, ReloadOptions } from '../../../api/fleet.ts';
import { RELOAD_OPTION_NAMES } from '../../../api/fleet.ts';
import type { DispatchReason, PlaceReason } from '../../../api/reasons.ts';
import type { Breaker } from './breaker.ts';
import type { Capacity } from './capacity.ts';
import type { PolicyConstants } from './constants.ts';
import type { Mean, Rate } from './learn.ts';
import { Bounded, meanOf, rateFrom } from './learn.ts';
import type { Length } from './length.ts';
import { unknownLength } from './length.ts';
import type { Consideration, Effect, LoadFigures, TicketSpec } from './messages.ts';
import type { Novelty } from './novelty.ts';
import type { Pace } from './pace.ts';
import { PrefixMemory } from './prefix.ts';
import type { Slots } from './slots.ts';
import { AskQueue, FairClock } from './queue.ts';
import { Registry } from './registry.ts';

/** A runner in a backend's memory, or on its way in or out. closing = no new tickets; it is to be unloaded when idle. */
export interface Place {
  readonly key: string;
  readonly weights: string;
  readonly model: string;
  readonly kind: 'generate' | 'embed';
  readonly sizeBytes: number;
  readonly slots: Slots;
  state: 'loading' | 'ready' | 'closing' | 'unloading';
  /** Since when it is in that state. */
  sinceMs: number;
  /** When it was last seen loaded or used; a poll older than this says nothing against it. */
  provenMs: number;
  lastUsedMs: number;
  readonly running: Registry<Ticket>;
  served: number;
}

export interface PendingLoad {
  readonly ask: Ask;
  readonly key: string;
  readonly disk: ModelOnDisk;
  readonly victims: readonly string[];
  readonly reason: PlaceReason;
  readonly evictReason: PlaceReason;
  readonly decided: LoadFigures;
  readonly plannedMs: number;
  phase: 'clear' | 'load' | 'cancelling';
  startedMs: number;
}

export interface Backend {
  readonly name: string;
  view: BackendView;
  versionNumber: number;
  readonly places: Map<string, Place>;
  load: PendingLoad | undefined;
  readonly breaker: Breaker;
  readonly modelBreakers: Bounded<ModelTrouble>;
  capacity: Capacity;
  pace: Pace;
  /** Learned slots by weights: they belong to the server's settings and outlive one load. */
  readonly learnedSlots: Bounded<{ value: number }>;
  /** When weights were unloaded last: a poll right after may still show them. */
  readonly unloadedMs: Bounded<{ atMs: number }>;
  /** Tickets without a slot: cloud models and holder requests. */
  readonly slotless: Set<string>;
}

export interface ModelTrouble {
  readonly breaker: Breaker;
  message: string;
}

/** A backend that holds the model, with the key of the runner it would use. */
export interface Candidate {
  readonly backend: Backend;
  readonly disk: ModelOnDisk;
  readonly key: string;
}

/** All tickets that want the same model with the same options. */
export interface Ask {
  readonly id: string;
  readonly model: string;
  readonly options: ReloadOptions;
  readonly kind: 'generate' | 'embed' | 'holder';
  readonly queue: AskQueue<Ticket>;
  candidates: readonly Candidate[];
  fleetSeq: number;
  /** No waiting ticket's deadline is earlier. */
  deadlineMs: number;
  /** Figures are kept under this key; '' while no backend holds the model. */
  primaryKey: string;
}

export interface Ticket {
  readonly spec: TicketSpec;
  readonly order: number;
  readonly ask: Ask;
  state: 'queued' | 'running';
  backend: Backend | undefined;
  key: string;
  grantId: number;
  dispatchedMs: number;
  firstByteMs: number | undefined;
  /** What the first byte was expected to take after dispatch. */
  promptMsExpected: number;
  uncachedBytes: number;
  /** Its slot was free for sure when it was sent: its first-byte time teaches. */
  teaches: boolean;
  considered: readonly Consideration[];
  estimateMs: number | undefined;
  reason: DispatchReason | undefined;
}

/** Learned figures of one runner key on one class of backends, at the pace of the class. */
export interface Figures {
  readonly serviceMs: Mean;
  readonly firstByteMs: Mean;
  readonly promptMsPerByte: Mean;
  readonly loadMs: Mean;
  readonly length: Length;
}

export interface Learned {
  readonly figures: Bounded<Figures>;
  readonly rates: Bounded<Rate>;
  /** Per class: bytes per ms while loading, ms to unload. */
  readonly loadBytesPerMs: Bounded<Mean>;
  readonly unloadMs: Bounded<Mean>;
  /** By weights: what options they were loaded with, and how many more new ones may be. */
  readonly novelty: Bounded<Novelty>;
}

export interface State {
  readonly limits: PolicyConstants;
  readonly rng: () => number;
  readonly backends: Map<string, Backend>;
  readonly asks: Map<string, Ask>;
  /** Those with tickets in the queue, the one that has waited longest first. Few; never a Set, see registry.ts. */
  readonly waitingAsks: Ask[];
  readonly tickets: Registry<Ticket>;
  readonly clock: FairClock;
  readonly prefixes: PrefixMemory;
  readonly learned: Learned;
  ticketsMax: number;
  declared: ReadonlySet<string>;
  snapshot: FleetSnapshot | undefined;
  queued: number;
  queuedBytes: number;
  order: number;
  grantId: number;
  readonly term: number;
  /** When the next decision may change by itself. */
  wakeAtMs: number | undefined;
}

const tenantsMax = 10_000;
const asksMax = 4_096;

export interface StateOptions {
  readonly limits: PolicyConstants;
  readonly rng: () => number;
  readonly ticketsMax: number;
  readonly term: number;
  readonly declared: ReadonlySet<string>;
}

export function emptyState(options: StateOptions): State {
  const { learnedMax } = options.limits;
  return {
    ...options,
    backends: new Map(),
    asks: new Map(),
    waitingAsks: [],
    tickets: new Registry(),
    clock: new FairClock(tenantsMax),
    prefixes: new PrefixMemory(options.limits),
    learned: {
      figures: new Bounded(learnedMax),
      rates: new Bounded(learnedMax),
      loadBytesPerMs: new Bounded(64),
      unloadMs: new Bounded(64),
      novelty: new Bounded(learnedMax),
    },
    snapshot: undefined,
    queued: 0,
    queuedBytes: 0,
    order: 0,
    grantId: 0,
    wakeAtMs: undefined,
  };
}

/** The identity of a runner: weights and the options that make Ollama reload, the request's over the model's own. */
export function runnerKey(disk: ModelOnDisk, options: ReloadOptions): string {
  let key = disk.weights;
  for (const name of RELOAD_OPTION_NAMES) {
    const value = options[name] ?? disk.reloadDefaults[name];
    if (value !== undefined) key += `|${name}=${value}`;
  }
  return key;
}

export function askOf(state: State, spec: TicketSpec): Ask {
  let id = `${spec.kind}|${spec.model}`;
  for (const name of RELOAD_OPTION_NAMES) {
    const value = spec.options[name];
    if (value !== undefined) id += `|${name}=${value}`;
  }
  let ask = state.asks.get(id);
  if (ask === undefined) {
    ask = {
      id,
      model: spec.model,
      options: spec.options,
      kind: spec.kind,
      queue: new AskQueue(),
      candidates: [],
      fleetSeq: -1,
      deadlineMs: Infinity,
      primaryKey: '',
    };
    state.asks.set(id, ask);
    if (state.asks.size > asksMax) dropIdleAsk(state, ask);
  }
  refreshCandidates(state, ask);
  return ask;
}

function dropIdleAsk(state: State, keep: Ask): void {
  for (const [id, ask] of state.asks) {
    if (ask === keep || ask.queue.size > 0) continue;
    state.asks.delete(id);
    return;
  }
}

/** Who holds the model changes only with the snapshot, so it is worked out once per snapshot. */
export function refreshCandidates(state: State, ask: Ask): void {
  const seq = state.snapshot?.seq ?? 0;
  if (ask.fleetSeq === seq) return;
  ask.fleetSeq = seq;
  const candidates: Candidate[] = [];
  for (const backend of state.backends.values()) {
    const disk = backend.view.models.get(ask.model);
    if (disk !== undefined) candidates.push({ backend, disk, key: runnerKey(disk, ask.options) });
  }
  ask.candidates = candidates;
  ask.primaryKey = candidates[0]?.key ?? ask.primaryKey;
}

export function figuresOf(state: State, key: string, className: string): Figures {
  const { limits, learned } = state;
  const id = figuresId(key, className);
  const known = learned.figures.peek(id);
  if (known !== undefined) return known;
  return learned.figures.touch(id, () => ({
    serviceMs: meanOf(limits.serviceMsPrior),
    firstByteMs: meanOf(0),
    promptMsPerByte: meanOf(limits.promptMsPerBytePrior),
    loadMs: meanOf(0),
    length: unknownLength(),
  }));
}

let lastKey = '';
let lastClass = '';
let lastId = '|';

/** Asked for several times in a row with every request, and a long text to put together. */
function figuresId(key: string, className: string): string {
  if (key === lastKey && className === lastClass) return lastId;
  lastKey = key;
  lastClass = className;
  lastId = `${className}|${key}`;
  return lastId;
}

export function rateOf(state: State, key: string, nowMs: number): Rate {
  return state.learned.rates.peek(key) ?? state.learned.rates.touch(key, () => rateFrom(nowMs));
}

export function wakeBy(state: State, atMs: number): void {
  if (atMs < (state.wakeAtMs ?? Infinity)) state.wakeAtMs = atMs;
}

export type Emit = (effect: Effect) => void;
