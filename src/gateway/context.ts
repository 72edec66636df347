// What the parts of one running gateway share. Made once by gateway.ts; only `settings`, `draining` and the byte count change.
import type { BackendSpec } from '../api/fleet.ts';
import type { GatewaySettings } from '../api/settings.ts';
import type { Fleet } from '../fleet/types.ts';
import type { Clock } from '../platform/clock.ts';
import type { HttpClient } from '../platform/http.ts';
import type { LineWriter, Log } from '../platform/log.ts';
import type { SchedulerView } from './core/scheduler/view.ts';
import type { Deadlines } from './deadlines.ts';
import type { FrozenWatch } from './frozen.ts';
import type { Mount } from './handle.ts';
import type { Journal } from './journal.ts';
import type { KeyRing } from './keys.ts';
import type { Loop } from './loop.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { ModelIndex } from './models-known.ts';
import type { RecentRequests } from './recent.ts';
import type { Upstream } from './upstream.ts';

export interface GatewayContext {
  settings: GatewaySettings;
  /** Readiness is off and connections are closed after their answer. */
  draining: boolean;
  /** Bytes of request bodies now in memory, arriving ones included. */
  bodyBytesHeld: number;
  /** In the hop header, so that a gateway that meets its own request knows the loop. */
  readonly instanceId: string;
  readonly version: string;
  /** There is a page at /ui/. */
  readonly hasPage: boolean;
  readonly mount: Mount | undefined;
  readonly clock: Clock;
  /** clock.nowMs, at hand. */
  readonly now: () => number;
  /** The time of day, made at most once per millisecond. */
  readonly wallIso: () => string;
  /** Inference requests between their body and the end of their answer, and those of them on a second or third attempt. */
  readonly flights: { inFlight: number; retrying: number };
  readonly log: Log;
  readonly requestLog: LineWriter;
  readonly fleet: Fleet;
  readonly onLoadFailed: (backend: BackendSpec, model: string) => void;
  readonly http: HttpClient;
  readonly upstream: Upstream;
  readonly loop: Loop<SchedulerView>;
  readonly models: ModelIndex;
  readonly deadlines: Deadlines;
  readonly frozen: FrozenWatch;
  readonly metrics: GatewayMetrics;
  readonly journal: Journal;
  readonly keys: KeyRing;
  readonly recent: RecentRequests;
}
