// The pods that a label selector finds: listed, then watched, for as long as the gateway runs.
// Never forgets pods because the API server is away: the last ones that were known stay until a list says otherwise.
import type { KubeObject } from '../api/kube-object.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import { namespacedKind } from '../platform/kube/paths.ts';
import { Reflector } from '../platform/kube/reflector.ts';
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

const POD = namespacedKind('v1', 'Pod', 'pods');
const podsMax = 1_000;
const limits = { watchSecondsMin: 240, watchSecondsMax: 300, backoffMsMin: 500, backoffMsMax: 15_000 };

export class PodWatch {
  readonly #options: PodWatchOptions;
  readonly #stop = new AbortController();
  readonly #reflector: Reflector;
  #pods: ReadonlyMap<string, PodView> = new Map();
  #isSynced = false;
  #running: Promise<void> | undefined;

  constructor(options: PodWatchOptions) {
    const { client, namespace, selector: labelSelector, rng, log, onFailed } = options;
    this.#options = options;
    this.#reflector = new Reflector({
      ...{ client, rng, log, onFailed, limits },
      scope: { kind: POD, namespace, labelSelector },
      trim: pod => pod,
      cache: {
        replace: (_kind, _namespace, pods) => this.#replace(pods),
        set: (_kind, pod) => this.#take(pod, false),
        delete: (_kind, pod) => this.#take(pod, true),
      },
    });
  }

  /** The first list has come. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  get pods(): readonly PodView[] {
    return [...this.#pods.values()];
  }

  start(): void {
    this.#running ??= this.#reflector.run(this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('these pods are no longer watched'));
    await this.#running;
  }

  #replace(pods: readonly KubeObject[]): void {
    const { selector } = this.#options;
    if (pods.length > podsMax)
      throw new RangeError(`the selector ${selector} finds more than ${podsMax} pods`);
    const views = pods.map(podView).filter(pod => pod !== undefined);
    this.#isSynced = true;
    this.#swap(new Map(views.map(pod => [pod.name, pod])));
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
}
