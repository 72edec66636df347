// Follows JSON texts byte by byte and picks out the few values that tell usage, error and end. Never holds a text,
// never throws: broken JSON only means that nothing more is found in it.
import { stepHash, wordHash, wordHashStart } from '../request/hash.ts';
import type { Usage } from './types.ts';

// Places in an answer that are looked at; PARENTS spells them out.
const ROOT = 0;
const DONE = 1;
const STATUS = 2;
const TYPE = 3;
const ERROR = 4;
const ERROR_MESSAGE = 5;
const MESSAGE = 6;
const USAGE = 7;
const RESPONSE = 8;
const TOTAL_NS = 9;
const LOAD_NS = 10;
const PROMPT_NS = 11;
const EVAL_NS = 12;
const PROMPT_TOKENS = 13;
const COMPLETION_TOKENS = 14;
const NOWHERE = -1;

const nativeMetrics = {
  total_duration: TOTAL_NS,
  load_duration: LOAD_NS,
  prompt_eval_duration: PROMPT_NS,
  eval_duration: EVAL_NS,
  prompt_eval_count: PROMPT_TOKENS,
  eval_count: COMPLETION_TOKENS,
};

/** For each place that can be an object: its keys and the places they lead to. */
const PLACES: Readonly<Record<number, Readonly<Record<string, number>>>> = {
  [ROOT]: {
    done: DONE,
    status: STATUS,
    type: TYPE,
    error: ERROR,
    message: MESSAGE,
    usage: USAGE,
    response: RESPONSE,
    ...nativeMetrics,
  },
  [ERROR]: { message: ERROR_MESSAGE },
  // Anthropic's message_start holds the message, Responses' last event the response, each with its usage.
  [MESSAGE]: { usage: USAGE },
  [RESPONSE]: { usage: USAGE, error: ERROR },
  [USAGE]: {
    prompt_tokens: PROMPT_TOKENS,
    input_tokens: PROMPT_TOKENS,
    completion_tokens: COMPLETION_TOKENS,
    output_tokens: COMPLETION_TOKENS,
  },
};

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** USAGE inside RESPONSE inside the root. */
const placeDepthMax = 3;
const errorBytesMax = 2048;

export const ERROR_UNTOLD = 'the backend reported an error';
const TYPE_ERROR = wordHash('error');

const PLACE_BY_HASH: ReadonlyMap<number, number>[] = [];
for (const [place, keys] of Object.entries(PLACES)) {
  PLACE_BY_HASH[Number(place)] = new Map(Object.entries(keys).map(([key, to]) => [wordHash(key), to]));
}

const DURATIONS = [
  [TOTAL_NS, 'totalMs'],
  [LOAD_NS, 'loadMs'],
  [PROMPT_NS, 'promptMs'],
  [EVAL_NS, 'evalMs'],
] as const;

/** What the running string is good for. */
const SKIP = 0;
const KEY = 1;
const WORD = 2;
const TEXT = 3;

export class JsonProbe {
  /** "done":true at the top of this text. */
  done = false;
  /** Hashes of the top-level strings `type` and `status` of this text; 0 = none. */
  type = 0;
  status = 0;
  /** The first error of all texts. */
  error: string | undefined;
  /** This text's outermost value is complete. */
  closed = false;

  private depth = 0;
  /** The place of the object that is open at each depth. */
  private readonly openPlaces = [ROOT, NOWHERE, NOWHERE, NOWHERE];
  /** The place of the object that keys are read from now. */
  private open = NOWHERE;
  /** The place of the value that comes next. */
  private place = ROOT;
  private keyNext = false;
  private inString = false;
  private escaped = false;
  private use = SKIP;
  private hash = wordHashStart;
  private number = 0;
  private numberAt = NOWHERE;
  private numberExact = false;
  private text: Uint8Array | undefined;
  private textBytes = 0;
  private topMessage: string | undefined;
  private readonly found: number[] = [];

  /** Reads up to the next line end and returns its place, or the end of the chunk. */
  feed(chunk: Uint8Array, from: number): number {
    const length = chunk.length;
    let at = from;
    while (at < length) {
      if (this.inString) {
        at = this.readString(chunk, at);
        if (this.inString) return at;
        continue;
      }
      const byte = chunk[at] as number;
      if (byte === LF || byte === CR) return at;
      this.structure(byte);
      at++;
    }
    return at;
  }

  /** The text is over; what it told is kept, and the next one begins. */
  endText(): void {
    this.endNumber();
    if (this.type === TYPE_ERROR) this.error ??= this.topMessage || ERROR_UNTOLD;
    this.done = false;
    this.type = 0;
    this.status = 0;
    this.closed = false;
    this.depth = 0;
    this.open = NOWHERE;
    this.place = ROOT;
    this.keyNext = false;
    this.inString = false;
    this.escaped = false;
    this.topMessage = undefined;
  }

  usage(): Usage {
    const promptTokens = this.found[PROMPT_TOKENS] || undefined;
    // Ollama's /v1/completions writes a usage of zeros into every chunk: that is no count.
    const completion = this.found[COMPLETION_TOKENS];
    const completionTokens = promptTokens === undefined && completion === 0 ? undefined : completion;
    const usage: { -readonly [field in keyof Usage]: Usage[field] } = {};
    if (promptTokens !== undefined) usage.promptTokens = promptTokens;
    if (completionTokens !== undefined) usage.completionTokens = completionTokens;
    for (const [place, field] of DURATIONS) {
      const nanoseconds = this.found[place];
      if (nanoseconds !== undefined) usage[field] = nanoseconds / 1e6;
    }
    return usage;
  }

