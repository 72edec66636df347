// Tokens to text, one by one: keeps bytes of an unfinished character back. Never tokenises the answer again.
import type { LlamaModel, Token } from './llama-types.ts';

export interface PieceReader {
  /** '' while a character is not complete. */
  push(token: Token): string;
  flush(): string;
}

/** The text of single tokens, kept for as long as the model is loaded. */
export interface PieceTable {
  reader(): PieceReader;
  textOf(tokens: readonly Token[]): string;
}

const REPLACEMENT = '\uFFFD';
/** No character has more bytes, and a token holds at least one. */
const unfinishedTokensMax = 4;

export function createPieceTable(model: LlamaModel): PieceTable {
  const known = new Map<Token, string>();
  // Tokenisers drop the space before the first token of a text, so an anchor stands in front and is cut off.
  const anchor = model.tokenize('a', false).slice(-1);
  const anchorText = model.detokenize(anchor, true);
  const textOf = (tokens: readonly Token[]): string =>
    model.detokenize([...anchor, ...tokens], true).slice(anchorText.length);
  function single(token: Token): string {
    let text = known.get(token);
    if (text === undefined) {
      text = textOf([token]);
      known.set(token, text);
    }
    return text;
  }
  return { textOf, reader: () => createReader(single, textOf) };
}

function createReader(
  single: (token: Token) => string,
  textOf: (tokens: readonly Token[]) => string,
): PieceReader {
  let unfinished: Token[] = [];
  function flush(): string {
    const text = unfinished.length === 0 ? '' : textOf(unfinished);
    unfinished = [];
    return text;
  }
  return {
    flush,
    push(token) {
      if (unfinished.length === 0) {
        const text = single(token);
        if (!text.includes(REPLACEMENT)) return text;
      }
      unfinished.push(token);
      const text = textOf(unfinished);
      if (text.endsWith(REPLACEMENT) && unfinished.length < unfinishedTokensMax) return '';
      unfinished = [];
      return text;
    },
  };
}
