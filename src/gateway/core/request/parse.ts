// Reads what an inference request asks for. Never builds the body as an object and never changes it.
import { BigoError } from '../../../api/errors.ts';
import { RELOAD_OPTION_NAMES, type ReloadOptions } from '../../../api/fleet.ts';
import { parseModelName } from '../../../api/names.ts';
import { formField } from './form.ts';
import { exactMember, type Fields, findFields } from './keys.ts';
import { summarisePrompt } from './prefix.ts';
import { type Member, type ScanResult, scanObject } from './scan.ts';
import type { InferenceRequest, LoadIntent, Route } from './types.ts';
import { readUsageWish, USAGE_TOLD } from './usage-wish.ts';
import {
  badField,
  boolOf,
  fieldOf,
  isEmpty,
  keepAliveIsZero,
  modelOf,
  type NamedModel,
  nestedOf,
  numberOf,
} from './values.ts';

export { parseModelChange } from './change.ts';
export { applyEdits, modelEdit } from './edits.ts';

/** `scanned` is what a scanner found that was fed with the same body in pieces; small bodies need none. */
export function parseInference(
  route: Route,
  body: Uint8Array,
  contentType = '',
  scanned: ScanResult = NOT_SCANNED,
): InferenceRequest | BigoError {
  if (route.body === 'multipart') return parseForm(body, contentType);
  if (/^\s*multipart\//i.test(contentType)) {
    return new BigoError('unsupported_encoding', 'This route takes a JSON body, not a multipart form.');
  }
  const scan = scanned === NOT_SCANNED ? scanObject(body) : scanned;
  if (scan.failed) return new BigoError('bad_json', scan.message);
  const fields = findFields(body, scan);
  if (fields instanceof BigoError) return fields;
  const model = modelOf(body, fields, 'model') ?? missingModel();
  if (model instanceof BigoError) return model;
  return parseFields(route, body, { fields, model });
}

const NOT_SCANNED: ScanResult = { failed: true, message: '' };

interface Read {
  readonly fields: Fields;
  readonly model: NamedModel;
}

function parseFields(route: Route, body: Uint8Array, { fields, model }: Read): InferenceRequest | BigoError {
  const wrong = wrongType(route, fields);
  if (wrong !== undefined) return wrong;
  const stream = boolOf(fields, 'stream', route.streamsByDefault);
  if (stream instanceof BigoError) return stream;
  const native = route.dialect === 'ollama';
  const asked = native ? readOptions(body, fields) : { options: {}, tokensMax: maxTokensOf(body, fields) };
  if (asked instanceof BigoError) return asked;
  const { options, tokensMax } = asked;
  const intent = native ? readIntent(route, body, fields) : 'none';
  if (intent instanceof BigoError) return intent;
  // A load or unload is answered with one JSON text, whatever `stream` says.
  const streams = stream && route.shape !== 'json' && intent === 'none';
  const usage = streams && route.shape === 'openai_sse' ? readUsageWish(body, fields) : USAGE_TOLD;
  if (usage instanceof BigoError) return usage;
  const { promptBytes, prefix } = summarisePrompt(fields);
  return {
    model: model.name,
    modelSpan: model.span,
    stream: streams,
    intent,
    options,
    ...(tokensMax !== undefined && { tokensMax }),
    promptBytes,
    prefix: route.ticketKind === 'embed' ? [] : prefix,
    ...usage,
  };
}

/** A type that the backend would refuse anyway must not first cost a model load. */
function wrongType(route: Route, fields: Fields): BigoError | undefined {
  const messages = fieldOf(fields, 'messages', ['array']);
  if (messages instanceof BigoError) return messages;
  const nativeText = route.dialect === 'ollama' ? (['prompt', 'system', 'template', 'suffix'] as const) : [];
  for (const name of nativeText) {
    const member = fieldOf(fields, name, ['string']);
    if (member instanceof BigoError) return member;
  }
  return undefined;
}

interface AskedOptions {
  readonly options: ReloadOptions;
  readonly tokensMax: number | undefined;
}

/** Options that make Ollama reload (api/types.go, Options.FromMap): exact keys, numbers cut to integers. */
function readOptions(body: Uint8Array, fields: Fields): AskedOptions | BigoError {
  const member = fieldOf(fields, 'options', ['object']);
  if (member === undefined) return { options: {}, tokensMax: undefined };
  if (member instanceof BigoError) return member;
  const nested = nestedOf(body, member, 'options');
  if (nested instanceof BigoError) return nested;
  const { part, members } = nested;
  const options: Record<string, number | boolean> = {};
  for (const name of RELOAD_OPTION_NAMES) {
    const option = exactMember(part, members, name);
    if (option === undefined || option.kind === 'null') continue;
    const value = name === 'use_mmap' ? booleanOption(option) : integerOption(part, option);
    if (value === undefined) {
      return badField(`options.${name}`, name === 'use_mmap' ? 'true or false' : 'an integer');
    }
    options[name] = value;
  }
  return { options, tokensMax: lengthOf(part, exactMember(part, members, 'num_predict')) };
}

/** It only informs an estimate: what cannot be read is left to the backend. */
function maxTokensOf(body: Uint8Array, fields: Fields): number | undefined {
  return fields.unsure ? undefined : lengthOf(body, fields.found.max_tokens);
}

/** Ollama takes -1 and -2 for no limit. */
function lengthOf(part: Uint8Array, member: Member | undefined): number | undefined {
  const value = member === undefined ? undefined : integerOption(part, member);
  return value !== undefined && value > 0 ? value : undefined;
}

function booleanOption(member: Member): boolean | undefined {
  if (member.kind === 'true') return true;
  return member.kind === 'false' ? false : undefined;
}

function integerOption(part: Uint8Array, member: Member): number | undefined {
  const value = member.kind === 'number' ? Math.trunc(numberOf(part, member)) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** An empty prompt, conversation or input loads the model, with keep_alive 0 unloads it (ollama server/routes.go). */
function readIntent(route: Route, body: Uint8Array, fields: Fields): LoadIntent | BigoError {
  const unload = keepAliveIsZero(body, fields);
  if (unload instanceof BigoError) return unload;
  if (fields.unsure) return 'none';
  const subject = route.id === 'chat' ? 'messages' : route.id === 'embed' ? 'input' : 'prompt';
  const member = fields.found[subject];
  const absent = member === undefined || member.kind === 'null';
  if (!absent && !((member.kind === 'array' || member.kind === 'string') && isEmpty(body, member)))
    return 'none';
  return unload ? 'unload' : 'load';
}

function parseForm(body: Uint8Array, contentType: string): InferenceRequest | BigoError {
  if (!/^\s*multipart\/form-data/i.test(contentType)) {
    return new BigoError('unsupported_encoding', 'This route takes a multipart/form-data body.');
  }
  const span = formField(body, contentType, 'model');
  if (span instanceof BigoError) return span;
  if (span === undefined || span.end === span.start) return missingModel();
  const model = new TextDecoder().decode(body.subarray(span.start, Math.min(span.end, span.start + 1024)));
  if (parseModelName(model) === undefined) {
    return new BigoError('invalid_model_name', 'The form field `model` is not a model name.');
  }
  return {
    model,
    modelSpan: span,
    modelInForm: true,
    stream: false,
    intent: 'none',
    options: {},
    promptBytes: 0,
    prefix: [],
    ...USAGE_TOLD,
  };
}

function missingModel(): BigoError {
  return new BigoError('missing_model', 'The field `model` is missing: name a model there.');
}
