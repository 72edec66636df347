// From a received body to a plan and its ticket: what is asked for, of which model, by whom, how patiently.
// Never sends anything; every refusal here costs no backend a thing.
import { BigoError } from '../api/errors.ts';
import { modelKey } from '../api/names.ts';
import { writeFields } from '../platform/wire/fields.ts';
import { receiveBody } from './body.ts';
import type { GatewayContext } from './context.ts';
import { countTokensAnswer, countTokensEdits, COUNT_TOKENS_PATH } from './core/request/count-tokens.ts';
import { checkEncoding, forwardHeaders, priorityOf, queueTimeoutOf } from './core/request/headers.ts';
import { applyEdits, modelEdit, parseInference, parseModelChange } from './core/request/parse.ts';
import type { ScanResult } from './core/request/scan.ts';
import type { Edit, InferenceRequest, Route } from './core/request/types.ts';
import type { Priority, TicketSpec } from './core/scheduler/messages.ts';
import type { HttpExchange } from './http-exchange.ts';
import { Flight } from './flight.ts';
import { traceHex } from './ids.ts';
import { modelNotFound } from './models-known.ts';
import type { Plan } from './plan.ts';
import { refuse } from './refusal.ts';
import { stopModel } from './stop.ts';

const PRIORITY_RANK: Readonly<Record<Priority, number>> = { high: 0, normal: 1, low: 2, batch: 3 };

export function handleInference(context: GatewayContext, exchange: HttpExchange): void {
  const { route } = exchange;
  const { dialect } = route;
  const encoding = checkEncoding(exchange.req.headers);
  if (encoding !== undefined) {
    refuse(context, exchange, { dialect, route, error: encoding });
    return;
  }
  receiveBody(context, exchange, (failure, body, scanned) => {
    const error = failure ?? begin(context, exchange, body, scanned);
    if (error === undefined) return;
    exchange.releaseBody();
    refuse(context, exchange, { dialect, route, error });
  });
}

function begin(
  context: GatewayContext,
  exchange: HttpExchange,
  body: Buffer,
  scanned: ScanResult | undefined,
): BigoError | undefined {
  const asked = read(exchange.route, body, exchange.req.headers['content-type'], scanned);
  if (asked instanceof BigoError) return asked;
  const model = resolve(context, exchange, asked.model);
  if (model instanceof BigoError) return model;
  if (asked.intent === 'unload') {
    void stopModel(context, exchange, { body, model, asked });
    return undefined;
  }
  const ticket = ticketFor(context, exchange, { asked, model, bodyBytes: body.length });
  if (ticket instanceof BigoError) return ticket;
  const edits = editsFor(exchange.route, { body, scanned }, asked, model);
  if (edits instanceof BigoError) return edits;
  const plan = planFor(context, exchange, { asked, model, ticket });
  new Flight(context, exchange, plan, applyEdits(body, edits)).launch();
  return undefined;
}

/** What the ticket needs to know; a holder request (`/api/show`) is read like a change. */
function read(
  route: Route,
  body: Buffer,
  contentType: string | undefined,
  scanned: ScanResult | undefined,
): InferenceRequest | BigoError {
  if (route.kind !== 'holder') return parseInference(route, body, contentType, scanned);
  const asked = parseModelChange(route, body, scanned);
  if (asked instanceof BigoError) return asked;
  const { model, modelSpan } = asked;
  return { ...HOLDER_REQUEST, model, modelSpan };
}

const HOLDER_REQUEST: Omit<InferenceRequest, 'model' | 'modelSpan'> = {
  stream: false,
  intent: 'none',
  options: {},
  promptBytes: 0,
  prefix: [],
  usageAsked: true,
  usageEdits: [],
};

export interface ResolvedModel {
  readonly key: string;
  /** Set when an alias was named: what is sent to the backend in its place. */
  readonly replacement: string | undefined;
  /** As the client wrote it. */
  readonly asked: string;
}

