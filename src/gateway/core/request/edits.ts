// Changes to a request's body: bytes are cut out and put in, nothing is re-serialised. Never reorders or reformats.
import type { Edit, Span } from './types.ts';

const encoder = new TextEncoder();

/** The body with all edits done; the body itself when there are none. Spans must not overlap. */
export function applyEdits(body: Uint8Array, edits: readonly Edit[]): Uint8Array {
  if (edits.length === 0) return body;
  const ordered = edits.length === 1 ? edits : edits.toSorted((a, b) => a.span.start - b.span.start);
  const texts = ordered.map(edit => encoder.encode(edit.text));
  let length = body.length;
  for (const [index, edit] of ordered.entries()) {
    length += (texts[index]?.length ?? 0) - (edit.span.end - edit.span.start);
  }
  const result = new Uint8Array(length);
  let read = 0;
  let written = 0;
  for (const [index, edit] of ordered.entries()) {
    result.set(body.subarray(read, edit.span.start), written);
    written += edit.span.start - read;
    const text = texts[index] ?? new Uint8Array(0);
    result.set(text, written);
    written += text.length;
    read = edit.span.end;
  }
  result.set(body.subarray(read), written);
  return result;
}

/** Puts another model in the place of the one that the client named. */
export function modelEdit(
  request: { readonly modelSpan: Span; readonly modelInForm?: true },
  name: string,
): Edit {
  return { span: request.modelSpan, text: request.modelInForm ? name : JSON.stringify(name) };
}
