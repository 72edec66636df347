// The cluster as the manager sees it: fleets found by label in every namespace that it shows, looked at every few seconds.
// Never forgets what it saw because the API server is away, never changes anything but resources that a caller names.
import { setTimeout as sleep } from 'node:timers/promises';
import { BigoError } from '../../api/errors.ts';
import type { KubeObject } from '../../api/kube-object.ts';
import { API_VERSION, KIND, PLURAL } from '../../api/ollama-deployment/resource.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import { kubeCode, KubeError } from '../../platform/kube/kube-error.ts';
import { clusterKind, namespacedKind, type KubeKind } from '../../platform/kube/paths.ts';
import type { Log } from '../../platform/log.ts';
import { fleetsOf, gpuTotal, POD_SELECTOR, urlsOf, type FleetView } from '../core/cluster-view.ts';
import type { GpuTotal } from '../core/gpu.ts';
import type { GatewayAddress } from '../types.ts';
import { Dcgm } from './dcgm.ts';
import { GatewayTokens } from './gateway-tokens.ts';

export interface ClusterOptions {
  readonly client: KubeClient;
  /** Its own: where its ConfigMaps lie and resources go that name none. */
  readonly namespace: string;
  /** Empty = the whole cluster. */
  readonly namespaces: readonly string[];
  /** For gateways whose Secret cannot be read. */
  readonly adminToken?: string;
  /** Address of dcgm-exporter. */
  readonly dcgmUrl?: string;
  readonly log: Log;
}

const POD = namespacedKind('v1', 'Pod', 'pods');
const NODE = clusterKind('v1', 'Node', 'nodes');
const RESOURCE = namespacedKind(API_VERSION, KIND, PLURAL);

const lookMs = 5_000;
const firstLookMsMax = 5_000;
const pageItems = 500;
const itemsMax = 5_000;
const fieldManager = 'bigo-manager';

export class Cluster {
  /** Called when gateways came or went. */
  onGateways: (gateways: readonly GatewayAddress[]) => void = () => {};
  /** Empty when the API server answers. */
  error = 'The API server was not asked yet.';
  fleets: readonly FleetView[] = [];
  gpus: GpuTotal | undefined;
  private readonly options: ClusterOptions;
  private readonly tokens: GatewayTokens;
  private readonly dcgm: Dcgm | undefined;
  private readonly stop = new AbortController();
  private loop: Promise<void> = Promise.resolve();
  private looking: Promise<void> | undefined;
  private told = '';

  constructor(options: ClusterOptions) {
    this.options = options;
    this.tokens = new GatewayTokens(options.client, options.adminToken);
    this.dcgm = options.dcgmUrl === undefined ? undefined : new Dcgm(options.dcgmUrl);
  }

  /** Resolves with the first look, or when that takes too long. */
  async start(): Promise<void> {
    const first = this.look();
    this.loop = this.run(first);
    await Promise.race([first, sleep(firstLookMsMax, undefined, { ref: false })]);
  }

  async close(): Promise<void> {
    this.stop.abort();
    await this.options.client.close();
    await this.dcgm?.close();
    await this.loop;
  }

  /** Creates it, or adds the model to the one that is there. */
  async deploy(object: KubeObject): Promise<{ created: boolean }> {
    const { client } = this.options;
    const { name, namespace } = object.metadata;
    return this.told503(async () => {
      try {
        await client.create(RESOURCE, object);
        return { created: true };
      } catch (error) {
        if (kubeCode(error) !== 409) throw error;
      }
      const ref = { kind: RESOURCE, namespace, name };
      const there = await client.get(ref);
      const { resourceVersion } = there.metadata;
      const models = [...new Set([...modelsOf(there), ...modelsOf(object)])];
      // The version makes it a 409 when somebody else changed the list in between.
      await client.merge(ref, { metadata: { resourceVersion }, spec: { ollama: { models } } }, fieldManager);
      return { created: false };
    });
  }

  async remove(name: string, namespace: string): Promise<void> {
    await this.told503(() =>
      this.options.client.delete({ kind: RESOURCE, namespace, name }, { propagation: 'Background' }),
    );
  }

