// Cuts the elements out of the `models` list of a large answer, so that 10⁵ of them never have to be parsed in one go.
// Never checks the JSON: each element goes through JSON.parse afterwards.

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN = 123;
const CLOSE = 125;

/** Half-open byte ranges of the objects in the list; undefined comes last when the text ended inside it. */
export function* modelElements(text: Uint8Array): Generator<readonly [number, number] | undefined> {
  let at = findList(text);
  if (at === undefined) return yield undefined;
  let depth = 0;
  let start = at;
  for (; at < text.length; at++) {
    const byte = text[at];
    if (byte === QUOTE) at = stringEnd(text, at);
    else if (byte === OPEN || byte === OPEN_LIST) {
      if (depth === 0) start = at;
      depth++;
    } else if (byte === CLOSE || byte === CLOSE_LIST) {
      if (depth === 0) return;
      depth--;
      if (depth === 0) yield [start, at + 1];
    }
  }
  yield undefined;
}

// The byte after `[` of the outermost "models": [
function findList(text: Uint8Array): number | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at];
    if (byte === QUOTE) {
      const end = stringEnd(text, at);
      if (depth === 1 && isModels(text, at, end)) {
        const list = skipTo(text, end + 1);
        if (text[list] === OPEN_LIST) return list + 1;
      }
      at = end;
    } else if (byte === OPEN || byte === OPEN_LIST) depth++;
    else if (byte === CLOSE || byte === CLOSE_LIST) depth--;
  }
  return undefined;
}

const MODELS = Array.from('models', letter => letter.charCodeAt(0));

function isModels(text: Uint8Array, quote: number, end: number): boolean {
  return (
    end - quote - 1 === MODELS.length && MODELS.every((letter, index) => text[quote + 1 + index] === letter)
  );
}

// Past blanks and one colon.
function skipTo(text: Uint8Array, from: number): number {
  let at = from;
  while (at < text.length && ' \t\r\n:'.includes(String.fromCharCode(text[at] ?? 0))) at++;
  return at;
}

function stringEnd(text: Uint8Array, quote: number): number {
  for (let at = quote + 1; at < text.length; at++) {
    if (text[at] === BACKSLASH) at++;
    else if (text[at] === QUOTE) return at;
  }
  return text.length;
}
