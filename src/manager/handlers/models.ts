// Models: what is desired, what is there, pulls, deletes, a test answer, a chat. Never changes a model by itself: the gateway does.
import type { ServerResponse } from 'node:http';
import { once } from 'node:events';
import { BigoError } from '../../api/errors.ts';
import type { HttpLines } from '../../platform/http.ts';
import type { Call, Handler } from '../call.ts';
import { linkGroups, linkOf, linksWith, type ManagerContext } from '../context.ts';
import { missingModels, modelRows } from '../core/models.ts';
import type { PullView } from '../core/pull.ts';
import type { RouteId } from '../core/routes.ts';
import { Tags, type Fleet } from '../core/wire.ts';
import type { GatewayLink } from '../gateway-link.ts';

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
    catalogue: () => context.catalogue.read(),
  };
}

interface ModelBody {
  readonly model: string;
  readonly gateway?: string;
}

/** As /api/tags, so that a client of the seed reads it, with desired apart from observed. */
async function models(context: ManagerContext, call: Call): Promise<object> {
  const [listed, sights] = await Promise.all([tags(context, call), context.sights.all()]);
  const seen = sights.flatMap(({ name, fleet, desired }) => (fleet ? [{ name, fleet, desired }] : []));
  const desired = [...new Set(sights.flatMap(sight => sight.desired))];
  // Pods of two namespaces may have one name.
  const fleets = seen.length < 2 ? seen.map(({ fleet }) => fleet) : seen.map(named);
  return {
    models: listed,
    desired,
    missing: fleets.flatMap((fleet, at) => missingModels([fleet], seen[at]?.desired ?? [])),
    rows: modelRows(fleets, desired),
  };
}

function named({ name, fleet }: { name: string; fleet: Fleet }): Fleet {
  return {
    ...fleet,
    backends: fleet.backends.map(one => ({ ...one, name: `${name}/${one.name}` })),
  };
}

/** What the caller's own key may see, of every fleet that answers it. */
async function tags(context: ManagerContext, call: Call): Promise<unknown[]> {
  const { credentials } = call.caller;
  const ask = async (link: GatewayLink) => {
    const answer = await link.call('GET', { path: '/api/tags', credentials, signal: call.signal });
    if (answer.status !== 200) throw passedOn(link.name, answer.status, answer.text);
    return Tags.parse(JSON.parse(answer.text)).models;
  };
  const groups = linkGroups(context);
  const lists = await Promise.allSettled(groups.map(group => firstOf(group, ask)));
  const [failed] = lists.flatMap(list => (list.status === 'rejected' ? [list.reason as Error] : []));
  if (failed !== undefined && lists.every(list => list.status === 'rejected')) throw failed;
  const found = lists.flatMap(list => (list.status === 'fulfilled' ? list.value : []));
  return [...new Map(found.map(model => [model.name, model])).values()];
}

/** The next gateway of the fleet is asked where one is away. */
async function firstOf<Value>(
  links: readonly GatewayLink[],
  ask: (link: GatewayLink) => Promise<Value>,
): Promise<Value> {
  const [link, ...others] = links;
  if (link === undefined) throw new BigoError('gateway_away', 'No gateway is known yet.');
  try {
    return await ask(link);
  } catch (error) {
    if (others.length === 0 || !(error instanceof BigoError) || error.code !== 'gateway_away') throw error;
    return firstOf(others, ask);
  }
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
  return context.pulls.cancel(found);
}

function wanted(id: string | undefined, model: string | undefined): { id?: string; model?: string } {
  return { ...(id !== undefined && { id }), ...(model !== undefined && { model }) };
}

function unknownPull(model: string): Omit<PullView, 'status'> & { status: 'unknown' } {
  const nothing = { progress: 0, total: 0, completed: 0, message: '', error: '', startedAt: '', endedAt: '' };
  return { id: '', model, status: 'unknown', ...nothing };
}

async function remove(context: ManagerContext, call: Call): Promise<object> {
  const wish = call.body as unknown as ModelBody;
  for (const link of await linksWith(context, wish)) {
    const answer = await link.call('DELETE', {
      path: '/api/delete',
      body: JSON.stringify({ model: wish.model }),
      credentials: call.caller.credentials,
      signal: call.signal,
      timeMsMax: deleteMsMax,
    });
    if (answer.status !== 200) throw passedOn(link.name, answer.status, answer.text);
  }
  return { success: true };
}

async function generate(context: ManagerContext, call: Call): Promise<object> {
  const { model, prompt = testPrompt, gateway } = call.body as unknown as ModelBody & { prompt?: string };
  const link = await linkFor(context, { model, gateway });
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
  const link = await linkFor(context, { model: modelOf(call.rawBody) });
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

async function linkFor(
  context: ManagerContext,
  wish: { readonly model: string; readonly gateway?: string | undefined },
): Promise<GatewayLink> {
  return (await linksWith(context, wish))[0] ?? linkOf(context, wish.gateway);
}

/** What is wrong with the body, the gateway says. */
function modelOf(body: string): string {
  try {
    const { model } = JSON.parse(body) as { model?: unknown };
    return typeof model === 'string' ? model : '';
  } catch {
    return '';
  }
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
