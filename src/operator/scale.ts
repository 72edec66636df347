// Scales fleets by what their gateways say waits and runs, as a HorizontalPodAutoscaler would: through the scale subresource.
// Never touches a workload, and never holds up a pass: gateways are asked in the background.
import type { KubeObject } from '../api/kube-object.ts';
import type { Resolved } from '../api/ollama-deployment/resolve.ts';
import type { Clock } from '../platform/clock.ts';
import type { HttpClient } from '../platform/http.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import type { Log } from '../platform/log.ts';
import type { Cache } from './cache.ts';
import { FIELD_MANAGER } from './core/plan.ts';
import {
  type DemandLook,
  remember,
  replicasFor,
  type ScaleMemory,
  type ScaleRule,
} from './core/scale/scale.ts';
import type { EventRecorder } from './events.ts';
import { DEPLOYMENT_RESOURCE } from './kinds.ts';

export interface AutoscalerOptions {
  readonly http: Pick<HttpClient, 'ask'>;
  readonly client: Pick<KubeClient, 'merge'>;
  readonly cache: Pick<Cache, 'get'>;
  readonly events: Pick<EventRecorder, 'record'>;
  readonly clock: Clock;
  readonly rng: () => number;
  readonly log: Log;
  readonly userAgent: string;
  /** Throws when this process may not write any more. */
  readonly mayWrite: () => void;
  readonly onWrite: (verb: string, kind: string) => void;
  readonly intervals?: ScaleIntervals;
}

export interface ScaleIntervals {
  readonly lookMs: number;
  /** Somebody may be waiting for the first pod. */
  readonly atZeroMs: number;
}

export interface Scaled {
  readonly rule: ScaleRule;
  /** Admin ports of its gateways. */
  readonly urls: readonly string[];
  readonly token: string | undefined;
}

const INTERVALS: ScaleIntervals = { lookMs: 15_000, atZeroMs: 2_000 };
const answerMsMax = 5_000;
const answerBytesMax = 8 * 1024 * 1024;

interface Followed {
  wish: Scaled;
  memory: ScaleMemory | undefined;
  /** Requests sent to pods so far, by gateway. */
  served: ReadonlyMap<string, number>;
  timer: NodeJS.Timeout | undefined;
}

export class Autoscaler {
  private readonly options: AutoscalerOptions;
  private readonly intervals: ScaleIntervals;
  /** As many as there are resources that want it. */
  private readonly followed = new Map<string, Followed>();

  constructor(options: AutoscalerOptions) {
    this.options = options;
    this.intervals = options.intervals ?? INTERVALS;
  }

  /** Undefined: somebody else scales it, or it is gone. */
  follow(key: string, wish: Scaled | undefined): void {
    const known = this.followed.get(key);
    if (wish === undefined) {
      clearTimeout(known?.timer);
      this.followed.delete(key);
    } else if (known === undefined) {
      const followed: Followed = { wish, memory: undefined, served: new Map(), timer: undefined };
      this.followed.set(key, followed);
      this.lookIn(key, followed, 0);
    } else {
      known.wish = wish;
    }
  }

  stop(): void {
    for (const key of [...this.followed.keys()]) this.follow(key, undefined);
  }

  private lookIn(key: string, followed: Followed, ms: number): void {
    if (this.followed.get(key) !== followed) return;
    followed.timer = setTimeout(() => void this.look(key, followed), ms).unref();
  }

  private async look(key: string, followed: Followed): Promise<void> {
    const resource = this.options.cache.get(DEPLOYMENT_RESOURCE, key);
    const replicas = replicasOf(resource);
    try {
      if (resource !== undefined) await this.scale(resource, followed, replicas);
    } catch (error) {
      this.options.log.warn({ resource: key, error: String(error) }, 'not scaled this time');
    }
    const { lookMs, atZeroMs } = this.intervals;
    this.lookIn(key, followed, (replicas === 0 ? atZeroMs : lookMs) * (0.9 + 0.2 * this.options.rng()));
  }

  private async scale(resource: KubeObject, followed: Followed, replicas: number): Promise<void> {
    const { client, clock, events, mayWrite, onWrite } = this.options;
    const { rule } = followed.wish;
    followed.memory = remember(followed.memory, await this.ask(followed), rule);
    const wanted = replicasFor(followed.memory, rule, { nowMs: clock.nowMs(), replicas });
    if (wanted === replicas) return;
    const { name, namespace } = resource.metadata;
    mayWrite();
    onWrite('patch', `${DEPLOYMENT_RESOURCE.kind}/scale`);
    const ref = { kind: DEPLOYMENT_RESOURCE, namespace, name };
    await client.merge(ref, { spec: { replicas: wanted } }, FIELD_MANAGER, 'scale');
    const { demand } = followed.memory;
    const note = `from ${replicas} to ${wanted} pods: ${demand} requests wait or run, ${rule.target} per pod are the target`;
    await events.record(resource, { type: 'Normal', reason: 'Scaling', note });
  }

  private async ask(followed: Followed): Promise<DemandLook> {
    const { urls, token } = followed.wish;
    const answers = await Promise.all(urls.map(url => this.askOne(url, token).catch(() => undefined)));
    const heard = answers.flatMap((answer, index) =>
      answer === undefined ? [] : [{ url: urls[index] ?? '', ...answer }],
    );
    const hasServed = heard.some(({ url, served }) => served !== (followed.served.get(url) ?? served));
    followed.served = new Map(
      [...followed.served, ...heard.map(({ url, served }) => [url, served] as const)].filter(([url]) =>
        urls.includes(url),
      ),
    );
    return {
      atMs: this.options.clock.nowMs(),
      demand: heard.reduce((sum, { demand }) => sum + demand, 0),
      hasServed,
      isWhole: urls.length > 0 && heard.length === urls.length,
    };
  }

  private async askOne(url: string, token: string | undefined): Promise<{ demand: number; served: number }> {
    const { http, userAgent } = this.options;
    const headers = {
      'user-agent': userAgent,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const answer = await http.ask(
      { url },
      { method: 'GET', path: '/metrics', headers, bytesMax: answerBytesMax, timeMsMax: answerMsMax },
    );
    if (answer.status !== 200) throw new Error(`the gateway answered ${answer.status}`);
    const text = answer.body.toString('utf8');
    const demand = sumOf(text, 'bigo_fleet_demand');
    if (demand === undefined) throw new Error('the gateway does not tell its demand');
    return { demand, served: sumOf(text, 'bigo_decisions_total') ?? 0 };
  }
}

/** Undefined: the operator does not scale it. */
export function scaledBy(
  { autoscaling }: Resolved,
  urls: readonly string[],
): Omit<Scaled, 'token'> | undefined {
  return autoscaling?.engine === 'operator' ? { rule: autoscaling, urls } : undefined;
}

function replicasOf(resource: KubeObject | undefined): number {
  const { ollama } = (resource?.['spec'] ?? {}) as { readonly ollama?: { readonly replicas?: number } };
  return ollama?.replicas ?? 1;
}

/** Over all labels, from the text format of Prometheus; undefined = there is no such metric. */
function sumOf(text: string, metric: string): number | undefined {
  const lines = text
    .split('\n')
    .filter(line => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `));
  const values = lines.map(line => Number(line.slice(line.lastIndexOf(' ') + 1)));
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
}