/** Alias, then the key's allow-list, then whether anybody has it. */
function resolve(context: GatewayContext, exchange: HttpExchange, name: string): ResolvedModel | BigoError {
  const asked = modelKey(name);
  if (asked === undefined)
    return new BigoError('invalid_model_name', `${JSON.stringify(name.slice(0, 200))} is no model name.`);
  const replacement = context.models.aliased(asked);
  const key = replacement === undefined ? asked : (modelKey(replacement) ?? asked);
  const { models } = exchange.identity;
  if (models !== undefined && !models.has(key) && !models.has(asked)) {
    return new BigoError('forbidden_model', `This key may not use the model ${name}.`);
  }
  if (!context.models.isKnown(key)) return modelNotFound(context.models, name, models);
  return { key, replacement, asked: name };
}

interface TicketParts {
  readonly asked: InferenceRequest;
  readonly model: ResolvedModel;
  readonly bodyBytes: number;
}

function ticketFor(
  context: GatewayContext,
  exchange: HttpExchange,
  parts: TicketParts,
): TicketSpec | BigoError {
  const { asked, model, bodyBytes } = parts;
  const { headers } = exchange.req;
  const wanted = priorityOf(headers);
  if (wanted instanceof BigoError) return wanted;
  const patienceMs = queueTimeoutOf(headers);
  if (patienceMs instanceof BigoError) return patienceMs;
  const { waitMsMax } = context.settings.queue;
  const nowMs = context.now();
  const only = context.models.only(model.key);
  return {
    id: exchange.requestId,
    model: model.key,
    kind: exchange.route.ticketKind,
    versionMin: exchange.route.versionMin,
    options: asked.options,
    priority: lower(wanted, exchange.identity.priorityMax),
    tenant: exchange.identity.tenant,
    bodyBytes,
    promptBytes: asked.promptBytes,
    ...(asked.tokensMax !== undefined && { tokensMax: asked.tokensMax }),
    prefix: asked.prefix,
    arrivedAtMs: nowMs,
    queueDeadlineMs: exchange.receivedAtMs + Math.min(waitMsMax, patienceMs ?? waitMsMax),
    tried: [],
    ...(only && { only }),
  };
}

function lower(wanted: Priority, most: Priority): Priority {
  return PRIORITY_RANK[wanted] >= PRIORITY_RANK[most] ? wanted : most;
}

function editsFor(
  route: Route,
  { body, scanned }: { readonly body: Buffer; readonly scanned: ScanResult | undefined },
  asked: InferenceRequest,
  model: ResolvedModel,
): readonly Edit[] | BigoError {
  const edits = route.id === COUNT_TOKENS ? countTokensEdits(body, scanned) : asked.usageEdits;
  if (edits instanceof BigoError || model.replacement === undefined) return edits;
  return [...edits, modelEdit(asked, model.replacement)];
}

const COUNT_TOKENS = 'v1_messages_count_tokens';

interface PlanParts {
  readonly asked: InferenceRequest;
  readonly model: ResolvedModel;
  readonly ticket: TicketSpec;
}

function planFor(context: GatewayContext, exchange: HttpExchange, parts: PlanParts): Plan {
  const { asked, model, ticket } = parts;
  const { route, req } = exchange;
  const counts = route.id === COUNT_TOKENS;
  const fields = forwardHeaders(req.rawHeaders, {
    requestId: exchange.requestId,
    traceHex: traceHex(),
    clientIp: req.socket.remoteAddress ?? '',
    proto: context.settings.tls === undefined ? 'http' : 'https',
  });
  return {
    ticket,
    head: `POST ${counts ? COUNT_TOKENS_PATH : route.path} HTTP/1.1\r\n${writeFields(fields)}`,
    shape: asked.stream ? route.shape : 'json',
    streamed: asked.stream,
    generates: route.kind === 'inference' && asked.intent === 'none',
    stripsUsage: asked.usageEdits.length > 0,
    modelName: model.asked,
    modelLabel: context.models.label(model.key),
    makeAnswer: counts ? makeCount : undefined,
  };
}

function makeCount(answer: Uint8Array): string | undefined {
  const count = countTokensAnswer(answer);
  return count instanceof BigoError ? undefined : JSON.stringify(count);
}
