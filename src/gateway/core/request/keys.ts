// Finds the fields that the gateway reads among the members of a body, the way Go's decoder would find them.
// Never lets two readings of one body stand: a key that decides something is refused unless it is there once, as written.
import { BigoError } from '../../../api/errors.ts';
import type { Member, ScannedObject } from './scan.ts';

/** Keys that decide who is asked for what (design.md §5.5). */
const DECISIVE = [
  'model',
  'name',
  'stream',
  'options',
  'keep_alive',
  'source',
  'destination',
  'from',
] as const;

/** Keys that only inform an estimate, or that a backend judges by itself. */
const INFORMING = [
  'messages',
  'prompt',
  'input',
  'system',
  'tools',
  'instructions',
  'template',
  'images',
  'suffix',
  'stream_options',
  'max_tokens',
  'insecure',
  'files',
  'draft_files',
  'adapters',
] as const;

export type FieldName = (typeof DECISIVE)[number] | (typeof INFORMING)[number];

export interface Fields {
  readonly found: Readonly<Partial<Record<FieldName, Member>>>;
  /** An informing key was repeated or spelled otherwise: what we read of these may not be what the backend reads. */
  readonly unsure: boolean;
}

const decisive: ReadonlySet<string> = new Set(DECISIVE);
const known: ReadonlySet<string> = new Set([...DECISIVE, ...INFORMING]);
const knownLengthMin = 4;
const knownLengthMax = 14;
/** Every character of the longest key as \uXXXX. */
const spelledBytesMax = knownLengthMax * 6;

export function findFields(text: Uint8Array, scanned: ScannedObject): Fields | BigoError {
  const found: Partial<Record<FieldName, Member>> = {};
  let unsure = false;
  for (const member of scanned.members) {
    const key = keyText(text, member);
    if (key === undefined) continue;
    const name = known.has(key) ? key : foldKey(key);
    if (!known.has(name)) continue;
    const field = name as FieldName;
    if (name !== key || found[field] !== undefined) {
      if (decisive.has(name)) return ambiguous(name, key);
      unsure = true;
    }
    found[field] = member;
  }
  return { found, unsure };
}

/** Members of a nested object by their exact keys, the last of equal ones, as Go fills a map. */
export function exactMembers(text: Uint8Array, scanned: ScannedObject): Map<string, Member> {
  const members = new Map<string, Member>();
  for (const member of scanned.members) {
    const key = keyText(text, member);
    if (key !== undefined) members.set(key, member);
  }
  return members;
}

/** Go compares keys by simple Unicode folding (encoding/json, foldName): two characters beyond ASCII fold to letters. */
export function foldKey(key: string): string {
  return key.toLowerCase().replaceAll('\u017f', 's').replaceAll('\u212a', 'k');
}

/** Undefined for a key too short or too long to be one that we know in any spelling. */
function keyText(text: Uint8Array, member: Member): string | undefined {
  const { keyStart, keyEnd } = member;
  const bytes = keyEnd - keyStart;
  if (bytes < knownLengthMin || bytes > spelledBytesMax) return undefined;
  let key = '';
  for (let at = keyStart; at < keyEnd; at++) {
    const byte = text[at] as number;
    if (byte >= 0x80 || byte === 0x5c) return decodeText(text, keyStart, keyEnd);
    key += String.fromCharCode(byte);
  }
  return key;
}

/** The string whose JSON text, without quotes, is in these bytes; the bytes were scanned before. */
export function decodeText(text: Uint8Array, start: number, end: number): string {
  return JSON.parse(`"${new TextDecoder().decode(text.subarray(start, end))}"`) as string;
}

function ambiguous(name: string, key: string): BigoError {
  const spelled = key === name ? 'is there twice' : `is spelled ${JSON.stringify(key)}`;
  return new BigoError('ambiguous_key', `The key \`${name}\` ${spelled}: send it once, in lower case.`);
}
