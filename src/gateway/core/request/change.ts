// Reads requests that change or describe models: pull, push, create, copy, delete, show. Never checks a store.
import { BigoError } from '../../../api/errors.ts';
import { type FieldName, type Fields, findFields } from './keys.ts';
import { type ScanResult, scanObject } from './scan.ts';
import type { ModelChange, Route } from './types.ts';
import { boolOf, fieldOf, modelOf, type NamedModel, nestedOf, stringOf } from './values.ts';

/** `scanned` as in parseInference. */
export function parseModelChange(
  route: Route,
  body: Uint8Array,
  scanned: ScanResult = scanObject(body),
): ModelChange | BigoError {
  if (scanned.failed) return new BigoError('bad_json', scanned.message);
  const fields = findFields(body, scanned);
  if (fields instanceof BigoError) return fields;
  const stream = boolOf(fields, 'stream', route.streamsByDefault);
  if (stream instanceof BigoError) return stream;
  const insecure = boolOf(fields, 'insecure', false);
  if (insecure instanceof BigoError) return insecure;
  const common = { stream: stream && route.streamsByDefault, insecure };
  if (route.id === 'copy') return parseCopy(body, fields, common);
  return parseOne(body, fields, { ...common, create: route.id === 'create' });
}

type Common = Pick<ModelChange, 'stream' | 'insecure'>;

function parseCopy(body: Uint8Array, fields: Fields, common: Common): ModelChange | BigoError {
  const source = required(body, fields, 'source');
  if (source instanceof BigoError) return source;
  const destination = required(body, fields, 'destination');
  if (destination instanceof BigoError) return destination;
  return {
    model: source.name,
    modelSpan: source.span,
    destination: destination.name,
    destinationSpan: destination.span,
    ...common,
    digests: [],
  };
}

function parseOne(
  body: Uint8Array,
  fields: Fields,
  { create, ...common }: Common & { create: boolean },
): ModelChange | BigoError {
  const model = eitherName(body, fields);
  if (model instanceof BigoError) return model;
  const change = { model: model.name, modelSpan: model.span, ...common };
  if (!create) return { ...change, digests: [] };
  const digests = digestsOf(body, fields);
  if (digests instanceof BigoError) return digests;
  const from = modelOf(body, fields, 'from');
  if (from instanceof BigoError) return from;
  return { ...change, ...(from && { from: from.name, fromSpan: from.span }), digests };
}

/** Ollama reads `model`, and the deprecated `name` when that is empty. */
function eitherName(body: Uint8Array, fields: Fields): NamedModel | BigoError {
  const model = modelOf(body, fields, 'model');
  return model ?? required(body, fields, fields.found.name === undefined ? 'model' : 'name');
}

function required(body: Uint8Array, fields: Fields, field: FieldName): NamedModel | BigoError {
  return (
    modelOf(body, fields, field) ??
    new BigoError('missing_model', `The field \`${field}\` is missing: name a model there.`)
  );
}

function digestsOf(body: Uint8Array, fields: Fields): string[] | BigoError {
  const digests: string[] = [];
  for (const name of ['files', 'draft_files', 'adapters'] as const) {
    const member = fieldOf(fields, name, ['object']);
    if (member instanceof BigoError) return member;
    if (member === undefined) continue;
    const nested = nestedOf(body, member, name);
    if (nested instanceof BigoError) return nested;
    for (const file of nested.members) {
      if (file.kind !== 'string') continue;
      const digest = stringOf(nested.part, file);
      if (/^sha256:[0-9a-f]{64}$/i.test(digest)) digests.push(digest.toLowerCase());
    }
  }
  return digests;
}
