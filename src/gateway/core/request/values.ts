// Reads single values of a scanned body with the types that Ollama's own decoder accepts.
// Never converts leniently: a wrong type is an error that names the field.
import { BigoError } from '../../../api/errors.ts';
import { modelKey } from '../../../api/names.ts';
import { shortText, type FieldName, type Fields } from './keys.ts';
import { type JsonKind, type Member, membersMax, scanObject } from './scan.ts';

const nameBytesMax = 2048;
/** Of an object inside the body whose keys are read. No real one comes near. */
const nestedBytesMax = 256 * 1024;

export function badField(field: string, wanted: string): BigoError {
  return new BigoError('bad_request', `The field \`${field}\` must be ${wanted}.`);
}

/** The field, or undefined when it is absent or null (Go leaves the default then). */
export function fieldOf(
  fields: Fields,
  name: FieldName,
  kinds: readonly JsonKind[],
): Member | undefined | BigoError {
  const member = fields.found[name];
  if (member === undefined || member.kind === 'null') return undefined;
  return kinds.includes(member.kind) ? member : badField(name, kinds.map(kindInWords).join(' or '));
}

export function boolOf(fields: Fields, name: FieldName, absent: boolean): boolean | BigoError {
  const member = fields.found[name];
  if (member === undefined || member.kind === 'null') return absent;
  if (member.kind === 'true') return true;
  return member.kind === 'false' ? false : badField(name, 'true or false');
}

export function stringOf(text: Uint8Array, member: Member): string {
  return shortText(text, member.start + 1, member.end - 1);
}

export interface NamedModel {
  readonly name: string;
  readonly span: { readonly start: number; readonly end: number };
}

/** The model name under `field`; undefined when it is absent, null or empty. */
export function modelOf(
  text: Uint8Array,
  fields: Fields,
  field: FieldName,
): NamedModel | undefined | BigoError {
  const member = fieldOf(fields, field, ['string']);
  if (member === undefined || member instanceof BigoError) return member;
  const span = { start: member.start, end: member.end };
  if (span.end - span.start === 2) return undefined;
  if (span.end - span.start > nameBytesMax) return badName(field, 'it is too long');
  const name = stringOf(text, member);
  return modelKey(name) === undefined ? badName(field, JSON.stringify(name)) : { name, span };
}

function badName(field: string, what: string): BigoError {
  return new BigoError(
    'invalid_model_name',
    `The field \`${field}\` is not a model name: ${what.slice(0, 200)}.`,
  );
}

/** Whether keep_alive means "unload now"; false when absent (ollama api/types.go, Duration.UnmarshalJSON). */
export function keepAliveIsZero(text: Uint8Array, fields: Fields): boolean | BigoError {
  const member = fieldOf(fields, 'keep_alive', ['number', 'string']);
  if (member === undefined) return false;
  if (member instanceof BigoError) return member;
  const wanted = 'a number of seconds or a duration like "5m"';
  if (member.end - member.start > 64) return badField('keep_alive', wanted);
  const nanoseconds =
    member.kind === 'string' ? goDurationNs(stringOf(text, member)) : numberOf(text, member) * 1e9;
  if (!Number.isFinite(nanoseconds)) return badField('keep_alive', wanted);
  return nanoseconds >= 0 && nanoseconds < 1;
}

export function numberOf(text: Uint8Array, member: Member): number {
  return Number(shortText(text, member.start, member.end));
}

const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  '\u00b5s': 1e3,
  '\u03bcs': 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};
const DURATION_PART = /(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;

/** Go's time.ParseDuration, in nanoseconds; NaN when Go would refuse the text. */
function goDurationNs(text: string): number {
  const negative = text.startsWith('-');
  const body = negative || text.startsWith('+') ? text.slice(1) : text;
  if (body === '0') return 0;
  if (body === '') return NaN;
  let total = 0;
  DURATION_PART.lastIndex = 0;
  while (DURATION_PART.lastIndex < body.length) {
    const part = DURATION_PART.exec(body);
    if (part === null) return NaN;
    total += Math.floor(Number(part[1]) * (UNIT_NS[part[2] ?? ''] ?? NaN));
  }
  if (total > 2 ** 63) return NaN;
  return negative ? -total : total;
}

/** Whether an array or string holds nothing. */
export function isEmpty(text: Uint8Array, member: Member): boolean {
  for (let at = member.start + 1; at < member.end - 1; at++) {
    const byte = text[at] as number;
    const blank =
      member.kind === 'array' && (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
    if (!blank) return false;
  }
  return true;
}

export interface Nested {
  readonly part: Uint8Array;
  readonly members: readonly Member[];
}

/** A member that is an object, scanned by itself at once: its places count from `member.start`. */
export function nestedOf(text: Uint8Array, member: Member, field: FieldName): Nested | BigoError {
  if (member.end - member.start > nestedBytesMax) return badField(field, `at most ${nestedBytesMax} bytes`);
  const part = text.subarray(member.start, member.end);
  const scanned = scanObject(part);
  return scanned.failed
    ? badField(field, `an object of at most ${membersMax} keys`)
    : { part, members: scanned.members };
}

function kindInWords(kind: JsonKind): string {
  if (kind === 'object' || kind === 'array') return `an ${kind}`;
  return kind === 'string' || kind === 'number' ? `a ${kind}` : kind;
}
