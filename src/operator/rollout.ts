// Deletes the pods that only a deletion can help, and tells each by an Event. Which ones they are is decided in core/rollout.
// Never deletes a pod twice, and never another one of the same name.
import type { KubeObject } from '../api/kube-object.ts';
import type { ResolvedOllama } from '../api/ollama-deployment/resolve.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import { kubeCode } from '../platform/kube/kube-error.ts';
import { type Mend, mendsOf } from './core/rollout/mend.ts';
import type { Observed } from './core/status/observed.ts';
import type { EventRecorder } from './events.ts';
import { POD } from './kinds.ts';

export interface MenderOptions {
  readonly client: Pick<KubeClient, 'delete'>;
  readonly events: Pick<EventRecorder, 'record'>;
  readonly mayWrite: () => void;
  readonly onWrite: (verb: string, kind: string) => void;
  readonly wallIso: () => string;
}

const rememberedMax = 1_000;

export class Mender {
  private readonly options: MenderOptions;
  /** Deleted pods whose end was not seen yet, by uid. */
  private readonly deleted = new Set<string>();

  constructor(options: MenderOptions) {
    this.options = options;
  }

  /** Resolves with the milliseconds after which to look again, if any. */
  async mend(
    resource: KubeObject,
    observed: Observed,
    nodeLost: ResolvedOllama['nodeLost'],
  ): Promise<number | undefined> {
    const mends = mendsOf(observed, { nodeLost, wallMs: Date.parse(this.options.wallIso()) });
    const open = mends.filter(({ pod }) => !this.deleted.has(pod.metadata.uid ?? ''));
    const later = open.filter(({ inMs }) => inMs > 0);
    for (const mend of open) if (mend.inMs === 0) await this.carryOut(resource, mend);
    return later.length === 0 ? undefined : Math.min(...later.map(({ inMs }) => inMs));
  }

  private async carryOut(resource: KubeObject, { pod, isForced, event }: Mend): Promise<void> {
    const { client, events, mayWrite, onWrite } = this.options;
    const { name, namespace, uid = '' } = pod.metadata;
    mayWrite();
    onWrite('delete', POD.kind);
    try {
      const force = isForced ? { graceSeconds: 0 } : {};
      await client.delete({ kind: POD, namespace, name }, { propagation: 'Background', uid, ...force });
    } catch (error) {
      // It is gone, or another one has its name by now.
      if (kubeCode(error) === 404 || kubeCode(error) === 409) return;
      throw error;
    }
    if (this.deleted.size >= rememberedMax) this.deleted.clear();
    this.deleted.add(uid);
    await events.record(resource, event);
  }
}