  /** Which of the namespaces that it shows: the named one, else its own, else the only one. */
  namespaceFor(wanted: string | undefined): string {
    const { namespace, namespaces } = this.options;
    const found = wanted ?? (namespaces.length === 1 ? namespaces[0] : undefined) ?? namespace;
    if (namespaces.length === 0 || namespaces.includes(found)) return found;
    throw new BigoError('bad_request', `This manager does not look after the namespace ${found}.`);
  }

  /** One at a time; who asks while one runs gets that one. */
  look(): Promise<void> {
    this.looking ??= this.lookOnce().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  private async run(first: Promise<void>): Promise<void> {
    const { signal } = this.stop;
    await first;
    while (!signal.aborted) {
      await sleep(lookMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (!signal.aborted) await this.look();
    }
  }

  private async lookOnce(): Promise<void> {
    try {
      const [pods, resources] = await Promise.all([
        this.everywhere(POD, POD_SELECTOR),
        this.everywhere(RESOURCE).catch(absent),
      ]);
      this.fleets = fleetsOf(pods, resources);
      this.gpus = (await this.dcgm?.total()) ?? (await this.list(NODE).then(gpuTotal, () => undefined));
      if (this.error !== '') this.options.log.info({}, 'the API server answers');
      this.error = '';
      await this.tell();
    } catch (error) {
      if (this.stop.signal.aborted) return;
      const { message } = error as Error;
      if (this.error !== message) this.options.log.warn({ error: message }, 'the API server is not read');
      this.error = message;
    }
  }

  private async tell(): Promise<void> {
    const gateways: GatewayAddress[] = [];
    for (const { key, name, namespace, gateways: pods } of this.fleets) {
      const adminToken = pods.length === 0 ? undefined : await this.tokens.of(namespace, name);
      for (const pod of pods) {
        const urls = urlsOf(pod);
        if (urls === undefined) continue;
        gateways.push({
          name: `${pod.namespace}/${pod.name}`,
          url: urls.main,
          adminUrl: urls.admin,
          fleet: key,
          ...(adminToken !== undefined && { adminToken }),
        });
      }
    }
    const told = JSON.stringify(gateways);
    if (told === this.told) return;
    this.told = told;
    this.onGateways(gateways);
  }

  private async everywhere(of: KubeKind, labelSelector?: string): Promise<KubeObject[]> {
    const { namespaces } = this.options;
    if (namespaces.length === 0) return this.list(of, { labelSelector });
    const lists = await Promise.all(namespaces.map(namespace => this.list(of, { namespace, labelSelector })));
    return lists.flat();
  }

  private async list(
    of: KubeKind,
    scope: { namespace?: string; labelSelector?: string | undefined } = {},
  ): Promise<KubeObject[]> {
    const items: KubeObject[] = [];
    let continueToken: string | undefined;
    do {
      const page = await this.options.client.list(
        { kind: of, ...scope },
        { limit: pageItems, ...(continueToken !== undefined && { continueToken }) },
      );
      items.push(...page.items);
      continueToken = page.continueToken;
    } while (continueToken !== undefined && items.length < itemsMax);
    return items;
  }

  private async told503<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      const value = await work();
      void this.look();
      return value;
    } catch (error) {
      throw error instanceof KubeError ? inWords(error) : error;
    }
  }
}

function modelsOf(object: KubeObject): string[] {
  return (object['spec'] as { ollama?: { models?: string[] } } | undefined)?.ollama?.models ?? [];
}

/** Without the resource definition there are only plain objects. */
function absent(error: unknown): KubeObject[] {
  if (kubeCode(error) === 404) return [];
  throw error;
}

/** What the API server refuses is the caller's to mend; its silence is not. */
function inWords(error: KubeError): BigoError {
  const { code, message } = error;
  if (code === 404) return new BigoError('deployment_not_found', `The API server says: ${message}.`);
  const isRefused = code === 400 || code === 422 || code === 409;
  return new BigoError(isRefused ? 'bad_request' : 'cluster_away', `The API server says: ${message}.`);
}
