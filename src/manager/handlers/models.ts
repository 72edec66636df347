// Models: what is desired, what is there, pulls, deletes, a test answer, a chat. Never changes a model by itself: the gateway does.
import type { ServerResponse } from 'node:http';
import { once } from 'node:events';
import { BigoError } from '../../api/errors.ts';
import type { HttpLines } from '../../platform/http.ts';
import type { Call, Handler } from '../call.ts';
import { linkOf, type ManagerContext } from '../context.ts';
import { CATALOGUE } from '../core/catalogue.ts';
import { missingModels, modelRows } from '../core/models.ts';
import type { PullView } from '../core/pull.ts';
import type { RouteId } from '../core/routes.ts';
import { Tags } from '../core/wire.ts';

const testPrompt = 'Hello! Please introduce yourself briefly.';
const generateMsMax = 60_000;
const deleteMsMax = 60_000;

export function modelHandlers(context: ManagerContext): Partial<Record<RouteId, Handler>> {
  return {
    models: call => models(context, call),
    pull: call => pull(context, call),
    pulls: call => pulls(context, call),
    pull_progress: call => pullProgress(context, call),
    pull_cancel: call => pullCancel(context, call),
    delete: call => remove(context, call),
    generate: call => generate(context, call),
    chat: call => chat(context, call),
    catalogue: async () => CATALOGUE,
  };
}

interface ModelBody {
  readonly model: string;
  readonly gateway?: string;
}

/** As /api/tags, so that a client of the seed reads it, with desired apart from observed. */
async function models(context: ManagerContext, call: Call): Promise<object> {
  const link = linkOf(context, undefined);
  const [tags, fleet, settings] = await Promise.all([
    link.call('GET', { path: '/api/tags', credentials: call.caller.credentials, signal: call.signal }),
    link.fleet(),
    link.settings(),
  ]);
  if (tags.status !== 200) throw passedOn(link.name, tags.status, tags.text);
  const desired = settings.declaredModels;
  return {
    ...Tags.parse(JSON.parse(tags.text)),
    desired,
    missing: missingModels([fleet], desired),
    rows: modelRows([fleet], desired),
  };
}

async function pull(context: ManagerContext, call: Call): Promise<object> {
  const { model, gateway, insecure = false } = call.body as unknown as ModelBody & { insecure?: boolean };
  const link = linkOf(context, gateway);
  const { credentials } = call.caller;
  const { view, already } = context.pulls.begin({ model, insecure, link, credentials });
  return { success: true, ...view, already };
}

async function pulls(context: ManagerContext, call: Call): Promise<object> {
  const { id, model } = call.query as { id?: string; model?: string };
  if (id === undefined && model === undefined) return { success: true, pulls: await context.pulls.list() };
  const found = await context.pulls.find(wanted(id, model));
  return { success: true, pulls: found === undefined ? [] : [found] };
}

async function pullProgress(context: ManagerContext, call: Call): Promise<object> {
  return (await context.pulls.find({ model: call.rest })) ?? unknownPull(call.rest);
}

async function pullCancel(context: ManagerContext, call: Call): Promise<object> {
  const { id, model } = call.query as { id?: string; model?: string };
  if (id === undefined && model === undefined)
    throw new BigoError('bad_request', 'Say which pull: id or model.');
  const found = await context.pulls.find(wanted(id, model));
  if (found === undefined) throw new BigoError('unknown_path', 'There is no such pull.');
  return context.pulls.cancel(found) ?? found;
}

function wanted(id: string | undefined, model: string | undefined): { id?: string; model?: string } {
  return { ...(id !== undefined && { id }), ...(model !== undefined && { model }) };
}

function unknownPull(model: string): Omit<PullView, 'status'> & { status: 'unknown' } {
  const nothing = { progress: 0, total: 0, completed: 0, message: '', error: '', startedAt: '', endedAt: '' };
  return { id: '', model, status: 'unknown', ...nothing };
}

async function remove(context: ManagerContext, call: Call): Promise<object> {
  const { model, gateway } = call.body as unknown as ModelBody;
  const link = linkOf(context, gateway);
  const answer = await link.call('DELETE', {
    path: '/api/delete',
    body: JSON.stringify({ model }),
    credentials: call.caller.credentials,
    signal: call.signal,
    timeMsMax: deleteMsMax,
  });
  if (answer.status !== 200) throw passedOn(link.name, answer.status, answer.text);
  return { success: true };
}

async function generate(context: ManagerContext, call: Call): Promise<object> {
  const { model, prompt = testPrompt, gateway } = call.body as unknown as ModelBody & { prompt?: string };
  const link = linkOf(context, gateway);
  const answer = await link.call('POST', {
    path: '/api/generate',
    body: JSON.stringify({ model, prompt, stream: false }),
    credentials: call.caller.credentials,
    signal: call.signal,
    timeMsMax: generateMsMax,
  });
  if (answer.status !== 200) throw passedOn(link.name, answer.status, answer.text);
  const backend = answer.headers['x-bigo-backend'];
  const reason = answer.headers['x-bigo-reason'];
  return { success: true, ...(JSON.parse(answer.text) as object), backend, reason };
}

/** Line by line as it comes; the gateway's own words about backend and reason go with it. */
async function chat(context: ManagerContext, call: Call): Promise<undefined> {
  const link = linkOf(context, undefined);
  const { credentials } = call.caller;
  const answer = await link.lines({
    path: '/api/chat',
    body: call.rawBody,
    credentials,
    signal: call.signal,
  });
  const { res } = call;
  res.writeHead(answer.status, {
    'content-type': String(answer.headers['content-type'] ?? 'application/x-ndjson'),
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
    ...ownHeaders(answer.headers),
  });
  res.flushHeaders();
  await writeLines(res, answer, call.signal);
  return undefined;
}

async function writeLines(res: ServerResponse, answer: HttpLines, signal: AbortSignal): Promise<void> {
  try {
    for await (const line of answer.lines) {
      if (!res.write(`${line}\n`)) await once(res, 'drain', { signal });
    }
    res.end();
  } catch {
    // The head is out: a cut connection is how a client hears that the rest is missing.
    res.destroy();
  }
}

function ownHeaders(headers: HttpLines['headers']): Record<string, string> {
  const own: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('x-bigo-') && typeof value === 'string') own[name] = value;
  }
  return own;
}

function passedOn(gateway: string, status: number, text: string): BigoError {
  const said = messageOf(text) ?? `The gateway ${gateway} answered ${status}.`;
  const codes = {
    400: 'bad_request',
    401: 'unauthorized',
    403: 'forbidden_model',
    404: 'model_not_found',
  } as const;
  const code = codes[status as keyof typeof codes] ?? (status === 429 ? 'queue_full' : 'backend_failed');
  return new BigoError(code, said);
}

function messageOf(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error.slice(0, 1_000) : undefined;
  } catch {
    return undefined;
  }
}
