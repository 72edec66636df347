// The gateway's metrics by short names, with the children of the hot path kept at hand. Never a label from user input: see ModelIndex.label.
import { GATEWAY_METRICS } from '../api/metrics.ts';
import type { DispatchReason } from '../api/reasons.ts';
import { createMetrics } from '../platform/metrics.ts';
import type {
  Families,
  HistogramChild,
  MetricsText,
  NumberChild,
  NumberFamily,
  HistogramFamily,
} from '../platform/metrics.ts';

import type { Route } from './core/request/types.ts';

/** Everything that is counted per model, looked up once per request. */
export interface ModelMetrics {
  readonly firstToken: HistogramChild;
  readonly duration: HistogramChild;
  readonly gap: HistogramChild;
  readonly queueWait: HistogramChild;
  readonly tokensIn: NumberChild;
  readonly tokensOut: NumberChild;
  readonly wasted: NumberChild;
  readonly cost: NumberChild;
  readonly label: string;
  /** bigo_requests_total by route and status code. */
  readonly requests: Map<Route, Map<number, NumberChild>>;
}

export class GatewayMetrics {
  readonly families: Families<typeof GATEWAY_METRICS>;
  readonly exporter: MetricsText;
  private readonly models = new Map<string, ModelMetrics>();
  private readonly decisions = new Map<DispatchReason, NumberChild>();

  constructor(version: string) {
    const { families, exporter } = createMetrics(GATEWAY_METRICS);
    this.families = families;
    this.exporter = exporter;
    families.bigo_build_info.with(version).value = 1;
  }

  /** `label` comes from ModelIndex.label, so this map is bounded. */
  ofModel(label: string): ModelMetrics {
    const known = this.models.get(label);
    if (known !== undefined) return known;
    const { families } = this;
    const made = {
      firstToken: families.bigo_time_to_first_token_seconds.with(label),
      duration: families.bigo_request_duration_seconds.with(label),
      gap: families.bigo_chunk_gap_seconds.with(label),
      queueWait: families.bigo_queue_wait_seconds.with(label),
      tokensIn: families.bigo_tokens_total.with(label, 'in'),
      tokensOut: families.bigo_tokens_total.with(label, 'out'),
      wasted: families.bigo_wasted_tokens_total.with(label),
      cost: families.bigo_cost_dollars_total.with(label),
      label,
      requests: new Map<Route, Map<number, NumberChild>>(),
    };
    this.models.set(label, made);
    return made;
  }

  countRequest(model: ModelMetrics, route: Route, code: number): void {
    const ofRoute = model.requests.get(route) ?? new Map<number, NumberChild>();
    if (ofRoute.size === 0) model.requests.set(route, ofRoute);
    let child = ofRoute.get(code);
    if (child === undefined) {
      child = this.families.bigo_requests_total.with(model.label, route.dialect, route.id, String(code));
      ofRoute.set(code, child);
    }
    child.value += 1;
  }

  /** Routes that name no model. */
  countOther(route: Route, code: number): void {
    this.families.bigo_requests_total.with('none', route.dialect, route.id, String(code)).value += 1;
  }

  countDecision(reason: DispatchReason): void {
    let child = this.decisions.get(reason);
    if (child === undefined) {
      child = this.families.bigo_decisions_total.with(reason);
      this.decisions.set(reason, child);
    }
    child.value += 1;
  }

  get loads(): NumberFamily {
    return this.families.bigo_loads_total;
  }
  get unloads(): NumberFamily {
    return this.families.bigo_unloads_total;
  }
  get loadSeconds(): HistogramFamily {
    return this.families.bigo_model_load_seconds;
  }
  get errors(): NumberFamily {
    return this.families.bigo_request_errors_total;
  }
  get retries(): NumberFamily {
    return this.families.bigo_retries_total;
  }
  get streamFailures(): NumberFamily {
    return this.families.bigo_stream_failures_total;
  }
  get clientsGone(): NumberFamily {
    return this.families.bigo_clients_gone_total;
  }
  get frozen(): NumberFamily {
    return this.families.bigo_backend_frozen_total;
  }
}
