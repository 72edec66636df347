// Reads end, error and usage of an answer while its bytes go by, for each shape of answer. Never changes or holds bytes.
import type { StreamShape } from '../request/types.ts';
import { stepHash, wordHash, wordHashStart } from '../request/hash.ts';
import { ERROR_UNTOLD, JsonProbe } from './probe.ts';
import type { StreamTap, TapReport } from './types.ts';

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;

/**
 * Ollama answers some streaming requests with one JSON text and no line end (a load, a rendered template):
 * the content type tells, so give it where it is known.
 */
export function createTap(shape: StreamShape, contentType = ''): StreamTap {
  const read = contentType.startsWith('application/json') ? 'json' : shape;
  switch (read) {
    case 'ollama_ndjson':
      return new LineTap(probe => probe.done);
    case 'status_ndjson':
      return new LineTap(probe => probe.status === SUCCESS);
    case 'openai_sse':
      return new EventTap(() => false);
    case 'responses_sse':
      return new EventTap(probe => RESPONSE_ENDS.has(probe.type));
    case 'anthropic_sse':
      return new EventTap(probe => probe.type === MESSAGE_STOP);
    case 'json':
      return new JsonTap();
    default:
      return read satisfies never;
  }
}

const SUCCESS = wordHash('success');
const MESSAGE_STOP = wordHash('message_stop');
const RESPONSE_ENDS: ReadonlySet<number> = new Set(
  ['response.completed', 'response.failed', 'response.incomplete'].map(wordHash),
);

/** Whether the text that is complete in the probe ends the stream. */
type EndTest = (probe: JsonProbe) => boolean;

abstract class Tap implements StreamTap {
  protected readonly probe = new JsonProbe();
  terminated = false;
  private bytes = 0;
  private lastByte = LF;

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.read(chunk);
    this.bytes += chunk.length;
    this.lastByte = chunk[chunk.length - 1] as number;
  }

  report(): TapReport {
    const error = this.probe.error;
    return {
      terminated: this.terminated,
      ...(error !== undefined && { error }),
      usage: this.probe.usage(),
      midLine: this.lastByte !== LF && this.lastByte !== CR,
      bytes: this.bytes,
    };
  }

  protected abstract read(chunk: Uint8Array): void;
}

/** One JSON text a line. A line counts when its line end has come. */
class LineTap extends Tap {
  private readonly isEnd: EndTest;

  constructor(isEnd: EndTest) {
    super();
    this.isEnd = isEnd;
  }

  protected read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      at = this.probe.feed(chunk, at);
      if (at === chunk.length) return;
      if (this.probe.closed && this.isEnd(this.probe)) this.terminated = true;
      this.probe.endText();
      at++;
    }
  }
}

/** One JSON text in all: complete when its outermost value is. */
class JsonTap extends Tap {
  protected read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) at = this.probe.feed(chunk, at) + 1;
    if (this.probe.closed) this.terminated = true;
  }
}

// Where in an event-stream line the next byte is (WHATWG HTML, event stream interpretation).
const FIELD = 0;
const DATA_FIRST = 1;
const DATA = 2;
const EVENT_FIRST = 3;
const EVENT = 4;
const OTHER = 5;

const DATA_FIELD = wordHash('data');
const EVENT_FIELD = wordHash('event');
const ERROR_EVENT = wordHash('error');
const DONE_MARK = wordHash('[DONE]');
const doneMarkBytes = 6;

/** Server-sent events. An event counts when the blank line after it has come. */
class EventTap extends Tap {
  private readonly isEnd: EndTest;
  private where = FIELD;
  private hash = wordHashStart;
  private lineBytes = 0;
  private afterCr = false;
  private doneMark = false;
  private errorEvent = false;

  constructor(isEnd: EndTest) {
    super();
    this.isEnd = isEnd;
  }

  protected read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.where === DATA) at = this.readData(chunk, at);
      else if (this.where === DATA_FIRST) at = this.readDataStart(chunk[at] as number, at);
      else this.readByte(chunk[at++] as number);
    }
  }

  /** One space after the colon does not belong to the data. */
  private readDataStart(byte: number, at: number): number {
    this.where = DATA;
    return byte === SPACE ? at + 1 : at;
  }

  /** JSON goes to the probe; the first bytes are hashed too, since `[DONE]` is none. */
  private readData(chunk: Uint8Array, from: number): number {
    let at = from;
    for (; at < chunk.length && this.lineBytes <= doneMarkBytes; at++) {
      const byte = chunk[at] as number;
      if (byte === LF || byte === CR) break;
      this.lineBytes++;
      this.hash = stepHash(this.hash, byte);
    }
    const end = this.probe.feed(chunk, from);
    if (end === chunk.length) return end;
    if (this.lineBytes === doneMarkBytes && this.hash === DONE_MARK) this.doneMark = true;
    this.endLine(chunk[end] as number);
    return end + 1;
  }

  private readByte(byte: number): void {
    if (byte === LF && this.afterCr) {
      this.afterCr = false;
      return;
    }
    this.afterCr = false;
    if (byte === LF || byte === CR) return this.lineEnd(byte);
    if (this.where === FIELD) return this.readField(byte);
    if (this.where === OTHER) return;
    const first = this.where === EVENT_FIRST;
    this.where = EVENT;
    if (!first || byte !== SPACE) this.hash = stepHash(this.hash, byte);
  }

  private readField(byte: number): void {
    this.lineBytes++;
    if (byte !== COLON) {
      this.hash = stepHash(this.hash, byte);
      return;
    }
    if (this.hash === DATA_FIELD) this.where = DATA_FIRST;
    else this.where = this.hash === EVENT_FIELD ? EVENT_FIRST : OTHER;
    this.hash = wordHashStart;
    this.lineBytes = 0;
  }

  private lineEnd(byte: number): void {
    if (this.where === FIELD && this.lineBytes === 0) this.endEvent();
    if (this.where === EVENT && this.hash === ERROR_EVENT) this.errorEvent = true;
    this.endLine(byte);
  }

  private endLine(byte: number): void {
    this.afterCr = byte === CR;
    this.where = FIELD;
    this.hash = wordHashStart;
    this.lineBytes = 0;
  }

  private endEvent(): void {
    const probe = this.probe;
    if (this.doneMark || (probe.closed && this.isEnd(probe))) this.terminated = true;
    probe.endText();
    if (this.errorEvent) probe.error ??= ERROR_UNTOLD;
    this.doneMark = false;
    this.errorEvent = false;
  }
}
