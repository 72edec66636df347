// Splits an answer into thinking and content at the model's tags. Never holds more than a possible tag and white space.

export interface ThinkingSplit {
  readonly thinking: string;
  readonly content: string;
}

export interface ThinkingParser {
  push(piece: string): ThinkingSplit;
  flush(): ThinkingSplit;
}

export const OPENING_TAG = '<think>';
const CLOSING_TAG = '</think>';

type State = 'before' | 'inside' | 'after' | 'content';

/** `opened` = the prompt itself already ended with the opening tag. */
export function thinkingParser(start: 'closed' | 'opened'): ThinkingParser {
  let state: State = start === 'opened' ? 'inside' : 'before';
  let held = '';
  let thinking = '';
  let content = '';
  let begun = false;

  function step(): boolean {
    switch (state) {
      case 'before': {
        const text = held.trimStart();
        if (text.startsWith(OPENING_TAG)) return enter('inside', text.slice(OPENING_TAG.length).trimStart());
        if (OPENING_TAG.startsWith(text)) return false;
        return enter('content', held);
      }
      case 'inside': {
        const at = held.indexOf(CLOSING_TAG);
        if (at >= 0) {
          think(held.slice(0, at).trimEnd());
          return enter('after', held.slice(at + CLOSING_TAG.length));
        }
        const keep = heldBack(held);
        const text = held.slice(0, held.length - keep);
        think(text);
        held = held.slice(held.length - keep);
        return false;
      }
      case 'after': {
        const text = held.trimStart();
        return text === '' ? false : enter('content', text);
      }
      case 'content':
        content += held;
        held = '';
        return false;
    }
  }
  function think(text: string): void {
    thinking += begun ? text : text.trimStart();
    begun ||= text.trim() !== '';
  }
  function enter(next: State, rest: string): boolean {
    state = next;
    held = rest;
    return true;
  }
  function take(): ThinkingSplit {
    const split = { thinking, content };
    thinking = '';
    content = '';
    return split;
  }
  return {
    push(piece) {
      held += piece;
      while (step());
      return take();
    },
    flush() {
      if (state === 'inside') thinking += held;
      else content += held;
      held = '';
      return take();
    },
  };
}

/** Length of the tail that may be white space before, or the beginning of, the closing tag. */
function heldBack(text: string): number {
  for (let length = Math.min(CLOSING_TAG.length, text.length); length > 0; length--) {
    if (text.endsWith(CLOSING_TAG.slice(0, length))) return length + trailingSpace(text.slice(0, -length));
  }
  return trailingSpace(text);
}

function trailingSpace(text: string): number {
  return text.length - text.trimEnd().length;
}
