// Copy and delete: quick changes that every holder of the model makes. Never answers 200 while a holder has not made it.
import { holdersOf, storeName, type Store, type Targets } from '../../fleet/stores.ts';
import { verdictOfHolders, type StoreAnswer, type Verdict } from '../core/models/verdict.ts';
import type { ModelChange } from '../core/request/types.ts';
import type { HttpExchange } from '../http-exchange.ts';
import { answerError } from './follow.ts';
import { allOf, away, keyOf, storesNow, type Kit } from './kit.ts';

export interface HolderChange {
  readonly kind: 'copy' | 'delete';
  readonly change: ModelChange;
  readonly body: Uint8Array;
}

/** Who left before it was its turn has changed nothing. */
export async function changeHolders(kit: Kit, exchange: HttpExchange, wanted: HolderChange): Promise<void> {
  const { model, destination } = wanted.change;
  const writes = keyOf(destination ?? model);
  const release = await kit.turns.take({ writes, reads: keyOf(model) });
  try {
    if (!exchange.signal.aborted) await change(kit, exchange, wanted);
  } finally {
    release();
  }
}

async function change(kit: Kit, exchange: HttpExchange, wanted: HolderChange): Promise<void> {
  const { kind, change } = wanted;
  const holders = holdersOf(storesNow(kit), keyOf(change.model));
  // The model that appears or goes away, which for a copy is not the one that is held.
  const key = keyOf(change.destination ?? change.model);
  kit.remembered.supersede(allOf(holders), key);
  const answers = await askHolders(kit, holders, wanted);
  const notFound = { status: 404, message: notFoundText(kind, change.model) };
  const verdict = known(holders) ? verdictOfHolders(answers, notFound) : { error: notFound, late: [] };
  rememberLate(kit, verdict, { ...wanted, key });
  await kit.asker.refresh(holders.reachable);
  if (verdict.error !== undefined) return answerError(exchange, verdict.error);
  const backends = holders.reachable.map(storeName).join(', ');
  exchange.send(200, { 'x-bigo-reason': 'fan_out', 'x-bigo-backend': backends });
  kit.deps.log.info({ id: exchange.requestId, change: kind, model: key, backends }, 'models changed');
}

/** Ollama's own words, which differ in their quotes (server/routes.go, CopyHandler and DeleteHandler). */
function notFoundText(kind: HolderChange['kind'], model: string): string {
  return kind === 'copy' ? `model ${JSON.stringify(model)} not found` : `model '${model}' not found`;
}

// Even a model that nobody is known to hold may lie in a store that was never seen; then the client hears of that store.
function known(holders: Targets): boolean {
  return allOf(holders).length > 0;
}

async function askHolders(kit: Kit, holders: Targets, wanted: HolderChange): Promise<StoreAnswer[]> {
  const { kind, body } = wanted;
  const method = kind === 'delete' ? 'DELETE' : 'POST';
  // A client that leaves does not stop it: half of the holders would have made the change.
  const { signal } = new AbortController();
  const ask = async (store: Store): Promise<StoreAnswer> => ({
    store: store.id,
    backend: storeName(store),
    result: await kit.asker.plain(store, { path: `/api/${kind}`, method, body, signal }),
  });
  return [...(await Promise.all(holders.reachable.map(ask))), ...holders.unreachable.map(away)];
}

function rememberLate(
  kit: Kit,
  { late }: Verdict,
  { kind, key, body }: HolderChange & { key: string },
): void {
  for (const { store } of late)
    kit.remembered.add({ kind, store, key, body: Buffer.from(body).toString('utf8') });
}
