// The Secrets of the resources: read by name, made when they lack something, looked at again every now and then, for they may not be watched.
// Never logs a value, and never takes a Secret that could not be read for one that is missing.
import { hash, randomBytes } from 'node:crypto';
import type { KubeObject } from '../api/kube-object.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import { kubeCode } from '../platform/kube/kube-error.ts';
import { pause } from '../platform/backoff.ts';
import type { Cache } from './cache.ts';
import type { SecretMaker } from './core/desired/secrets.ts';
import { SECRET, trim } from './kinds.ts';

/** The same forms as `bigo keys create` and the gateway's reader of keys. */
export const secretMaker: SecretMaker = {
  token: () => randomBytes(32).toString('base64url'),
  apiKey: () => `bigo-${randomBytes(32).toString('base64url')}`,
  hash: key => `sha256:${hash('sha256', key, 'hex')}`,
};

export interface SecretOptions {
  readonly client: Pick<KubeClient, 'get'>;
  readonly cache: Pick<Cache, 'get' | 'set' | 'delete' | 'keys'>;
  /** Each Secret is read again once in this time. */
  readonly roundMs: number;
}

const slices = 10;
/** In one connection, which has room for 100 with the watches: so they cost two thirds each of what eight at once cost. */
const atOnceMax = 50;

export class SecretReader {
  private readonly options: SecretOptions;
  /** Resources whose Secrets were looked for by this process; as many as there are resources. */
  private readonly found = new Set<string>();
  /** How many names of a resource were looked for before the server failed: the next pass goes on there. */
  private readonly foundUpTo = new Map<string, number>();

  constructor(options: SecretOptions) {
    this.options = options;
  }

  /** From the cache, else from the server; undefined = there is none. */
  async read(namespace: string, name: string): Promise<KubeObject | undefined> {
    const known = this.options.cache.get(SECRET, `${namespace}/${name}`);
    return known ?? this.fetch(namespace, name);
  }

  /** Brings what there is of these names into the cache, once for each resource; from then on it is kept fresh. */
  async find(resource: string, names: readonly string[]): Promise<void> {
    if (this.found.has(resource)) return;
    const namespace = resource.slice(0, resource.indexOf('/'));
    for (let next = this.foundUpTo.get(resource) ?? 0; next < names.length; next++) {
      this.foundUpTo.set(resource, next);
      await this.fetch(namespace, names[next] ?? '');
    }
    this.foundUpTo.delete(resource);
    this.found.add(resource);
  }

  /** The resource is gone. */
  forget(resource: string): void {
    this.found.delete(resource);
    this.foundUpTo.delete(resource);
  }

  /** Reads all that are known, for ever. What changed or went tells the cache's listener. */
  async run(signal: AbortSignal): Promise<void> {
    const { cache, roundMs } = this.options;
    for (let slice = 0; !signal.aborted; slice = (slice + 1) % slices) {
      // Not one after the other: what reading takes must not make the round longer.
      const due = pause(roundMs / slices, signal);
      const some = cache.keys(SECRET).filter(key => sliceOf(key) === slice);
      await this.refresh(some, signal);
      await due;
    }
  }

  /** Several at once: questions one by one, each to a program that sleeps, cost three times as much. */
  private async refresh(keys: string[], signal: AbortSignal): Promise<void> {
    const ask = async (): Promise<void> => {
      for (let key = keys.pop(); key !== undefined && !signal.aborted; key = keys.pop()) {
        const [namespace = '', name = ''] = key.split('/');
        // A server that does not answer now is asked again in the next round.
        await this.fetch(namespace, name).catch(() => {});
      }
    };
    await Promise.all(Array.from({ length: atOnceMax }, ask));
  }

  private async fetch(namespace: string, name: string): Promise<KubeObject | undefined> {
    const { client, cache } = this.options;
    const ref = { kind: SECRET, namespace, name };
    try {
      const secret = trim(SECRET)({ ...(await client.get(ref)), apiVersion: 'v1', kind: 'Secret' });
      cache.set(SECRET, secret);
      return secret;
    } catch (error) {
      if (kubeCode(error) !== 404) throw error;
      const known = cache.get(SECRET, `${namespace}/${name}`);
      if (known !== undefined) cache.delete(SECRET, known);
      return undefined;
    }
  }
}

/** The same in every round, whatever comes and goes: so no Secret waits for longer than one round, a new one neither. */
function sliceOf(key: string): number {
  let sum = 0;
  for (let at = 0; at < key.length; at++) sum = (sum * 31 + key.charCodeAt(at)) % 65_521;
  return sum % slices;
}

export function secretTexts(secret: KubeObject | undefined): Record<string, string> {
  const data = (secret?.['data'] ?? {}) as Readonly<Record<string, string>>;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  );
}
