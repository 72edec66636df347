// Answers that are held until they are complete, and what can be told of an answer by looking at it. Never inflates, never parses it whole.
import type { AnswerHead } from '../platform/wire/answer-head.ts';

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const refusalBytesMax = 64 * 1024;

export class HeldAnswer {
  private readonly chunks: Buffer[] = [];
  private readonly bytesMax: number;
  private length = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** False when it is over the limit. */
  add(chunk: Buffer): boolean {
    this.length += chunk.length;
    if (this.length > this.bytesMax) return false;
    // The chunk's memory is used again for the next one.
    this.chunks.push(Buffer.from(chunk));
    return true;
  }

  bytes(): Buffer {
    const [only] = this.chunks;
    return this.chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.chunks, this.length);
  }
}

/** Begins and ends as a JSON object or array does: a cut one does not end so. */
export function looksWhole(body: Uint8Array): boolean {
  let start = 0;
  let end = body.length - 1;
  while (start < end && isSpace(body[start])) start += 1;
  while (end > start && isSpace(body[end])) end -= 1;
  if (start >= end) return false;
  const first = body[start];
  const last = body[end];
  return (first === OPEN_BRACE && last === CLOSE_BRACE) || (first === OPEN_BRACKET && last === CLOSE_BRACKET);
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** What Ollama writes nearly always: compared first, since it costs nothing. */
const ginJson = 'application/json; charset=utf-8';

type Head = Pick<AnswerHead, 'status' | 'contentType' | 'contentEncoding'>;

/** Why the head cannot be an Ollama server's, in words: a redirect, a page of a proxy or of a wrong server. */
export function wrongHead({ status, contentType }: Head): string | undefined {
  if (status >= 300 && status < 400) return `it answered with a redirect (${status})`;
  if (status >= 400 || contentType === undefined || contentType === ginJson) return undefined;
  const known =
    /^(?:application\/(?:json|x-ndjson)|text\/(?:event-stream|plain|vtt)|application\/x-subrip)\b/i;
  return known.test(contentType) ? undefined : `it answered with ${contentType.slice(0, 60)}`;
}

export function isReadableJson({ contentType = '', contentEncoding }: Head): boolean {
  if (contentEncoding !== undefined) return false;
  return contentType === ginJson || /^application\/json\b/i.test(contentType);
}

/** Ollama's words for a model it does not have; in all three dialects they are inside the body. */
export function saysModelMissing(status: number, body: Buffer): boolean {
  if (status !== 404 || body.length > refusalBytesMax) return false;
  return /model\b.{0,300}\bnot found|"not_found_error"/i.test(body.toString('utf8'));
}
