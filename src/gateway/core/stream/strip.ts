// Takes the usage that the gateway asked for out of an OpenAI stream, so that the client sees the stream it asked for.
// Never changes another byte, and holds back nothing but an event that is not complete yet.
import { exactMember } from '../request/keys.ts';
import { type Member, scanObject } from '../request/scan.ts';
import { isEmpty } from '../request/values.ts';

export interface UsageStripper {
  /** What may be sent on now. */
  push(chunk: Uint8Array): readonly Uint8Array[];
  /** What was held back, at the end of the stream. */
  end(): readonly Uint8Array[];
}

/** A usage chunk has a few hundred bytes; a longer event is not held. */
const heldBytesMax = 64 * 1024;

const LF = 0x0a;
const CR = 0x0d;
const NOTHING: Uint8Array = new Uint8Array(0);
const USAGE_KEY = new TextEncoder().encode('"usage"');
const NO_CHOICES = new TextEncoder().encode('"choices":[]');
const DATA = new TextEncoder().encode('data:');
/** As Ollama ends each chunk of /v1/completions: no other event ends so, a quote in a text would be escaped. */
const ZERO_USAGE_END = new TextEncoder().encode(
  ',"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}\n\n',
);

export function createUsageStripper(): UsageStripper {
  return new Stripper();
}

class Stripper implements UsageStripper {
  private held: Uint8Array = NOTHING;
  /** The running event was too long to hold: it passes up to its end. */
  private passing = false;

  push(chunk: Uint8Array): readonly Uint8Array[] {
    if (chunk.length === 0) return [];
    const bytes = this.held.length === 0 ? chunk : joined(this.held, chunk);
    const end = lastEventEnd(bytes);
    if (end === 0) return this.hold(bytes);
    const rest = bytes.subarray(end);
    const parts: Uint8Array[] = [];
    let start = 0;
    if (this.passing) {
      start = eventEnd(bytes, 0);
      parts.push(bytes.subarray(0, start));
      this.passing = false;
    }
    stripEvents(bytes.subarray(start, end), parts);
    if (rest.length === 0) this.held = NOTHING;
    else parts.push(...this.hold(rest));
    return parts;
  }

  end(): readonly Uint8Array[] {
    const held = this.held;
    this.held = NOTHING;
    return held.length === 0 ? [] : [held];
  }

  /** `bytes` is the beginning of an event. What passes keeps its last line end, to see the blank line come. */
  private hold(bytes: Uint8Array): readonly Uint8Array[] {
    if (bytes.length > heldBytesMax) this.passing = true;
    const keepFrom = this.passing ? lineTail(bytes) : 0;
    this.held = bytes.slice(keepFrom);
    return keepFrom === 0 ? [] : [bytes.subarray(0, keepFrom)];
  }
}

/** The last line end and a CR before it, or a CR at the end: all that the end of an event can begin with. */
function lineTail(bytes: Uint8Array): number {
  let at = bytes.length;
  while (at > 0 && bytes.length - at < 3 && (bytes[at - 1] === LF || bytes[at - 1] === CR)) at--;
  return at;
}

/** Where the first event at or after `from` ends, its blank line included; 0 = nowhere. */
function eventEnd(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === CR ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return 0;
}

function lastEventEnd(bytes: Uint8Array): number {
  for (let at = bytes.lastIndexOf(LF); at > 0; at = bytes.lastIndexOf(LF, at - 1)) {
    const before = bytes[at - 1] === CR ? at - 2 : at - 1;
    if (bytes[before] === LF) return at + 1;
  }
  return 0;
}

function stripEvents(events: Uint8Array, parts: Uint8Array[]): void {
  if (events.length === 0) return;
  if (!contains(events, USAGE_KEY)) {
    parts.push(events);
    return;
  }
  for (let at = 0; at < events.length;) {
    const end = eventEnd(events, at) || events.length;
    stripEvent(events.subarray(at, end), parts);
    at = end;
  }
}

function stripEvent(event: Uint8Array, parts: Uint8Array[]): void {
  const cut = usageCut(event);
  if (cut === undefined) {
    parts.push(event);
    return;
  }
  if (cut.start > 0) parts.push(event.subarray(0, cut.start));
  if (cut.end < event.length) parts.push(event.subarray(cut.end));
}

interface Cut {
  readonly start: number;
  readonly end: number;
}

/** The whole event when it is the usage chunk; in Ollama's /v1/completions also the zeros in every other chunk. */
function usageCut(event: Uint8Array): Cut | undefined {
  if (!startsWith(event, DATA, 0)) return undefined;
  const zeros = event.length - ZERO_USAGE_END.length;
  if (zeros > 0 && startsWith(event, ZERO_USAGE_END, zeros) && !contains(event, NO_CHOICES)) {
    return { start: zeros, end: event.length - 3 };
  }
  return usageCutByScan(event);
}

function usageCutByScan(event: Uint8Array): Cut | undefined {
  const start = DATA.length;
  const lineEnd = event.indexOf(LF);
  const text = event.subarray(start, lineEnd < 0 ? event.length : lineEnd);
  const scanned = scanObject(text);
  if (scanned.failed) return undefined;
  const usage = exactMember(text, scanned.members, 'usage');
  const choices = exactMember(text, scanned.members, 'choices');
  if (usage?.kind !== 'object' || choices === undefined) return undefined;
  const noChoices = choices.kind === 'null' || (choices.kind === 'array' && isEmpty(text, choices));
  if (noChoices) return { start: 0, end: event.length };
  const index = scanned.members.indexOf(usage);
  const before = scanned.members[index - 1];
  if (before === undefined || !isAllZero(text, usage)) return undefined;
  return { start: start + before.end, end: start + usage.end };
}

function isAllZero(text: Uint8Array, usage: Member): boolean {
  const part = text.subarray(usage.start, usage.end);
  const scanned = scanObject(part);
  if (scanned.failed) return false;
  return scanned.members.every(member => member.end - member.start === 1 && part[member.start] === 0x30);
}

function contains(bytes: Uint8Array, wanted: Uint8Array): boolean {
  const first = wanted[0];
  const last = bytes.length - wanted.length;
  for (let at = 0; at <= last; at++) {
    if (bytes[at] === first && startsWith(bytes, wanted, at)) return true;
  }
  return false;
}

function startsWith(bytes: Uint8Array, wanted: Uint8Array, at: number): boolean {
  for (let index = 0; index < wanted.length; index++) {
    if (bytes[at + index] !== wanted[index]) return false;
  }
  return true;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
