// The field lines of an HTTP/1.1 head as text, read strictly (RFC 9112 §5). Never lenient: a line that two readers could
// understand differently makes the whole head unreadable.

/** Field names, then values of visible characters, spaces and tabs; no folding, no bare CR or LF, no space before the colon. */
const FIELDS = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const namesKept = 512;

/** `text` holds whole lines, each with its line end. Name, value, name, value, with names in lower case; undefined = not well-formed. */
export function readFields(text: string): string[] | undefined {
  if (!FIELDS.test(text)) return undefined;
  const fields: string[] = [];
  let from = 0;
  while (from < text.length) {
    const end = text.indexOf('\r\n', from);
    const colon = text.indexOf(':', from);
    fields.push(lowerCase(text.slice(from, colon)), valueOf(text, colon + 1, end));
    from = end + 2;
  }
  return fields;
}

/** For writing: a value that came from elsewhere could hold a line end. */
export function isFieldValue(value: string): boolean {
  return VALUE.test(value);
}

export function writeFields(fields: readonly string[]): string {
  let text = '';
  for (let at = 0; at + 1 < fields.length; at += 2) text += `${fields[at]}: ${fields[at + 1]}\r\n`;
  return text;
}

function valueOf(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isSpace(text.charCodeAt(start))) start += 1;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** The same few names come with every head. */
const lowered = new Map<string, string>();

function lowerCase(name: string): string {
  const known = lowered.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  if (lowered.size < namesKept) lowered.set(name, lower);
  return lower;
}
