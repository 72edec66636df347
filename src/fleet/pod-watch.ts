// The pods that a label selector finds: listed, then watched, for as long as the gateway runs.
// Never forgets pods because the API server is away: the last ones that were known stay until a list says otherwise.
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../api/kube-object.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import { KubeError } from '../platform/kube/kube-error.ts';
import { podView, type PodView } from './core/pods.ts';
import type { Log } from './types.ts';

export interface PodWatchOptions {
  readonly client: Pick<KubeClient, 'list' | 'watch'>;
  readonly namespace: string;
  readonly selector: string;
  readonly rng: () => number;
  readonly log: Log;
  readonly onChange: () => void;
  /** The API server did not answer, or not well; it is asked again. */
  readonly onFailed: () => void;
}

const POD = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', isNamespaced: true };
const podsMax = 1_000;
const pageItems = 500;
const watchSeconds = 300;
const silenceMsMax = 315_000;
const backoffMsMin = 500;
const backoffMsMax = 15_000;

export class PodWatch {
  readonly #options: PodWatchOptions;
  readonly #stop = new AbortController();
  #pods: ReadonlyMap<string, PodView> = new Map();
  #version: string | undefined;
  #failures = 0;
  #isSynced = false;
  #running: Promise<void> | undefined;

  constructor(options: PodWatchOptions) {
    this.#options = options;
  }

  /** The first list has come. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  get pods(): readonly PodView[] {
    return [...this.#pods.values()];
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('these pods are no longer watched'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        this.#version ??= await this.#list();
        await this.#watch(this.#version);
      } catch (error) {
        if (!signal.aborted) this.#failed(error);
      }
      if (this.#failures > 0) await this.#pause();
    }
  }

  async #list(): Promise<string> {
    const { client, namespace, selector: labelSelector } = this.#options;
    const items: KubeObject[] = [];
    let continueToken: string | undefined;
    do {
      const page = await client.list(
        { kind: POD, namespace, labelSelector },
        { limit: pageItems, ...(continueToken === undefined ? {} : { continueToken }) },
      );
      items.push(...page.items);
      continueToken = page.continueToken;
      if (continueToken === undefined) {
        this.#replace(items.slice(0, podsMax));
        return page.resourceVersion;
      }
    } while (items.length < podsMax);
    throw new RangeError(`the selector ${labelSelector} finds more than ${podsMax} pods`);
  }

  #replace(items: readonly KubeObject[]): void {
    const views = items.map(podView).filter(pod => pod !== undefined);
    this.#isSynced = true;
    this.#failures = 0;
    this.#swap(new Map(views.map(pod => [pod.name, pod])));
  }

  async #watch(resourceVersion: string): Promise<void> {
    const { client, namespace, selector: labelSelector } = this.#options;
    const scope = { kind: POD, namespace, labelSelector };
    const limits = { timeoutSeconds: watchSeconds, idleMsMax: silenceMsMax, signal: this.#stop.signal };
    let events = 0;
    for await (const { type, object } of client.watch(scope, { resourceVersion, ...limits })) {
      events += 1;
      this.#failures = 0;
      this.#version = object.metadata.resourceVersion ?? this.#version;
      if (type !== 'BOOKMARK') this.#take(object, type === 'DELETED');
    }
    // A server that ends each watch at once must not be asked again at once.
    if (events === 0) this.#failures += 1;
  }

  #take(object: KubeObject, isGone: boolean): void {
    const next = new Map(this.#pods);
    const view = isGone ? undefined : podView(object);
    if (view === undefined) next.delete(object.metadata.name);
    else if (next.size < podsMax || next.has(view.name)) next.set(view.name, view);
    this.#swap(next);
  }

  #swap(pods: ReadonlyMap<string, PodView>): void {
    this.#pods = pods;
    this.#options.onChange();
  }

  #failed(error: unknown): void {
    this.#failures += 1;
    const known = error instanceof KubeError ? error : undefined;
    // Only a cut connection leaves no doubt that the last version still holds.
    if (known === undefined || known.code !== 0 || known.reason === 'Silent') this.#version = undefined;
    const fields = { error: String(error), code: known?.code, pods: this.#pods.size };
    this.#options.log.warn(fields, 'the API server does not tell of pods: the last known ones stay');
    this.#options.onFailed();
  }

  async #pause(): Promise<void> {
    const wholeMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(this.#failures - 1, 10));
    const waitMs = wholeMs * (0.5 + this.#options.rng() / 2);
    await sleep(waitMs, undefined, { signal: this.#stop.signal, ref: false }).catch(() => undefined);
  }
}
