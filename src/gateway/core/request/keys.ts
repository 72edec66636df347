// Finds the fields that the gateway reads among the members of a body, the way Go's decoder would find them.
// Never lets two readings of one body stand: a key that decides something is refused unless it is there once, as written.
import { BigoError } from '../../../api/errors.ts';
import { stepHash, wordHash, wordHashStart } from './hash.ts';
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
const names: readonly FieldName[] = [...DECISIVE, ...INFORMING];
const known: ReadonlySet<string> = new Set(names);
const nameByHash: ReadonlyMap<number, FieldName> = new Map(names.map(name => [wordHash(name), name]));
const knownLengthMin = 4;
const knownLengthMax = 14;
/** Every character of the longest key as \uXXXX. */
const spelledBytesMax = knownLengthMax * 6;

export function findFields(text: Uint8Array, scanned: ScannedObject): Fields | BigoError {
  const found: Partial<Record<FieldName, Member>> = {};
  let unsure = false;
  for (const member of scanned.members) {
    const bytes = member.keyEnd - member.keyStart;
    if (bytes < knownLengthMin || bytes > spelledBytesMax) continue;
    const field = exactName(text, member) ?? (isPlain(text, member) ? undefined : foldedName(text, member));
    if (field === undefined) continue;
    if (found[field] !== undefined || !isSpelled(text, member, field)) {
      if (decisive.has(field)) return ambiguous(field, keyText(text, member));
      unsure = true;
    }
    found[field] = member;
  }
  return { found, unsure };
}

function exactName(text: Uint8Array, { keyStart, keyEnd }: Member): FieldName | undefined {
  let hash = wordHashStart;
  for (let at = keyStart; at < keyEnd; at++) hash = stepHash(hash, text[at] as number);
  const name = nameByHash.get(hash);
  return name !== undefined && isWritten(text, keyStart, name) ? name : undefined;
}

function isWritten(text: Uint8Array, start: number, name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    if (name.charCodeAt(index) !== text[start + index]) return false;
  }
  return text[start + name.length] === 0x22;
}

function isSpelled(text: Uint8Array, member: Member, name: FieldName): boolean {
  return isWritten(text, member.keyStart, name) || keyText(text, member) === name;
}

/** No character that folds to another: such a key is spelled in one way only. */
function isPlain(text: Uint8Array, { keyStart, keyEnd }: Member): boolean {
  for (let at = keyStart; at < keyEnd; at++) {
    const byte = text[at] as number;
    if (byte >= 0x80 || byte === 0x5c || (byte >= 0x41 && byte <= 0x5a)) return false;
  }
  return true;
}

function foldedName(text: Uint8Array, member: Member): FieldName | undefined {
  const key = foldKey(keyText(text, member));
  return known.has(key) ? (key as FieldName) : undefined;
}

/** The member with exactly this key, the last of equal ones, as Go fills a map. */
export function exactMember(text: Uint8Array, members: readonly Member[], name: string): Member | undefined {
  for (let index = members.length - 1; index >= 0; index--) {
    const member = members[index] as Member;
    const bytes = member.keyEnd - member.keyStart;
    if (bytes < name.length || bytes > name.length * 6) continue;
    if (isWritten(text, member.keyStart, name)) return member;
    if (bytes > name.length && keyText(text, member) === name) return member;
  }
  return undefined;
}

/** Whether a key is there in a spelling that Go takes for this name and that is not the name itself. */
export function isFoldedIn(text: Uint8Array, members: readonly Member[], name: string): boolean {
  return members.some(member => {
    if (member.keyEnd - member.keyStart > name.length * 6) return false;
    const key = keyText(text, member);
    return key !== name && foldKey(key) === name;
  });
}

/** Go compares keys by simple Unicode folding (encoding/json, foldName): two characters beyond ASCII fold to letters. */
function foldKey(key: string): string {
  return key.toLowerCase().replaceAll('\u017f', 's').replaceAll('\u212a', 'k');
}

function keyText(text: Uint8Array, { keyStart, keyEnd }: Member): string {
  return shortText(text, keyStart, keyEnd);
}

/** The string whose JSON text, without quotes, is in these few bytes; the bytes were scanned before. */
export function shortText(text: Uint8Array, start: number, end: number): string {
  let value = '';
  for (let at = start; at < end; at++) {
    const byte = text[at] as number;
    if (byte >= 0x80 || byte === 0x5c) return decodeText(text, start, end);
    value += String.fromCharCode(byte);
  }
  return value;
}

function decodeText(text: Uint8Array, start: number, end: number): string {
  return JSON.parse(`"${new TextDecoder().decode(text.subarray(start, end))}"`) as string;
}

function ambiguous(name: string, key: string): BigoError {
  const spelled = key === name ? 'is there twice' : `is spelled ${JSON.stringify(key)}`;
  return new BigoError('ambiguous_key', `The key \`${name}\` ${spelled}: send it once, in lower case.`);
}