  private readString(chunk: Uint8Array, from: number): number {
    if (this.use === TEXT) return this.readText(chunk, from);
    const length = chunk.length;
    let hash = this.hash;
    let escaped = this.escaped;
    let at = from;
    for (; at < length; at++) {
      const byte = chunk[at] as number;
      if (byte === QUOTE && !escaped) break;
      if (byte === LF || byte === CR) break;
      escaped = byte === BACKSLASH && !escaped;
      hash = stepHash(hash, byte);
    }
    this.hash = hash;
    this.escaped = escaped;
    if (at === length || chunk[at] !== QUOTE) return at;
    this.endString();
    return at + 1;
  }

  private readText(chunk: Uint8Array, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (byte === LF || byte === CR) return at;
      if (byte === QUOTE && !this.escaped) {
        this.endString();
        return at + 1;
      }
      this.escaped = byte === BACKSLASH && !this.escaped;
      if (this.textBytes < errorBytesMax) this.textBuffer()[this.textBytes++] = byte;
    }
    return chunk.length;
  }

  private structure(byte: number): void {
    if (this.numberAt !== NOWHERE && !this.goesOn(byte)) this.endNumber();
    if (byte === QUOTE) this.beginString();
    else if (byte === 0x7b) this.openContainer(this.place);
    else if (byte === 0x5b) this.openContainer(NOWHERE);
    else if (byte === 0x7d || byte === 0x5d) this.closeContainer();
    else if (byte === 0x2c) {
      this.keyNext = this.open !== NOWHERE;
      this.place = NOWHERE;
    } else if (this.place !== NOWHERE) this.scalar(byte);
  }

  private beginString(): void {
    this.inString = true;
    this.hash = wordHashStart;
    if (this.keyNext) this.use = KEY;
    else if (this.place === TYPE || this.place === STATUS) this.use = WORD;
    else if (this.place === ERROR || this.place === ERROR_MESSAGE || this.place === MESSAGE) {
      this.use = TEXT;
      this.textBytes = 0;
    } else this.use = SKIP;
  }

  private endString(): void {
    this.inString = false;
    const place = this.place;
    if (this.use === KEY) {
      this.place = PLACE_BY_HASH[this.open]?.get(this.hash) ?? NOWHERE;
      this.keyNext = false;
      return;
    }
    this.place = NOWHERE;
    if (this.use === WORD) {
      if (place === TYPE) this.type = this.hash;
      else this.status = this.hash;
    } else if (this.use === TEXT) {
      if (place === MESSAGE) this.topMessage = this.textValue();
      else this.error ??= this.textValue() || ERROR_UNTOLD;
    }
  }

  private openContainer(place: number): void {
    const known = this.depth < placeDepthMax && PLACES[place] !== undefined ? place : NOWHERE;
    this.depth++;
    if (this.depth <= placeDepthMax) this.openPlaces[this.depth] = known;
    this.open = known;
    this.keyNext = known !== NOWHERE;
    this.place = NOWHERE;
  }

  private closeContainer(): void {
    if (this.depth === 0) return;
    if (this.open === ERROR) this.error ??= ERROR_UNTOLD;
    this.depth--;
    this.open = this.depth === 0 ? NOWHERE : (this.openPlaces[this.depth] ?? NOWHERE);
    this.keyNext = false;
    this.place = NOWHERE;
    if (this.depth === 0) this.closed = true;
  }

  private scalar(byte: number): void {
    if (byte === 0x74 && this.place === DONE) this.done = true;
    const isDigit = byte >= 0x30 && byte <= 0x39;
    if (isDigit && this.place >= TOTAL_NS) {
      this.numberAt = this.place;
      this.number = byte - 0x30;
      this.numberExact = true;
    }
    if (byte > 0x20 && byte !== 0x3a) this.place = NOWHERE;
  }

  /** Counts and nanoseconds are integers; anything else is a number that we do not understand. */
  private goesOn(byte: number): boolean {
    if (byte >= 0x30 && byte <= 0x39) {
      this.number = this.number * 10 + (byte - 0x30);
      return true;
    }
    const more = byte === 0x2e || byte === 0x2b || byte === 0x2d || (byte | 0x20) === 0x65;
    if (more) this.numberExact = false;
    return more;
  }

  private endNumber(): void {
    if (this.numberAt !== NOWHERE && this.numberExact && Number.isSafeInteger(this.number)) {
      this.found[this.numberAt] = this.number;
    }
    this.numberAt = NOWHERE;
  }

  private textBuffer(): Uint8Array {
    return (this.text ??= new Uint8Array(errorBytesMax));
  }

  /** A text that was too long is cut, and a character or escape that was cut in half is left out. */
  private textValue(): string {
    const raw = new TextDecoder().decode(this.textBuffer().subarray(0, this.textBytes));
    const cut =
      this.textBytes < errorBytesMax ? raw : raw.replace(/\ufffd?$/, '').replace(/\\[^\\]{0,5}$/, '') + '…';
    try {
      return String(JSON.parse(`"${cut}"`));
    } catch {
      return cut;
    }
  }
}
