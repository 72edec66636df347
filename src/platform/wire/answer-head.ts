// The head of an answer: status, fields, and how the body behind it is delimited (RFC 9112 §6.3).
// Never guesses: a head whose length could be read in two ways is refused.
import { readFields } from './fields.ts';

/** Not to be changed: the next answer may be given the same one. */
export interface AnswerHead {
  readonly status: number;
  /** Name, value, name, value; names in lower case. */
  readonly fields: readonly string[];
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly body: 'length' | 'chunked' | 'until_close';
  /** Of body `length`. */
  readonly bodyBytes: number;
  /** Another request may follow on this connection. */
  readonly keepsAlive: boolean;
  /** The backend closes an idle connection after this time, if it said so. */
  readonly idleMsMax: number;
}

/** Before there is one. */
export const NO_HEAD: AnswerHead = {
  status: 0,
  fields: [],
  contentType: undefined,
  contentEncoding: undefined,
  body: 'length',
  bodyBytes: 0,
  keepsAlive: false,
  idleMsMax: 0,
};

const STATUS_LINE = /^HTTP\/1\.[01] [1-5]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const LENGTH = /^\d{1,15}$/;

let lastText = '';
let lastHead: AnswerHead | undefined;

/**
 * `text` is everything up to the empty line, with the line end before it. Undefined = not an answer of HTTP/1.
 * Within a second a backend begins all its streams with the same head.
 */
export function readAnswerHead(text: string): AnswerHead | undefined {
  if (text === lastText) return lastHead;
  lastText = text;
  lastHead = read(text);
  return lastHead;
}

function read(text: string): AnswerHead | undefined {
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd < 0 || !STATUS_LINE.test(text.slice(0, lineEnd))) return undefined;
  const fields = readFields(text.slice(lineEnd + 2));
  if (fields === undefined) return undefined;
  const status = Number(text.slice(9, 12));
  const found = new Found(text.charCodeAt(7) === 0x31);
  for (let at = 0; at + 1 < fields.length; at += 2)
    found.take(fields[at] as string, fields[at + 1] as string);
  return found.head(status, fields);
}

class Found {
  private contentType: string | undefined;
  private contentEncoding: string | undefined;
  private length = -1;
  private chunked = false;
  private keepsAlive: boolean;
  private idleMsMax = Infinity;
  private broken = false;

  constructor(keepsAlive: boolean) {
    this.keepsAlive = keepsAlive;
  }

  take(name: string, value: string): void {
    switch (name) {
      case 'content-type':
        this.contentType ??= value;
        return;
      case 'content-encoding':
        this.contentEncoding ??= value;
        return;
      case 'content-length':
        this.broken ||= this.length >= 0 || !LENGTH.test(value);
        this.length = Number(value);
        return;
      case 'transfer-encoding':
        this.broken ||= this.chunked || value.toLowerCase() !== 'chunked';
        this.chunked = true;
        return;
      case 'connection':
        this.connection(value.toLowerCase());
        return;
      case 'keep-alive':
        this.idleMsMax = Number(/\btimeout=(\d{1,6})\b/.exec(value)?.[1] ?? Infinity) * 1000;
        return;
      default:
    }
  }

  head(status: number, fields: readonly string[]): AnswerHead | undefined {
    // Both lengths at once are the oldest trick to make two readers disagree; a switch of protocols was never asked for.
    if (this.broken || (this.chunked && this.length >= 0) || status === 101) return undefined;
    const { contentType, contentEncoding, idleMsMax } = this;
    const bodiless = status < 200 || status === 204 || status === 304;
    const untilClose = !bodiless && !this.chunked && this.length < 0;
    const body = bodiless || !this.chunked ? 'length' : 'chunked';
    return {
      status,
      fields,
      contentType,
      contentEncoding,
      body: untilClose ? 'until_close' : body,
      bodyBytes: bodiless || this.length < 0 ? 0 : this.length,
      keepsAlive: this.keepsAlive && !untilClose,
      idleMsMax,
    };
  }

  private connection(value: string): void {
    if (value === 'keep-alive') this.keepsAlive = true;
    else if (value.split(',').some(token => token.trim() === 'close')) this.keepsAlive = false;
  }
}
