// `ollama stop` on the fleet: an empty request with keep_alive 0 goes to every backend that has the model loaded.
// Never through the queue: it takes no slot and must work on a busy fleet.
import { BigoError } from '../api/errors.ts';
import { HttpFailure } from '../platform/http-failure.ts';
import type { HttpAnswer } from '../platform/http.ts';
import type { GatewayContext } from './context.ts';
import { applyEdits, modelEdit } from './core/request/parse.ts';
import type { InferenceRequest } from './core/request/types.ts';
import type { HttpExchange } from './http-exchange.ts';
import type { ResolvedModel } from './inference.ts';
import { answerMessage } from './loads.ts';

const answerBytesMax = 1024 * 1024;
const stopMsMax = 30_000;

export interface StopRequest {
  readonly body: Uint8Array;
  readonly model: ResolvedModel;
  readonly asked: InferenceRequest;
}

interface Told {
  readonly backend: string;
  readonly answer?: HttpAnswer;
  readonly error?: string;
}

export async function stopModel(
  context: GatewayContext,
  exchange: HttpExchange,
  stop: StopRequest,
): Promise<void> {
  const { replacement, key } = stop.model;
  const edits = replacement === undefined ? [] : [modelEdit(stop.asked, replacement)];
  const body = applyEdits(stop.body, edits);
  const told = await Promise.all(
    targets(context, key).map(backend => tell(context, exchange, backend, body)),
  );
  exchange.releaseBody();
  const failed = told.find(one => one.error !== undefined);
  const answer = told.find(one => one.answer !== undefined)?.answer;
  context.log.info(
    { id: exchange.requestId, model: key, backends: told.map(one => one.backend), error: failed?.error },
    'stop',
  );
  if (failed !== undefined || answer === undefined) {
    const message =
      failed === undefined
        ? 'No backend with this model answers now.'
        : `Backend ${failed.backend}: ${failed.error}`;
    exchange.fail(
      exchange.route.dialect,
      new BigoError(failed === undefined ? 'no_backend' : 'backend_failed', message),
    );
    return;
  }
  exchange.send(
    answer.status,
    { 'content-type': String(answer.headers['content-type'] ?? 'application/json') },
    answer.body,
  );
}

/** Where it is loaded; else one that holds it, so that the answer is Ollama's own. */
function targets(context: GatewayContext, key: string): string[] {
  const loaded = context.models.loadedOn(key).map(one => one.backend);
  if (loaded.length > 0) return loaded;
  const holder = context.fleet
    .snapshot()
    .backends.find(backend => backend.state === 'up' && backend.models.has(key));
  return holder === undefined ? [] : [holder.spec.name];
}

async function tell(
  context: GatewayContext,
  exchange: HttpExchange,
  backend: string,
  body: Uint8Array,
): Promise<Told> {
  const target = context.upstream.get(backend);
  if (target === undefined) return { backend, error: 'it is not configured any more' };
  try {
    const answer = await context.http.ask(target.spec, {
      method: 'POST',
      path: exchange.route.path,
      headers: { 'content-type': 'application/json', 'x-bigo-hop': context.instanceId },
      body,
      bytesMax: answerBytesMax,
      timeMsMax: stopMsMax,
    });
    context.fleet.noteUnloaded(backend);
    return answer.status < 300 ? { backend, answer } : { backend, error: answerMessage(answer) };
  } catch (error) {
    return { backend, error: error instanceof HttpFailure ? error.message : 'it failed' };
  }
}
