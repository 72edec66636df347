// Keeps the cache equal to the server for one kind: lists in pages, then watches, and begins again when events may have been lost.
// Never gives up: whatever goes wrong, it waits a little longer and tries again.
import type { KubeObject } from '../../api/kube-object.ts';
import { Backoff, pause } from '../backoff.ts';
import type { KubeClient, KubeScope } from './client.ts';
import { KubeError } from './kube-error.ts';
import type { KubeKind } from './paths.ts';
import type { WatchEvent } from './watch-stream.ts';

/** What is told of one kind. */
export interface ReflectedObjects {
  /** Everything that there is in the namespace, or everywhere. */
  replace(kind: KubeKind, namespace: string | undefined, items: readonly KubeObject[]): void;
  set(kind: KubeKind, object: KubeObject): void;
  delete(kind: KubeKind, object: KubeObject): void;
}

/** A pino logger is one. */
interface ReflectorLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ReflectorOptions {
  readonly client: Pick<KubeClient, 'list' | 'watch'>;
  readonly scope: KubeScope;
  readonly cache: ReflectedObjects;
  /** Takes out of an object what nobody needs, before it is kept. */
  readonly trim: (object: KubeObject) => KubeObject;
  readonly rng: () => number;
  readonly log: ReflectorLog;
  readonly onList?: () => void;
  readonly onWatch?: () => void;
  /** The server did not answer, or not well; it is asked again. */
  readonly onFailed?: () => void;
  readonly limits?: Partial<ReflectorLimits>;
}

export interface ReflectorLimits {
  readonly pageItems: number;
  readonly watchSecondsMin: number;
  readonly watchSecondsMax: number;
  /** After the server should have ended the watch. */
  readonly silenceMsMax: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
}

const LIMITS: ReflectorLimits = {
  pageItems: 500,
  watchSecondsMin: 300,
  watchSecondsMax: 600,
  silenceMsMax: 15_000,
  backoffMsMin: 800,
  backoffMsMax: 30_000,
};

export class Reflector {
  readonly synced: Promise<void>;
  private readonly options: ReflectorOptions;
  private readonly limits: ReflectorLimits;
  private readonly backoff: Backoff;
  private readonly markSynced: () => void;
  /** Where to go on; undefined = list first. */
  private version: string | undefined;

  constructor(options: ReflectorOptions) {
    this.options = options;
    this.limits = { ...LIMITS, ...options.limits };
    const { backoffMsMin: msMin, backoffMsMax: msMax } = this.limits;
    this.backoff = new Backoff({ msMin, msMax }, options.rng);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.synced = promise;
    this.markSynced = resolve;
  }

  /** Ends only when `signal` does. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.version ??= await this.list(signal);
        const events = await this.watch(this.version, signal);
        // A server that ends each watch at once must not be asked again at once.
        if (events > 0) this.backoff.reset();
        else await pause(this.backoff.nextMs(), signal);
      } catch (error) {
        await this.failed(error, signal);
      }
    }
  }

  private async list(signal: AbortSignal): Promise<string> {
    const { client, scope, cache, trim, onList } = this.options;
    const items: KubeObject[] = [];
    let continueToken: string | undefined;
    for (;;) {
      signal.throwIfAborted();
      const page = await client.list(scope, {
        limit: this.limits.pageItems,
        ...(continueToken === undefined ? {} : { continueToken }),
      });
      items.push(...page.items.map(trim));
      continueToken = page.continueToken;
      if (continueToken !== undefined) continue;
      cache.replace(scope.kind, scope.namespace, items);
      onList?.();
      this.markSynced();
      return page.resourceVersion;
    }
  }

  private async watch(resourceVersion: string, signal: AbortSignal): Promise<number> {
    const { client, scope, rng, onWatch } = this.options;
    const { watchSecondsMin, watchSecondsMax, silenceMsMax } = this.limits;
    const timeoutSeconds = Math.round(watchSecondsMin + (watchSecondsMax - watchSecondsMin) * rng());
    const idleMsMax = timeoutSeconds * 1000 + silenceMsMax;
    onWatch?.();
    let events = 0;
    for await (const event of client.watch(scope, { resourceVersion, timeoutSeconds, idleMsMax, signal })) {
      this.take(event);
      events += 1;
      this.backoff.reset();
    }
    return events;
  }

  private take({ type, object }: WatchEvent): void {
    const { scope, cache, trim } = this.options;
    if (type === 'DELETED') cache.delete(scope.kind, trim(object));
    else if (type !== 'BOOKMARK') cache.set(scope.kind, trim(object));
    this.version = object.metadata.resourceVersion ?? this.version;
  }

  private async failed(error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { log, scope, onFailed } = this.options;
    onFailed?.();
    const known = error instanceof KubeError ? error : undefined;
    if (known === undefined || mayHaveLostEvents(known)) this.version = undefined;
    const waitMs = Math.max(this.backoff.nextMs(), known?.retryAfterMs ?? 0);
    const fields = { kind: scope.kind.kind, code: known?.code, error: String(error), waitMs };
    if (known?.code === 410) log.info(fields, 'watch expired: listing again');
    else log.warn(fields, 'watch failed: trying again');
    await pause(waitMs, signal);
  }
}

/** 410 in both forms, a version that the server does not know yet, and silence; after anything else the last version still holds. */
function mayHaveLostEvents({ code, reason, message }: KubeError): boolean {
  return (
    code === 410 ||
    reason === 'Expired' ||
    reason === 'Silent' ||
    message.includes('Too large resource version')
  );
}
