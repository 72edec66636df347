// Reads text fields of a multipart form without copying its files. Never reads a field that is longer than a model name can be.
import { BigoError } from '../../../api/errors.ts';
import type { Span } from './types.ts';

const headBytesMax = 4096;
const partsMax = 64;

/** The span of the only part with this name, undefined when there is none; a second one is refused. */
export function formField(body: Uint8Array, contentType: string, name: string): Span | undefined | BigoError {
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) return badForm('the content type names no boundary');
  const mark = new TextEncoder().encode(`\r\n--${boundary}`);
  let found: Span | undefined;
  let at = startsWith(body, mark.subarray(2), 0) ? mark.length - 2 : endOf(body, mark, 0);
  for (let parts = 0; at >= 0; parts++) {
    if (body[at] === 0x2d && body[at + 1] === 0x2d) return found;
    if (parts === partsMax) return badForm(`it has more than ${partsMax} parts`);
    const headEnd = endOf(body, CRLF2, at);
    if (headEnd < 0 || headEnd - at > headBytesMax) return badForm('a part has no head');
    const next = endOf(body, mark, headEnd - 2);
    if (next < 0) return badForm('its last boundary is missing');
    if (partName(body.subarray(at, headEnd)) === name) {
      if (found !== undefined)
        return new BigoError('ambiguous_key', `The form field \`${name}\` is there twice.`);
      found = { start: headEnd, end: Math.max(headEnd, next - mark.length) };
    }
    at = next;
  }
  return badForm('its boundary does not occur');
}

const CRLF2 = new TextEncoder().encode('\r\n\r\n');

function boundaryOf(contentType: string): string | undefined {
  const match = /;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  return match?.[1] ?? match?.[2];
}

function partName(head: Uint8Array): string | undefined {
  const text = new TextDecoder('latin1').decode(head);
  const disposition = /^content-disposition:[^\r\n]*/im.exec(text)?.[0] ?? '';
  return /[;\s]name="([^"]*)"/i.exec(disposition)?.[1] ?? /[;\s]name=([^\s;"]+)/i.exec(disposition)?.[1];
}

/** Where the first occurrence of `mark` from `from` on ends, or -1. */
function endOf(body: Uint8Array, mark: Uint8Array, from: number): number {
  const first = mark[0] as number;
  for (let at = body.indexOf(first, from); at >= 0; at = body.indexOf(first, at + 1)) {
    if (startsWith(body, mark, at)) return at + mark.length;
  }
  return -1;
}

function startsWith(body: Uint8Array, mark: Uint8Array, at: number): boolean {
  for (let index = 0; index < mark.length; index++) {
    if (body[at + index] !== mark[index]) return false;
  }
  return true;
}

function badForm(what: string): BigoError {
  return new BigoError('bad_request', `The body is not a multipart form: ${what}.`);
}
