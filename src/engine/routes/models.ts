// The routes about models: what is there, what is loaded, and what changes the store.
import { displayName, parseModelName } from '../../api/names.ts';
import { createModel } from '../create.ts';
import { readCreate } from '../core/create-request.ts';
import { EngineFailure, badRequest, modelNotFound } from '../core/failure.ts';
import { fieldsOf } from '../core/json.ts';
import type { Fields, JsonObject } from '../core/json.ts';
import { checkDigest } from '../core/manifest.ts';
import { psOf, showOf, tagsOf } from '../core/model.ts';
import { nativeError } from '../core/native-answer.ts';
import { progressLine } from '../core/progress.ts';
import type { EngineContext } from '../context.ts';
import { failureOf, openStream, readJson, send, sendEmpty, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import type { OnProgress } from '../pulls.ts';
import type { Route } from './route.ts';

const route = (method: Route['method'], path: string, serve: Route['serve']): Route => ({
  method,
  path,
  errorShape: nativeError,
  serve,
});

export const modelRoutes: readonly Route[] = [
  route('HEAD', '/', serveRoot),
  route('GET', '/', serveRoot),
  route('HEAD', '/api/version', serveVersion),
  route('GET', '/api/version', serveVersion),
  route('GET', '/api/status', serveStatus),
  route('HEAD', '/api/tags', serveTags),
  route('GET', '/api/tags', serveTags),
  route('GET', '/api/ps', servePs),
  route('POST', '/api/show', serveShow),
  route('POST', '/api/pull', servePull),
  route('POST', '/api/push', servePush),
  route('POST', '/api/create', serveCreate),
  route('POST', '/api/copy', serveCopy),
  route('DELETE', '/api/delete', serveDelete),
  route('HEAD', '/api/blobs/:digest', serveBlobHead),
  route('POST', '/api/blobs/:digest', serveBlobUpload),
];

function serveRoot(_context: EngineContext, exchange: Exchange): void {
  send(exchange, { status: 200, type: 'text/plain; charset=utf-8', text: 'Ollama is running' });
}

function serveVersion(context: EngineContext, exchange: Exchange): void {
  sendJson(exchange, 200, { version: context.version });
}

function serveStatus(_context: EngineContext, exchange: Exchange): void {
  sendJson(exchange, 200, { cloud: { disabled: true, source: 'embedded' } });
}

async function serveTags(context: EngineContext, exchange: Exchange): Promise<void> {
  sendJson(exchange, 200, tagsOf(await context.catalog.list()));
}

function servePs(context: EngineContext, exchange: Exchange): void {
  sendJson(exchange, 200, psOf(context.scheduler.loaded()));
}

function modelField(fields: Fields): string {
  return fields.read('model', 'string') || fields.read('name', 'string') || '';
}

async function serveShow(context: EngineContext, exchange: Exchange): Promise<void> {
  const fields = fieldsOf('ShowRequest', await readJson(exchange, 'api.ShowRequest'));
  const name = modelField(fields);
  if (name === '') throw badRequest('model is required');
  const opened = await context.catalog.open(name);
  const system = fields.read('system', 'string') ?? '';
  sendJson(exchange, 200, showOf({ ...opened, verbose: fields.read('verbose', 'boolean') ?? false, system }));
}

async function servePull(context: EngineContext, exchange: Exchange): Promise<void> {
  const fields = fieldsOf('PullRequest', await readJson(exchange, 'api.PullRequest'));
  const model = modelField(fields);
  const insecure = fields.read('insecure', 'boolean') ?? false;
  if (!model.startsWith('file:') && parseModelName(model) === undefined)
    throw badRequest('invalid model name');
  await report(exchange, fields.read('stream', 'boolean') ?? true, onProgress =>
    context.pulls.pull({ model, insecure, signal: exchange.signal, onProgress }),
  );
}

function servePush(): never {
  throw new EngineFailure(501, 'push is not supported by the embedded engine: use Ollama to publish a model');
}

async function serveCreate(context: EngineContext, exchange: Exchange): Promise<void> {
  const request = readCreate(await readJson(exchange, 'api.CreateRequest'));
  await report(exchange, request.stream, onProgress =>
    createModel(context, request, { onProgress, signal: exchange.signal }),
  );
}

/** Long work: progress lines as they come, or the last one alone. A failure after the first line is a line too. */
async function report(
  exchange: Exchange,
  streamed: boolean,
  work: (onProgress: OnProgress) => Promise<void>,
): Promise<void> {
  let last: JsonObject = {};
  if (!streamed) {
    await work(progress => {
      last = progressLine(progress);
    });
    sendJson(exchange, 200, last);
    return;
  }
  const stream = openStream(exchange, 'application/x-ndjson');
  try {
    await work(progress => void stream.write(`${JSON.stringify(progressLine(progress))}\n`));
    stream.end();
  } catch (error) {
    if (!stream.begun) throw error;
    void stream.write(`${JSON.stringify({ error: failureOf(error).message })}\n`);
    stream.end();
  }
}

async function serveCopy(context: EngineContext, exchange: Exchange): Promise<void> {
  const fields = fieldsOf('CopyRequest', await readJson(exchange, 'api.CopyRequest'));
  const source = fields.read('source', 'string') ?? '';
  const destination = fields.read('destination', 'string') ?? '';
  const from = parseModelName(source);
  const to = parseModelName(destination);
  if (from === undefined) throw badRequest(`source ${JSON.stringify(source)} is invalid`);
  if (to === undefined) throw badRequest(`destination ${JSON.stringify(destination)} is invalid`);
  const { store } = context;
  const entry = await store.find(from);
  if (entry === undefined) throw new EngineFailure(404, `model ${JSON.stringify(source)} not found`);
  const target = await store.existing(to);
  if (displayName(target) !== displayName(entry.name)) {
    await store.saveManifest(target, await store.manifestText(entry.name));
  }
  sendEmpty(exchange, 200);
}

async function serveDelete(context: EngineContext, exchange: Exchange): Promise<void> {
  const name = modelField(fieldsOf('DeleteRequest', await readJson(exchange, 'api.DeleteRequest')));
  if (name === '') throw badRequest('model is required');
  const parsed = parseModelName(name);
  if (parsed === undefined) throw badRequest(`name ${JSON.stringify(name)} is invalid`);
  const entry = await context.store.find(parsed);
  if (entry === undefined) throw modelNotFound(name);
  await context.store.remove(entry);
  sendEmpty(exchange, 200);
}

async function serveBlobHead(context: EngineContext, exchange: Exchange): Promise<void> {
  const digest = checkDigest(exchange.parameter);
  if ((await context.store.blobSize(digest)) === undefined) {
    throw new EngineFailure(404, `blob ${JSON.stringify(exchange.parameter)} not found`);
  }
  sendEmpty(exchange, 200);
}

async function serveBlobUpload(context: EngineContext, exchange: Exchange): Promise<void> {
  const digest = checkDigest(exchange.parameter);
  const known = (await context.store.blobSize(digest)) !== undefined;
  if (known) exchange.request.resume();
  else await context.store.addBlob(exchange.request, digest, exchange.signal);
  sendEmpty(exchange, known ? 200 : 201);
}
