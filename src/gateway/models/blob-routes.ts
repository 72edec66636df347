// HEAD and POST /api/blobs/:digest over all stores. Never answers that a blob is there while a store that answers lacks it:
// Ollama cannot give a blob back, so nothing could be spread afterwards.
import { BigoError } from '../../api/errors.ts';
import { storeName, type Store } from '../../fleet/stores.ts';
import type { GatewayContext } from '../context.ts';
import type { StoreAnswer } from '../core/models/verdict.ts';
import type { HttpExchange } from '../http-exchange.ts';
import { askBlob, teeBlob, type BlobPresence } from './blobs.ts';
import { storesNow, type Kit } from './kit.ts';

const DIGEST = /^sha256[:-]([0-9a-fA-F]{64})$/;

export async function handleBlob(kit: Kit, exchange: HttpExchange, context: GatewayContext): Promise<void> {
  const hex = DIGEST.exec(exchange.params['digest'] ?? '')?.[1];
  if (hex === undefined) throw new BigoError('bad_request', 'invalid digest format');
  const digest = `sha256:${hex.toLowerCase()}`;
  const presence = await whoHas(kit, digest);
  if (presence.every(({ has }) => has === 'gone')) throw nobody(presence.map(({ store }) => store));
  const lacking = presence.filter(({ has }) => has === 'lacks').map(({ store }) => store);
  if (lacking.length === 0) exchange.send(200, {});
  else if (exchange.req.method === 'HEAD') exchange.send(404, {});
  else await upload(kit, { exchange, context }, { digest, lacking });
}

async function whoHas(kit: Kit, digest: string): Promise<{ store: Store; has: BlobPresence }[]> {
  const stores = storesNow(kit);
  return Promise.all(stores.map(async store => ({ store, has: await askBlob(kit.courier, store, digest) })));
}

async function upload(
  kit: Kit,
  { exchange, context }: { exchange: HttpExchange; context: GatewayContext },
  { digest, lacking }: { digest: string; lacking: readonly Store[] },
): Promise<void> {
  const { stream: req, signal } = exchange;
  const { receiveMsMax, idleMsMax } = context.settings.time;
  const answers = await teeBlob(kit.courier, lacking, {
    digest,
    // Leaving the loop must not cut the connection: the client still waits for the answer.
    body: req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>,
    contentLength: req.headers['content-length'],
    signal,
    times: { receiveMsMax, stallMsMax: idleMsMax },
  });
  if (signal.aborted) return;
  answer(kit, exchange, answers);
}

/** 1. The bytes are not those of the digest: every server says so. 2. Nobody took it. 3. Taken; who did not is marked. */
function answer(kit: Kit, exchange: HttpExchange, answers: readonly StoreAnswer[]): void {
  const wrong = answers.find(({ result }) => result.type === 'refused' && result.status === 400);
  if (wrong?.result.type === 'refused') throw new BigoError('bad_request', wrong.result.message);
  const failed = answers.filter(({ result }) => result.type !== 'done');
  const names = failed.map(({ backend }) => backend).join(', ');
  if (failed.length > 0)
    kit.deps.log.warn({ id: exchange.requestId, failed }, 'a blob did not reach every store');
  if (failed.length === answers.length) {
    const words = failed.map(
      ({ backend, result }) => `${backend}: ${result.type === 'done' ? '' : result.message}`,
    );
    throw new BigoError('backend_failed', words.join('; '), { backend: names });
  }
  exchange.send(201, { 'x-bigo-reason': 'fan_out', ...(names === '' ? {} : { 'x-bigo-missing': names }) });
}

function nobody(stores: readonly Store[]): BigoError {
  const names = stores.map(storeName).join(', ');
  const message = names === '' ? 'No backend is configured.' : `No backend answers: ${names}.`;
  return new BigoError('no_backend', message, { retryAfterMs: 5_000 });
}
