// Ids of requests and traces: unique, not guessable in their random part, cheap. Never Ollama's own ids, which repeat (rule 33).
import { randomBytes } from 'node:crypto';

const traceDigits = 48;
const traceIdsAtOnce = 128;
let digits = '';
let used = 0;

/** 48 hexadecimal digits: a trace id and a parent id. */
export function traceHex(): string {
  if (used === digits.length) {
    digits = randomBytes((traceDigits / 2) * traceIdsAtOnce).toString('hex');
    used = 0;
  }
  used += traceDigits;
  return digits.slice(used - traceDigits, used);
}

/** Counts up behind a prefix that is new with each start. */
export class RequestIds {
  private readonly prefix = randomBytes(6).toString('base64url');
  private count = 0;

  next(): string {
    this.count += 1;
    return `${this.prefix}-${this.count.toString(36)}`;
  }
}
