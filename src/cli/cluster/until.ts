// Looks at something of a cluster or a gateway until it is as it should be, and says each change. Never changes anything.
import { setTimeout as sleep } from 'node:timers/promises';
import { usageError } from '../exit.ts';

interface Waiting<Seen> {
  readonly look: () => Promise<Seen>;
  readonly isDone: (seen: Seen) => boolean;
  readonly text: (seen: Seen) => string;
  readonly onText: (text: string) => void;
  readonly msMax: number;
  readonly signal: AbortSignal;
}

const pollMs = 500;

/** The last look: as it should be, or the time is over. */
export async function until<Seen>(waiting: Waiting<Seen>): Promise<{ seen: Seen; isDone: boolean }> {
  const { look, isDone, text, onText, msMax, signal } = waiting;
  const deadlineMs = performance.now() + msMax;
  let told = '';
  for (;;) {
    const seen = await look();
    if (isDone(seen)) return { seen, isDone: true };
    const now = text(seen);
    if (now !== told) onText(now);
    told = now;
    if (performance.now() >= deadlineMs) return { seen, isDone: false };
    await sleep(pollMs, undefined, { signal });
  }
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** As people write it: 30s, 5m, 2h, 1d. */
export function timeMs(flag: string, text: string): number {
  const match = /^(\d{1,5})([smhd])$/.exec(text);
  const unit = match?.[2] as keyof typeof UNITS | undefined;
  if (match === null || unit === undefined)
    throw usageError(`${flag}: "${text}" is no time`, 'Write 30s, 5m, 2h or 1d.');
  return Number(match[1]) * UNITS[unit];
}
