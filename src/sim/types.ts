// What a simulated day is made of and what it yields. Never holds a clock: all times are simulated milliseconds.
import type { ErrorCode } from '../api/errors.ts';
import type { BackendSpec, ReloadOptions } from '../api/fleet.ts';
import type { Effect, PrefixMark, Priority, SchedulerEvent } from '../gateway/core/scheduler/messages.ts';
import type { OllamaModelParams } from './ollama-types.ts';

export interface SimModel {
  readonly name: string;
  readonly weights: string;
  readonly sizeBytes: number;
  readonly loadMs: number;
  /** Loads fail with this message. */
  readonly loadError?: string;
}

export interface SimBackend {
  readonly spec: BackendSpec;
  readonly params: Partial<OllamaModelParams>;
  readonly models: readonly SimModel[];
  /** Prompt, tokens and loads take this many times as long; default 1. */
  readonly slowness?: number;
}

export interface SimRequest {
  readonly id: string;
  readonly atMs: number;
  readonly model: string;
  readonly options: ReloadOptions;
  readonly promptMs: number;
  readonly promptBytes: number;
  readonly tokensMs: number;
  /** The most tokens that the client allows; absent = it does not say. */
  readonly tokensMax?: number;
  readonly tenant: string;
  readonly priority: Priority;
  readonly prefix: readonly PrefixMark[];
  readonly waitMsMax: number;
  /** The client leaves then; absent = it stays. */
  readonly leavesAtMs?: number;
}

/**
 * crash = the process dies and answers nothing until `back` · drain and undrain as an operator does ·
 * die_loading = it dies in the middle of its next load · freeze = connections stay open, no answer comes until `thaw` ·
 * lie = /api/ps shows nothing, or every model, until `honest` · slow, slow_loads = all, or loads, take `factor` times
 * as long as planned · clock = the gateway's clock jumps by `byMs` (the backend does not matter).
 */
export type SimFault = {
  readonly atMs: number;
  readonly backend: string;
} & (
  | { readonly kind: 'crash' | 'back' | 'drain' | 'undrain' | 'die_loading' | 'freeze' | 'thaw' | 'honest' }
  | { readonly kind: 'lie'; readonly shows: 'nothing' | 'everything' }
  | { readonly kind: 'slow' | 'slow_loads'; readonly factor: number }
  | { readonly kind: 'clock'; readonly byMs: number }
);

/** What the simulator asks of a router: the real scheduler or a peer's policy. */
export interface Router {
  on(event: SchedulerEvent, nowMs: number): Effect[];
  nextWakeMs(): number | undefined;
}

export interface SimResult {
  readonly id: string;
  readonly request: SimRequest;
  outcome: 'open' | 'ok' | 'left' | 'refused' | 'failed';
  code: ErrorCode | undefined;
  dispatchedMs: number | undefined;
  firstTokenMs: number | undefined;
  endMs: number | undefined;
  backend: string | undefined;
  reason: string | undefined;
  estimateMs: number | undefined;
  attempts: number;
}

export interface SimReport {
  readonly results: readonly SimResult[];
  readonly loads: number;
  readonly unloads: number;
  /** When each load began, and when the router asked for one (a loaded model is asked for in vain). */
  readonly loadsAtMs: readonly number[];
  readonly loadCallsAtMs: readonly number[];
  readonly events: number;
  readonly endMs: number;
  /** Broken laws, in words; empty = none. */
  readonly violations: readonly string[];
}

export interface SimPlan {
  readonly backends: readonly SimBackend[];
  readonly requests: readonly SimRequest[];
  readonly faults: readonly SimFault[];
  readonly pollMs: number;
}
