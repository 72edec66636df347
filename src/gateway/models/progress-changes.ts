// Pull, push and create: changes that take long and tell how far they are. Never says success while a store that answers has not done it.
import { BigoError } from '../../api/errors.ts';
import { modelKey } from '../../api/names.ts';
import {
  holdersOf,
  holdsModel,
  storeName,
  storesWith,
  type Store,
  type Targets,
} from '../../fleet/stores.ts';
import type { GatewayContext } from '../context.ts';
import { withStream } from '../core/models/create-body.ts';
import { rememberedBodyBytesMax } from '../core/models/remembered.ts';
import { CREATE_STAGES, PULL_STAGES, PUSH_STAGES } from '../core/models/progress.ts';
import type { StoreResult } from '../core/models/verdict.ts';
import type { ModelChange } from '../core/request/types.ts';
import type { HttpExchange } from '../http-exchange.ts';
import { modelNotFound } from '../models-known.ts';
import { askBlob } from './blobs.ts';
import { follow } from './follow.ts';
import { allOf, keyOf, storesNow, type Kit } from './kit.ts';
import { Work, type WorkPlan } from './work.ts';

const worksMax = 64;

export interface Client {
  readonly context: GatewayContext;
  readonly exchange: HttpExchange;
  readonly change: ModelChange;
}

export class ProgressChanges {
  readonly #kit: Kit;
  /** One run per model and manner, whoever asks for it. */
  readonly #pulls = new Map<string, Work>();

  constructor(kit: Kit) {
    this.#kit = kit;
  }

  async pull(client: Client): Promise<void> {
    const { model, insecure } = client.change;
    const key = keyOf(model);
    const flightKey = insecure ? `${key} insecure` : key;
    const running = this.#pulls.get(flightKey);
    if (running !== undefined && !running.cancelled) return this.#follow(client, running);
    const body = JSON.stringify({ model, ...(insecure ? { insecure } : {}), stream: true });
    const targets = storesWith(storesNow(this.#kit), this.#kit.deps.placement?.(key));
    const work = this.#start({
      stages: PULL_STAGES,
      targets,
      run: (store, signal, tell) =>
        this.#kit.asker.lines(store, { path: '/api/pull', method: 'POST', body, signal }, tell),
      finish: done => this.#finish(done, { kind: 'pull', key, body, targets }),
      ended: () => {
        if (this.#pulls.get(flightKey) === work) this.#pulls.delete(flightKey);
      },
    });
    this.#pulls.set(flightKey, work);
    this.#kit.remembered.supersede(allOf(targets), key);
    return this.#follow(client, work);
  }

  async push(client: Client, body: Uint8Array): Promise<void> {
    const holders = holdersOf(storesNow(this.#kit), keyOf(client.change.model));
    const [holder] = holders.reachable;
    if (holder === undefined) throw noHolder(client, holders);
    const work = this.#start({
      stages: PUSH_STAGES,
      targets: { reachable: [holder], unreachable: [] },
      run: (store, signal, tell) =>
        this.#kit.asker.lines(
          store,
          { path: '/api/push', method: 'POST', body: withStream(body), signal },
          tell,
        ),
    });
    return this.#follow(client, work);
  }

