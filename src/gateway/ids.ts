// Ids of requests and traces: unique, not guessable in their random part, cheap. Never Ollama's own ids, which repeat (rule 33).
import { randomBytes, randomFillSync } from 'node:crypto';

const traceBytes = 24;
const pool = Buffer.alloc(traceBytes * 256);
let used = pool.length;

/** 48 hexadecimal digits: a trace id and a parent id. */
export function traceHex(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += traceBytes;
  return pool.toString('hex', used - traceBytes, used);
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
