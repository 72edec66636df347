// Figures of the last moments, from the requests that ended: rate, time to first token, tokens. Never keeps anything.
import type { RequestRow } from './wire.ts';

export interface Stats {
  readonly windowMs: number;
  readonly requestsPerSecond: number;
  readonly errorsPerSecond: number;
  readonly tokensPerSecond: number;
  /** Absent when nothing was streamed in the window. */
  readonly firstTokenMsMedian: number | undefined;
  readonly firstTokenMsP95: number | undefined;
}

export function statsOf(rows: readonly RequestRow[], nowMs: number, windowMs: number): Stats {
  const lately = rows.filter(row => nowMs - Date.parse(row.at) < windowMs);
  const seconds = windowMs / 1000;
  const first = lately.flatMap(row => row.firstByteMs ?? []).sort((a, b) => a - b);
  return {
    windowMs,
    requestsPerSecond: lately.length / seconds,
    errorsPerSecond: lately.filter(isError).length / seconds,
    tokensPerSecond: lately.reduce((sum, row) => sum + (row.tokens ?? 0), 0) / seconds,
    firstTokenMsMedian: quantile(first, 0.5),
    firstTokenMsP95: quantile(first, 0.95),
  };
}

function isError(row: RequestRow): boolean {
  return row.code !== 499 && (row.error !== undefined || row.code >= 400);
}

/** Nearest rank; `sorted` ascending. */
function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}
