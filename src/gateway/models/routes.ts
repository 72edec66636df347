// The routes that change models, each once per store that it concerns, through that store's writer.
//   pull    every wanted store; one run per model, whoever asks
//   push    one holder
//   create  every wanted store (made from a model: every holder of that); the bytes it names must be there
//   copy    every holder of the source
//   delete  every holder
//   blobs   every store that lacks it: at this time nobody knows for which model it is
// `Wanted` is what placement says, else every store: Ollama does not tell how much room a store has.
// Never touches a disk of a backend, never retries what a store has begun (rule 3).
import { BigoError } from '../../api/errors.ts';
import { modelKey } from '../../api/names.ts';
import { createHttpClient, type HttpClient } from '../../platform/http.ts';
import { receiveBody } from '../body.ts';
import type { GatewayContext } from '../context.ts';
import { parseModelChange } from '../core/request/parse.ts';
import type { ScanResult } from '../core/request/scan.ts';
import type { ModelChange } from '../core/request/types.ts';
import type { ModelRoutes } from '../handle.ts';
import type { HttpExchange } from '../http-exchange.ts';
import { withoutAliases } from './aliases.ts';
import { Asker } from './asker.ts';
import { handleBlob } from './blob-routes.ts';
import { changeHolders } from './holder-changes.ts';
import type { Kit, ModelRoutesDeps } from './kit.ts';
import { ProgressChanges } from './progress-changes.ts';
import { RememberedChanges } from './remembered-changes.ts';
import { Turns } from './turns.ts';

export type { ModelRoutesDeps } from './kit.ts';

export interface RunningModelRoutes extends ModelRoutes {
  /** Ends what runs and what would be done later. */
  stop(): Promise<void>;
}

const connectMsMax = 3_000;
const bodyBytesMax = 16 * 1024 * 1024;

export function createModelRoutes(deps: ModelRoutesDeps): RunningModelRoutes {
  const http = createHttpClient({ connectMsMax });
  const turns = new Turns();
  const asker = new Asker({ http, fleet: deps.fleet, instanceId: deps.instanceId });
  const remembered = new RememberedChanges({ ...deps, asker, turns, file: deps.rememberedFile });
  const kit: Kit = {
    deps,
    asker,
    courier: { http, instanceId: deps.instanceId },
    remembered,
    turns,
    works: new Set(),
  };
  const progress = new ProgressChanges(kit);
  return {
    handleModelChange: (exchange, context) => handleChange(kit, progress, { exchange, context }),
    handleBlob: (exchange, context) => handleBlob(kit, exchange, context),
    stop: () => stop(kit, http),
  };
}

async function stop(kit: Kit, http: HttpClient): Promise<void> {
  for (const work of kit.works) work.cancel();
  await kit.remembered.stop();
  await http.close();
}

interface Caller {
  readonly exchange: HttpExchange;
  readonly context: GatewayContext;
}

async function handleChange(
  kit: Kit,
  progress: ProgressChanges,
  { exchange, context }: Caller,
): Promise<void> {
  const { bytes, scanned } = await receive(context, exchange);
  const read = parseModelChange(exchange.route, bytes, scanned);
  if (read instanceof BigoError) throw read;
  const { change, body } = withoutAliases(context.models, exchange.route, { change: read, body: bytes });
  count(exchange, context, change);
  const client = { context, exchange, change };
  switch (exchange.route.id) {
    case 'pull':
      return progress.pull(client);
    case 'push':
      return progress.push(client, body);
    case 'create':
      return progress.create(client, body);
    case 'copy':
      return changeHolders(kit, exchange, { kind: 'copy', change, body });
    case 'delete':
      return changeHolders(kit, exchange, { kind: 'delete', change, body });
    default:
      throw new BigoError('unknown_path', 'This path changes no model.');
  }
}

interface Received {
  readonly bytes: Uint8Array;
  readonly scanned: ScanResult | undefined;
}

/** A client that leaves while it sends gets no answer, and this never resolves: nothing waits for it. */
function receive(context: GatewayContext, exchange: HttpExchange): Promise<Received> {
  return new Promise((resolve, reject) => {
    receiveBody(context, exchange, (error, bytes, scanned) => {
      if (error !== undefined) reject(error);
      else if (bytes.length <= bodyBytesMax) resolve({ bytes, scanned });
      else
        reject(
          new BigoError('too_large', `The body is over ${bodyBytesMax} bytes, the most that is taken here.`),
        );
    });
  });
}

function count(exchange: HttpExchange, context: GatewayContext, change: ModelChange): void {
  const label = context.models.label(modelKey(change.model) ?? 'other');
  exchange.response.once('close', () => {
    const code = exchange.res.writableFinished ? exchange.res.statusCode : 499;
    context.metrics.countRequest(context.metrics.ofModel(label), exchange.route, code);
    const ms = Math.round(context.now() - exchange.receivedAtMs);
    context.log.info(
      { id: exchange.requestId, route: exchange.route.id, model: change.model, code, ms },
      'model change',
    );
  });
}