  /** Who left before it was its turn has changed nothing. */
  async create(client: Client, body: Uint8Array): Promise<void> {
    const { model, from } = client.change;
    const base = from === undefined ? undefined : modelKey(from);
    const release = await this.#kit.turns.take({
      writes: keyOf(model),
      ...(base !== undefined && { reads: base }),
    });
    if (client.exchange.signal.aborted) return release();
    let work: Work;
    try {
      work = this.#startCreate(client, body, release);
    } catch (error) {
      release();
      throw error;
    }
    return this.#follow(client, work);
  }

  #startCreate({ change }: Client, body: Uint8Array, ended: () => void): Work {
    const key = keyOf(change.model);
    const targets = this.#createTargets(key, change.from);
    const streamed = withStream(body);
    const repeatable = change.digests.length === 0 && streamed.length <= rememberedBodyBytesMax;
    const work = this.#start({
      stages: CREATE_STAGES,
      targets,
      run: async (store, signal, tell) =>
        (await this.#missingBlob(store, change.digests)) ??
        this.#kit.asker.lines(store, { path: '/api/create', method: 'POST', body: streamed, signal }, tell),
      finish: done =>
        this.#finish(done, {
          kind: 'create',
          key,
          body: repeatable ? Buffer.from(streamed).toString('utf8') : undefined,
          targets,
        }),
      ended,
    });
    this.#kit.remembered.supersede(allOf(targets), key);
    return work;
  }

  // Made from a model that some stores have, it belongs where that is: elsewhere Ollama would look for it in a registry.
  #createTargets(key: string, from: string | undefined): Targets {
    const stores = storesNow(this.#kit);
    const placed = this.#kit.deps.placement?.(key);
    const base = from === undefined ? undefined : modelKey(from);
    if (placed !== undefined || base === undefined) return storesWith(stores, placed);
    return stores.some(store => holdsModel(store, base))
      ? holdersOf(stores, base)
      : storesWith(stores, undefined);
  }

  async #missingBlob(store: Store, digests: readonly string[]): Promise<StoreResult | undefined> {
    for (const digest of digests) {
      const presence = await askBlob(this.#kit.courier, store, digest);
      if (presence === 'gone') return { type: 'gone', message: 'it does not answer' };
      if (presence === 'lacks')
        return { type: 'refused', status: 400, message: `blob "${digest}" was not uploaded` };
    }
    return undefined;
  }

  /** Lists show the change before the last line is out; who was away does it later, or is named as one who cannot. */
  async #finish({ work, answers }: Finished, what: Finish): Promise<void> {
    const done = new Set(answers.filter(({ result }) => result.type === 'done').map(({ store }) => store));
    if (done.size === 0) return;
    await this.#kit.asker.refresh(what.targets.reachable.filter(store => done.has(store.id)));
    for (const { store, backend, result } of answers) {
      if (result.type !== 'gone') continue;
      const { kind, key, body } = what;
      const kept = body !== undefined && this.#kit.remembered.add({ kind, store, key, body });
      const promise = kept ? 'it gets the model when it returns' : `create the model again when it is back`;
      work.progress.note(`${backend} does not have it yet (${result.message}): ${promise}`);
    }
  }

  #start({ finish, ended, ...plan }: Started): Work {
    const { works } = this.#kit;
    if (works.size >= worksMax) {
      const message = `The gateway already makes ${worksMax} changes of models.`;
      throw new BigoError('queue_full', message, { retryAfterMs: 10_000 });
    }
    const work = new Work({ ...plan, finish: async (self, answers) => finish?.({ work: self, answers }) });
    works.add(work);
    void work.run().finally(() => {
      works.delete(work);
      ended?.();
    });
    return work;
  }

  #follow({ context, exchange, change }: Client, work: Work): Promise<void> {
    return follow({ context, exchange, work, stream: change.stream });
  }
}

interface Finished {
  readonly work: Work;
  readonly answers: Parameters<WorkPlan['finish']>[1];
}

interface Finish {
  readonly kind: 'pull' | 'create';
  readonly key: string;
  /** undefined = it needs bytes that only the client has, or too many of them. */
  readonly body: string | undefined;
  readonly targets: Targets;
}

interface Started extends Omit<WorkPlan, 'finish'> {
  readonly finish?: (finished: Finished) => Promise<void>;
  readonly ended?: () => void;
}

function noHolder({ context, change }: Client, { unreachable }: Targets): BigoError {
  if (unreachable.length === 0) return modelNotFound(context.models, change.model);
  const names = unreachable.map(storeName).join(', ');
  return new BigoError('no_backend', `No backend that answers has ${change.model}; ${names} may have it.`, {
    retryAfterMs: 5_000,
  });
}
