// One ConfigMap as a shared value: read fresh, changed with its resourceVersion, many changes in one write.
// Never writes over what somebody else wrote in between: then it reads again and does its changes anew.
import { BigoError } from '../../api/errors.ts';
import type { KubeObject } from '../../api/kube-object.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import { kubeCode, KubeError } from '../../platform/kube/kube-error.ts';
import { namespacedKind, type KubeRef } from '../../platform/kube/paths.ts';
import type { Log } from '../../platform/log.ts';
import type { ConfigMapData } from '../core/usage-doc.ts';

export type ConfigMapClient = Pick<KubeClient, 'get' | 'create' | 'replace'>;

export interface ConfigMapOptions<Doc> {
  readonly client: ConfigMapClient;
  readonly namespace: string;
  readonly name: string;
  readonly log: Log;
  readonly read: (data: ConfigMapData | undefined) => Doc;
  /** `attempt` counts from 0; each is to be smaller, for an object that the server finds too large. */
  readonly write: (doc: Doc, before: ConfigMapData | undefined, attempt: number) => ConfigMapData;
}

const CONFIG_MAP = namespacedKind('v1', 'ConfigMap', 'configmaps');
const triesMax = 12;
const smallerMax = 3;

interface Change<Doc> {
  readonly edit: (doc: Doc) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class ConfigMap<Doc> {
  private readonly options: ConfigMapOptions<Doc>;
  private readonly ref: KubeRef;
  private readonly waiting: Change<Doc>[] = [];
  private writing: Promise<void> | undefined;
  private wasRefused = false;

  constructor(options: ConfigMapOptions<Doc>) {
    this.options = options;
    this.ref = { kind: CONFIG_MAP, namespace: options.namespace, name: options.name };
  }

  /** As it is now at the API server, so that a change made with kubectl is seen. */
  async look(): Promise<Doc> {
    await this.writing;
    return this.options.read(dataOf(await this.told(() => this.find())));
  }

  /** `edit` may be run more than once, on a fresh value each time. Resolves when it is written. */
  change<Value>(edit: (doc: Doc) => Value): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      this.waiting.push({ edit, resolve: value => resolve(value as Value), reject });
      this.writing ??= this.writeAll();
    });
  }

  private async writeAll(): Promise<void> {
    // What comes in the same moment goes into the same write.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const changes = this.waiting.splice(0);
      try {
        const values = await this.told(() => this.write(changes));
        changes.forEach((change, at) => change.resolve(values[at]));
      } catch (error) {
        for (const change of changes) change.reject(error);
      }
    }
    // In the same step as the look that found nothing: a change that comes after it begins anew.
    this.writing = undefined;
  }

  private async write(changes: readonly Change<Doc>[]): Promise<unknown[]> {
    let smaller = 0;
    for (let tries = 0; ; tries++) {
      const before = await this.find();
      const doc = this.options.read(dataOf(before));
      const values = changes.map(({ edit }) => edit(doc));
      const data = this.options.write(doc, dataOf(before), smaller);
      try {
        await this.put(before, data);
        return values;
      } catch (error) {
        if (isTooLarge(error) && smaller < smallerMax) smaller += 1;
        else if (!isConflict(error) || tries >= triesMax) throw error;
      }
    }
  }

  private async put(before: KubeObject | undefined, data: ConfigMapData): Promise<void> {
    const { client, namespace, name } = this.options;
    if (before !== undefined && isSame(dataOf(before), data)) return;
    if (before !== undefined) return void (await client.replace(CONFIG_MAP, { ...before, data }));
    const metadata = { name, namespace, labels: { 'app.kubernetes.io/part-of': 'bigo' } };
    await client.create(CONFIG_MAP, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
  }

  private async find(): Promise<KubeObject | undefined> {
    try {
      return await this.options.client.get(this.ref);
    } catch (error) {
      if (kubeCode(error) === 404) return undefined;
      throw error;
    }
  }

  /** Said once in the log until it is well again: `kubectl logs … | grep -i configmap` must find it. */
  private async told<Value>(work: () => Promise<Value>): Promise<Value> {
    const { log, namespace, name } = this.options;
    try {
      const value = await work();
      if (this.wasRefused) log.info({ namespace, name }, 'the configmap can be used again');
      this.wasRefused = false;
      return value;
    } catch (error) {
      const { message } = error as Error;
      if (!this.wasRefused)
        log.error({ namespace, name, error: message }, 'the configmap cannot be read or written');
      this.wasRefused = true;
      if (!(error instanceof KubeError)) throw error;
      throw new BigoError(
        'cluster_away',
        `The ConfigMap ${namespace}/${name} cannot be read or written: ${message}.`,
      );
    }
  }
}

function dataOf(object: KubeObject | undefined): ConfigMapData | undefined {
  return object?.['data'] as ConfigMapData | undefined;
}

function isSame(before: ConfigMapData = {}, data: ConfigMapData): boolean {
  const names = Object.keys(data);
  return names.length === Object.keys(before).length && names.every(name => before[name] === data[name]);
}

/** Somebody wrote in between, made it first, or deleted it. */
function isConflict(error: unknown): boolean {
  const code = kubeCode(error);
  return code === 409 || code === 404;
}

/** The limit of the API server (422), or of what stands before etcd (413, or "request is too large"). */
function isTooLarge(error: unknown): boolean {
  const code = kubeCode(error);
  if (code === 413) return true;
  return (
    (code === 422 || code === 500) && /too (long|large)|must have at most/i.test((error as Error).message)
  );
}
