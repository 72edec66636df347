// Finds stop texts in a growing answer. Text that may still become a stop text is held back; never emits part of one.

export interface StopScanner {
  /** The text that may go out now. */
  push(piece: string): string;
  /** What was held back and turned out harmless. */
  flush(): string;
  readonly stopped: boolean;
}

export function stopScanner(stops: readonly string[]): StopScanner {
  const wanted = stops.filter(stop => stop !== '');
  return wanted.length === 0 ? passThrough() : holdingScanner(wanted);
}

function passThrough(): StopScanner {
  return { push: piece => piece, flush: () => '', stopped: false };
}

function holdingScanner(stops: readonly string[]): StopScanner {
  let held = '';
  let stopped = false;
  return {
    get stopped() {
      return stopped;
    },
    push(piece) {
      if (stopped) return '';
      held += piece;
      const at = firstStop(held, stops);
      stopped = at >= 0;
      if (!stopped && endsInside(held, stops)) return '';
      const out = stopped ? held.slice(0, at) : held;
      held = '';
      return out;
    },
    flush() {
      const out = held;
      held = '';
      return out;
    },
  };
}

/** The earliest of the first stop text that occurs, in the order the caller gave (ollama runner/common/stop.go). */
function firstStop(text: string, stops: readonly string[]): number {
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at >= 0) return at;
  }
  return -1;
}

/** True when the text ends with a beginning of a stop text. */
export function endsInside(text: string, stops: readonly string[]): boolean {
  for (const stop of stops) {
    for (let length = Math.min(stop.length, text.length); length > 0; length--) {
      if (text.endsWith(stop.slice(0, length))) return true;
    }
  }
  return false;
}
