// Pods as the backends of a gateway: watched by label, drained when they end or a drain is planned, slots shared among gateways.
// Never asks for EndpointSlices: a headless Service that publishes pods before they are ready calls them ready for ever.
import type { BackendSpec } from '../api/fleet.ts';
import type { KubernetesDiscovery } from '../api/settings.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import { backendsOf, drainingOf, readyGateways, replacedNames, type PodView } from './core/pods.ts';
import { PodWatch } from './pod-watch.ts';
import type { Log } from './types.ts';

export interface PodBackends {
  readonly specs: readonly BackendSpec[];
  readonly draining: ReadonlySet<string>;
}

export interface PodDiscoveryOptions {
  readonly client: Pick<KubeClient, 'list' | 'watch'>;
  /** Of this process; for discoveries that name none. */
  readonly namespace: string;
  readonly wallMs: () => number;
  readonly rng: () => number;
  readonly log: Log;
  readonly onChange: (backends: PodBackends) => void;
}

const timerMsMax = 60_000;

export class PodDiscovery {
  readonly #options: PodDiscoveryOptions;
  #wish: KubernetesDiscovery;
  #pods: PodWatch;
  #gateways: PodWatch | undefined;
  #writers: PodWatch | undefined;
  #before: readonly PodView[] = [];
  #told = '';
  #latest: PodBackends = { specs: [], draining: new Set() };
  readonly #firstLook = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(wish: KubernetesDiscovery, options: PodDiscoveryOptions) {
    this.#options = options;
    this.#wish = wish;
    this.#pods = this.#watch(wish.selector);
    this.#gateways = this.#watchIf(wish.gatewaySelector);
    this.#writers = this.#watchIf(wish.writerSelector);
  }

  /** Every pod that there is was told of. */
  get isSynced(): boolean {
    return this.#pods.isSynced && (this.#writers?.isSynced ?? true);
  }

  /** Resolves with the first list, or when it failed. */
  get looked(): Promise<void> {
    return this.#firstLook.promise;
  }

  get latest(): PodBackends {
    return this.#latest;
  }

  start(): void {
    this.#pods.start();
    this.#gateways?.start();
    this.#writers?.start();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.all([this.#pods.stop(), this.#gateways?.stop(), this.#writers?.stop()]);
  }

  /** Live reload: only another selector or namespace begins anew. */
  use(wish: KubernetesDiscovery): void {
    const old = this.#wish;
    this.#wish = wish;
    const isElsewhere = old.namespace !== wish.namespace;
    if (isElsewhere || old.selector !== wish.selector) {
      void this.#pods.stop();
      this.#pods = this.#watch(wish.selector);
      this.#pods.start();
    }
    if (isElsewhere || old.gatewaySelector !== wish.gatewaySelector) {
      void this.#gateways?.stop();
      this.#gateways = this.#watchIf(wish.gatewaySelector);
      this.#gateways?.start();
    }
    if (isElsewhere || old.writerSelector !== wish.writerSelector) {
      void this.#writers?.stop();
      this.#writers = this.#watchIf(wish.writerSelector);
      this.#writers?.start();
    }
    this.#tell();
  }

  #watchIf(selector: string | undefined): PodWatch | undefined {
    return selector === undefined ? undefined : this.#watch(selector);
  }

  #watch(selector: string): PodWatch {
    const { client, namespace, rng, log } = this.#options;
    return new PodWatch({
      client,
      rng,
      log,
      selector,
      namespace: this.#wish.namespace ?? namespace,
      onChange: () => this.#tell(),
      onFailed: () => this.#firstLook.resolve(),
    });
  }

  #tell(): void {
    if (!this.isSynced) return;
    const writers = this.#writers?.pods;
    const pods = [...this.#pods.pods, ...(writers ?? [])];
    const { log, wallMs, onChange } = this.#options;
    const replaced = replacedNames(this.#before, pods);
    this.#before = pods;
    const draining = drainingOf(pods, wallMs());
    this.#wakeAt(draining.changesAtMs);
    const gateways = readyGateways(this.#gateways?.pods ?? []);
    const specs = backendsOf({ pods: this.#pods.pods, writers }, this.#wish, gateways);
    // What was known of the old pod must not be believed of the new one.
    if (replaced.size > 0)
      onChange({ specs: specs.filter(spec => !replaced.has(spec.name)), draining: draining.names });
    const told = JSON.stringify([specs, [...draining.names].sort()]);
    if (told === this.#told && replaced.size === 0) return;
    this.#told = told;
    log.info(
      { pods: specs.map(spec => spec.name), draining: [...draining.names], gateways },
      'pods that are backends',
    );
    this.#latest = { specs, draining: draining.names };
    this.#firstLook.resolve();
    onChange(this.#latest);
  }

  /** A planned drain ends by itself. */
  #wakeAt(changesAtMs: number | undefined): void {
    clearTimeout(this.#timer);
    if (changesAtMs === undefined) return;
    const waitMs = Math.min(timerMsMax, Math.max(0, changesAtMs - this.#options.wallMs()) + 1);
    this.#timer = setTimeout(() => this.#tell(), waitMs).unref();
  }
}
